"""The live feed: one thread reads each journal as it grows, once for all screens, and publishes it.

The thread listens in autocommit, reads again on reconnect, and polls each second besides. What it knows
is one immutable `Condition` per site, from which beats are made even while the database is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from hub.api.audience import Audience
from hub.api.names import Names
from hub.api.picture import Standing, read_changes, read_counts, read_points, read_snapshot, read_states
from hub.api.stream import write_event
from hub.api.unreceipted import Unreceipted
from hub.api.views import Counts
from hub.clock import steady_s, utc_now
from hub.domain.error import StoreUnavailable
from hub.domain.permission import FOLLOWING
from hub.store.account import open_accesses
from hub.store.area import EVERY_SITE
from hub.store.database import Connection, await_notices, connect, limit_statements, listen, watched
from hub.store.journal import CHANNEL, head_id, head_seq, present_id
from hub.store.reader import reader_lags
from hub.store.site import edge_keys, list_sites
from hub.store.token import token_accesses
from hub.store.view import liveness_rows

POLL_S: Final = 1.0
KEYS_S: Final = 5.0
LAGS_S: Final = 5.0
STEADY_S: Final = 10.0
BEHIND: Final = 500
"""Journal rows: screens that are farther behind get the picture, which shows what is newest at once, in place
of every row between; a live alarm would otherwise wait behind each repeat of a flood."""
PICTURE_S: Final = 0.5
"""So often, while a flood lasts, is the picture sent anew."""
_BACK_OFF_S: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
_RENAMES: Final = frozenset({"configuration.applied", "session.opened"})
"""After these the names in memory may be out of date."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is known of a site: how far its journal was read, its counts, when its worker last committed."""

    seq: int
    id: str
    """Of row `seq`: after a restored backup another row, or none, has that number."""
    standing: Standing
    counts: Counts
    worker_at: datetime | None


class Feed:
    """The journals' reader for screens. Its attributes may be read from any thread."""

    def __init__(self, dsn: str, names: Names, audience: Audience, unreceipted: Unreceipted) -> None:
        self._dsn = dsn
        self._names = names
        self._audience = audience
        self._unreceipted = unreceipted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._keys_read = float("-inf")
        self.conditions: Mapping[str, Condition] = {}
        self.liveness: Mapping[str, datetime] = {}
        """When each process but the workers gave its last sign of life."""
        self.told: Mapping[int, tuple[str, Mapping[str, Any]]] = {}
        """What each worker and the chores tell of themselves, by pid: (process, its words)."""
        self.readers: Mapping[str, tuple[int, datetime | None]] = {}
        """How far each reader of the journal is behind: rows, and the time of the oldest of them."""
        self._lags_read = float("-inf")
        self.answered = float("-inf")
        """When the database last answered (monotonic)."""
        self.changes_read = 0
        self.changes_skipped = 0
        """Journal rows that screens were not told one by one, because they were behind."""
        self._drawn: dict[str, float] = {}

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; it notices within a second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3.0)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            started = steady_s()
            try:
                self._read_forever()
            except StoreUnavailable as error:
                if failures == 0:
                    _log.warning("the live feed lost the database: %s", error)
            except Exception:  # noqa: BLE001 - the API's one supervisor loop; beats say what is missing
                _log.exception("the live feed failed; it begins again")
            failures = 0 if steady_s() - started > STEADY_S else failures + 1
            self._stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    def _read_forever(self) -> None:
        connection = connect(self._dsn, application="sanfang api feed", area=EVERY_SITE)
        try:
            with watched(connection):
                limit_statements(connection)
                listen(connection, CHANNEL)
                _log.info("the live feed reads the journal")
                due = steady_s()
                while not self._stop.is_set():
                    if steady_s() >= due:
                        due = steady_s() + POLL_S
                        self._poll(connection)
                    self._follow(connection, max(0.0, due - steady_s()))
        finally:
            connection.close()

    def _follow(self, connection: Connection, wait_s: float = 0.0) -> None:
        """Publish what was noticed; between the steps of a poll, too, so that no alarm waits for all of it."""
        for site in await_notices(connection, wait_s):
            self._read_site(connection, site)

    def _poll(self, connection: Connection) -> None:
        now = utc_now()
        if steady_s() - self._keys_read > KEYS_S:
            self._unreceipted.set_keys(edge_keys(connection))
            self._keys_read = steady_s()
        if steady_s() - self._lags_read > LAGS_S:
            self.readers, self._lags_read = reader_lags(connection), steady_s()
        rows = liveness_rows(connection)
        workers = {row["site"]: row["at"] for row in rows if row["process"] == "worker"}
        self.liveness = {row["process"]: row["at"] for row in rows if row["process"] != "worker"}
        self.told = {
            row["detail"]["pid"]: (row["process"], row["detail"])
            for row in rows
            if row["process"] in ("worker", "chores") and "pid" in row["detail"]
        }
        for site in list_sites(connection):
            words = self._names.get(connection, site)
            self._follow(connection)
            points = read_points(connection, words, now)
            self._follow(connection)
            standing = Standing(points, read_states(connection, words, now))
            self._follow(connection)
            known = self.conditions.get(site)
            seq, identity = (known.seq, known.id) if known else head_id(connection, site)
            condition = Condition(
                seq=seq,
                id=identity,
                standing=standing,
                counts=read_counts(connection, words, standing),
                worker_at=workers.get(site),
            )
            self.conditions = {**self.conditions, site: condition}
            self._read_site(connection, site)
        asked = self._audience.session_hashes()
        if asked:
            hashes, at = list(asked), steady_s()
            accesses = open_accesses(connection, hashes, now) | token_accesses(connection, hashes, now)
            found = {name: access.sites_where(*FOLLOWING) for name, access in accesses.items()}
            self._audience.call(lambda: self._audience.confirm_sessions(asked, found, at))
        self.answered = steady_s()

    def _read_site(self, connection: Connection, site: str) -> None:
        """Publish what is new in a site's journal; a site that is not known yet waits for the poll."""
        condition = self.conditions.get(site)
        while condition is not None and not self._stop.is_set():
            began = utc_now()
            if present_id(connection, site, condition.seq) != condition.id:
                condition = self._begin_anew(connection, condition, site)
            if head_seq(connection, site) - condition.seq > BEHIND:
                # Not yet: the next notice, or the poll, comes by again.
                if steady_s() - self._drawn.get(site, float("-inf")) >= PICTURE_S:
                    condition = self._skip(connection, condition, site)
                    self._unreceipted.release(site, began)
                return
            words = self._names.get(connection, site)
            batch = read_changes(connection, words, condition.standing, after=condition.seq, now=began)
            self.answered = steady_s()
            if batch is not None:
                self.changes_read += len(batch.changes)
                condition = replace(condition, seq=batch.changes[-1].seq, id=batch.ids[-1], counts=batch.counts)
                for change, identity in zip(batch.changes, batch.ids, strict=True):
                    self._publish(site, change.seq, write_event("change", change, identity))
                if any(change.kind in _RENAMES for change in batch.changes):
                    self._names.forget(site)
                if batch.redraw:
                    condition = self._redraw(connection, condition, site)
                self.conditions = {**self.conditions, site: condition}
            if batch is None or not batch.full:
                self._unreceipted.release(site, began)
                return

    def _skip(self, connection: Connection, condition: Condition, site: str) -> Condition:
        """Give every screen the picture in place of the rows that it is behind."""
        self._names.forget(site)
        drawn = self._redraw(connection, condition, site)
        self.changes_skipped += drawn.seq - condition.seq
        self.conditions = {**self.conditions, site: drawn}
        self._drawn[site] = self.answered = steady_s()
        return drawn

    def _redraw(self, connection: Connection, condition: Condition, site: str) -> Condition:
        snapshot, identity = read_snapshot(connection, self._names.get(connection, site), utc_now())
        event = write_event("snapshot", snapshot, identity)
        self._audience.call(lambda: self._audience.publish(site, snapshot.seq, event, whole=True))
        return replace(condition, seq=snapshot.seq, id=identity, counts=snapshot.counts)

    def _begin_anew(self, connection: Connection, condition: Condition, site: str) -> Condition:
        """The journal is not the one that was read: a backup was restored. Every screen gets the picture."""
        _log.warning("%s: the journal no longer holds %s; screens begin anew", site, condition.id)
        self._names.forget(site)
        seq, identity = head_id(connection, site)
        condition = replace(condition, seq=seq, id=identity)
        self.conditions = {**self.conditions, site: condition}
        self._audience.call(lambda: self._audience.restart(site))
        return condition

    def _publish(self, site: str, seq: int, event: bytes) -> None:
        self._audience.call(lambda: self._audience.publish(site, seq, event))
