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
from typing import Any, Final, Protocol

from hub import watchdog
from hub.clock import resume_from, steady_s, utc_now
from hub.domain.error import StoreUnavailable
from hub.jobs import partitioning
from hub.jobs.chore import Chore
from hub.jobs.coverage import coverage_chore
from hub.jobs.deadline import deadline_chore
from hub.jobs.retention import retention_chore
from hub.jobs.rollup import rollup_chore
from hub.rulebook.book import load_book
from hub.settings import HubSettings
from hub.sites.seal import Sealer
from hub.store.area import EVERY_SITE
from hub.store.database import Connection, connect, hold_role, limit_role, watched
from hub.store.liveness import last_alive, save_liveness
from hub.store.site import list_sites

_log: Final = logging.getLogger(__name__)

ROLE: Final = "chores"
"""What people's lives wait for: escalations and deadlines, each second."""
UPKEEP: Final = "upkeep"
"""What the store needs and may take its time, on a connection and a thread of its own."""
_BEAT_S: Final = 1.0
_BACK_OFF_S: Final = (0.2, 2.0)
_TURNS_S: Final = 60.0
"""No chore takes so long at a time; a loop that does not turn for longer hangs."""
_STOP_S: Final = 3.0


class Runner:
    """Runs each chore of one role when it is due, in the given order."""

    def __init__(
        self, database: str, chores: Sequence[Chore], role: str = ROLE, *, upkeep: Runner | None = None
    ) -> None:
        """`upkeep`: the runner beside this one, of whose work this one's liveness row tells, too."""
        self._database = database
        self._role = role
        self._upkeep = upkeep
        self._chores = chores
        self._due = dict.fromkeys((chore.name for chore in chores), 0.0)
        self._stopping = threading.Event()
        self._started_at = utc_now()
        self.turned_s = steady_s()
        """When its loop last turned: who hangs is seen by this."""
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        delay_s, away = _BACK_OFF_S[0], False
        while not self._stopping.is_set():
            self._turn()
            try:
                connection = connect(self._database, application=f"sanfang {self._role}", area=EVERY_SITE)
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
                    self._work_connected(limit_role(connection))
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
            self._role,
            [""],
            started_at=self._started_at,
            at=now,
            detail=self._tell(),
        )

    def _work_connected(self, connection: Connection) -> None:
        while not hold_role(connection, self._role):
            self._turn()
            if self._stopping.wait(_BEAT_S):
                return
        while not self._stopping.is_set():
            self._turn()
            began_s = steady_s()
            self.step(connection, utc_now(), began_s)
            self._stopping.wait(max(0.05, _BEAT_S - (steady_s() - began_s)))

    def _tell(self) -> dict[str, Any]:
        done, failed = dict(self.done), dict(self.failed)
        if self._upkeep is not None:
            done |= self._upkeep.done
            failed |= self._upkeep.failed
        return {"pid": os.getpid(), "done": done, "failed": failed}

    def _turn(self) -> None:
        self.turned_s = steady_s()


class _Beside:
    """The upkeep in a thread beside the chores. The process's watchdog hears of both: either may hang."""

    def __init__(self, main: Runner, upkeep: Runner) -> None:
        self._main, self._upkeep = main, upkeep
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=upkeep.run, name=UPKEEP, daemon=True),
            threading.Thread(target=self._watch, name="watch", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        self._upkeep.stop()
        for thread in self._threads:
            thread.join(_STOP_S)

    def _watch(self) -> None:
        while not self._over.wait(_BEAT_S):
            if steady_s() - min(self._main.turned_s, self._upkeep.turned_s) < _TURNS_S:
                watchdog.pet()


class Companion(Protocol):
    """What runs beside the chores in their process, in threads of its own: it cannot hold them up."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, within a few seconds."""


def run_chores(settings: HubSettings, walled: str, companions: Sequence[Companion] = ()) -> int:
    """Run the chores until SIGTERM or SIGINT. Upkeep makes and drops partitions, as the database's owner; what
    acts on sites goes by `walled`, the role of the chores. Raises ConfigurationError for a faulty rule book.
    """
    book = load_book(settings.rules, settings.plans)
    upkeep = Runner(
        settings.database,
        (
            partitioning.CHORE,
            rollup_chore(),
            retention_chore(Sealer(settings.data_dir).seal, settings.retention.kept),
            coverage_chore(book.plans),
        ),
        UPKEEP,
    )
    runner = Runner(walled, (deadline_chore(book),), upkeep=upkeep)
    companions = (_Beside(runner, upkeep), *companions)

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
