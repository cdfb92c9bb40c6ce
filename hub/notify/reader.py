"""A reader of the journal that hands its rows to a channel: each at least once, in order within a site.

The cursor moves after the delivery, in the database; a crash between the two tells a row twice and never
not at all. Woken by NOTIFY, it also looks each second, and begins anew on a new connection. One thread per
reader, so that a slow channel holds up neither the chores nor another channel.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from hub.clock import steady_s, utc_now
from hub.domain.error import HubError, StoreUnavailable
from hub.notify.outcome import Outcome, Result, Verdict, judge, waits_until
from hub.notify.trouble import tell_trouble
from hub.store.area import EVERY_SITE
from hub.store.database import (
    Connection,
    Row,
    await_notices,
    connect,
    hold_role,
    limit_role,
    listen,
    watched,
)
from hub.store.journal import CHANNEL, read_journal
from hub.store.reader import (
    ReaderState,
    add_dead_letter,
    open_reader,
    pass_rows,
    readers_behind,
    save_delivery,
    save_failure,
)

POLL_S: Final = 1.0
_SILENT_S: Final = 30
"""Longer than a channel takes for one row, during which the connection says nothing."""
_AT_ONCE: Final = 200
"""Rows that are read at once; after so many another site has its turn."""
_BACK_OFF_S: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
_STEADY_S: Final = 10.0
_UNTELLABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a channel raises on a row that is not as it expects."""
_log = logging.getLogger(__name__)


class Channel(Protocol):
    """A way to the outside."""

    @property
    def name(self) -> str:
        """The reader's name: what its cursors are kept under."""

    def wants(self, row: Row) -> bool:
        """Whether the row (site, seq, at, actor, subject, kind, body, hash) is to be told."""

    def deliver(self, row: Row, now: datetime) -> Outcome:
        """Tell it; takes a bounded time."""

    def close(self) -> None:
        """Break off what is going on; from another thread."""


class Reader:
    """One channel's reader, for all sites."""

    def __init__(self, database: str, channel: Channel, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._channel = channel
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=channel.name, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; what it was telling will be told again."""
        self._stop.set()
        self._channel.close()

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = steady_s()
            try:
                self._read_forever()
            except StoreUnavailable as error:
                if failures == 0:
                    _log.warning("%s lost the database: %s", self._channel.name, error)
            except (HubError, OSError) as error:
                _log.warning("%s failed and begins again: %r", self._channel.name, error)
            failures = 0 if steady_s() - began > _STEADY_S else failures + 1
            self._stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    def _read_forever(self) -> None:
        name = f"sanfang {self._channel.name}"
        connection = limit_role(connect(self._database, application=name, area=EVERY_SITE), _SILENT_S)
        try:
            with watched(connection):
                # Two chores processes, or a hub and its successor, never tell side by side.
                while not hold_role(connection, f"reader:{self._channel.name}"):
                    if self._stop.wait(POLL_S):
                        return
                listen(connection, CHANNEL)
                _log.info("%s reads the journal", self._channel.name)
                while not self._stop.is_set():
                    due = self.step(connection)
                    wait_s = (
                        POLL_S if due is None else min(POLL_S, max(0.0, (due - self._clock()).total_seconds()))
                    )
                    if wait_s:
                        await_notices(connection, wait_s)
        finally:
            connection.close()

    def step(self, connection: Connection) -> datetime | None:
        """Tell what is new, a share of each site's; returns when to go on, None: when there is news.
        Raises StoreUnavailable.
        """
        open_reader(connection, self._channel.name)
        dues: list[datetime] = []
        for state in readers_behind(connection, self._channel.name):
            if self._stop.is_set():
                break
            due = waits_until(state, self._clock()) or self._read_site(connection, state)
            if due is not None:
                dues.append(due)
        return min(dues, default=None)

    def _read_site(self, connection: Connection, state: ReaderState) -> datetime | None:
        """Returns when to go on with the site, None where all was told."""
        rows = read_journal(connection, state.site, after=state.seq, limit=_AT_ONCE)
        passed = state.seq
        for row in rows:
            if self._stop.is_set():
                break
            outcome = self._tell(row)
            if outcome is None:
                passed = row["seq"]
                continue
            now = self._clock()
            if self._stop.is_set() and outcome.reason:
                break  # We broke it off ourselves.
            verdict, after = judge(state, row["seq"], outcome, now)
            if verdict is Verdict.GO_ON:
                save_delivery(connection, after, now)
                if state.failing_since is not None:
                    _log.warning("%s reaches its receiver again (%s)", self._channel.name, state.site)
                state, passed = after, row["seq"]
            elif verdict is Verdict.PASS_OVER:
                add_dead_letter(
                    connection, after, attempts=state.attempts + 1, error=outcome.reason[:500], at=now
                )
                _log.error("%s: row %d of %s: %s", self._channel.name, row["seq"], state.site, outcome.reason)
                tell_trouble(connection, after, row, outcome.reason, now, parked=False)
                state, passed = after, row["seq"]
            else:
                if state.failing_since is None:
                    _log.warning("%s fails (%s): %s", self._channel.name, state.site, outcome.reason)
                # What it did not want before this row is behind it.
                save_failure(connection, after)
                pass_rows(connection, replace(state, seq=passed))
                if verdict is Verdict.PARK:
                    tell_trouble(connection, after, row, outcome.reason, now, parked=True)
                return after.next_at
        if passed > state.seq:
            pass_rows(connection, replace(state, seq=passed))
        return self._clock() + timedelta() if len(rows) == _AT_ONCE else None

    def _tell(self, row: Row) -> Outcome | None:
        """What came of the row; None where the channel does not want it. A row of which the channel can make
        nothing is refused like one that the receiver refuses: it holds up no other for ever.
        """
        try:
            return self._channel.deliver(row, self._clock()) if self._channel.wants(row) else None
        except _UNTELLABLE as error:
            _log.exception("%s cannot make anything of row %d", self._channel.name, row["seq"])
            return Outcome(Result.REFUSED, f"the row cannot be told: {error!r}")
