"""The chores process: one at a time for the whole hub, under a lock of its own, seen to be alive.

Its liveness row is renewed each second; the worker raises `chores.silent` when it stops.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from hub import watchdog
from hub.clock import resume_from, steady_s, utc_now
from hub.domain.error import StoreUnavailable
from hub.jobs import partitioning
from hub.jobs.chore import Chore
from hub.jobs.deadline import deadline_chore
from hub.jobs.retention import retention_chore
from hub.jobs.rollup import rollup_chore
from hub.rulebook.book import load_book
from hub.settings import HubSettings
from hub.store.database import Connection, connect, hold_role, limit_statements, watched
from hub.store.liveness import last_alive, save_liveness
from hub.store.site import list_sites

_log: Final = logging.getLogger(__name__)

ROLE: Final = "chores"
_BEAT_S: Final = 1.0
_BACK_OFF_S: Final = (0.2, 2.0)


class Runner:
    """Runs each chore when it is due, in the given order."""

    def __init__(self, database: str, chores: Sequence[Chore]) -> None:
        self._database = database
        self._chores = chores
        self._due = dict.fromkeys((chore.name for chore in chores), 0.0)
        self._stopping = threading.Event()
        self._started_at = utc_now()
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        delay_s, away = _BACK_OFF_S[0], False
        while not self._stopping.is_set():
            watchdog.pet()
            try:
                connection = connect(self._database, application="sanfang chores")
            except StoreUnavailable as error:
                if not away:
                    _log.warning("the database is away: %s", error)
                away = True
                self._stopping.wait(delay_s)
                delay_s = min(2 * delay_s, _BACK_OFF_S[1])
                continue
            delay_s, away = _BACK_OFF_S[0], False
            try:
                with watched(connection):
                    resume_from(last_alive(connection))
                    self._work_connected(limit_statements(connection))
            except StoreUnavailable as error:
                _log.warning("the database went away: %s", error)
            finally:
                connection.close()

    def step(self, connection: Connection, now: datetime, now_s: float) -> None:
        """Run what is due, then say that it is alive. Raises StoreUnavailable where the database is
        gone; a chore that fails is logged, counted, and tried again when it is due next.
        """
        sites = list_sites(connection)
        for chore in self._chores:
            if now_s < self._due[chore.name]:
                continue
            self._due[chore.name] = now_s + chore.every_s
            try:
                self.done[chore.name] += chore.work(connection, sites, now)
            except Exception:
                if connection.closed:
                    raise
                self.failed[chore.name] += 1
                _log.exception("%s failed; it is tried again in %g s", chore.name, chore.every_s)
        save_liveness(
            connection,
            ROLE,
            [""],
            started_at=self._started_at,
            at=now,
            detail={"pid": os.getpid(), "done": dict(self.done), "failed": dict(self.failed)},
        )

    def _work_connected(self, connection: Connection) -> None:
        while not hold_role(connection, ROLE):
            watchdog.pet()
            if self._stopping.wait(_BEAT_S):
                return
        while not self._stopping.is_set():
            watchdog.pet()
            began_s = steady_s()
            self.step(connection, utc_now(), began_s)
            self._stopping.wait(max(0.05, _BEAT_S - (steady_s() - began_s)))


class Companion(Protocol):
    """What runs beside the chores in their process, in threads of its own: it cannot hold them up."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, within a few seconds."""


def run_chores(settings: HubSettings, companions: Sequence[Companion] = ()) -> int:
    """Run the chores until SIGTERM or SIGINT. Raises ConfigurationError for a faulty rule book."""
    book = load_book(settings.rules, settings.plans)
    runner = Runner(
        settings.database,
        (deadline_chore(book), partitioning.CHORE, rollup_chore(), retention_chore(settings.retention.kept)),
    )

    def leave(_number: int, _frame: object) -> None:
        runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    for companion in companions:
        companion.start()
    try:
        runner.run()
    finally:
        for companion in companions:
            companion.stop()
    return 0
