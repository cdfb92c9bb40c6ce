"""The one thread that writes the spool: many appends, one fsync; alarms before telemetry.

An operation is a function of the spool that runs inside a transaction; its future is done when that
transaction is on the disk. When the disk refuses, nothing is claimed as stored: the group stays at the head of
its queue and is tried again, in order, until the disk takes it. Producers wait for their futures and so
bound the queues.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from adapters.contract.vocabulary import Lane
from edge.clock import Clock
from edge.error import SpoolError
from edge.spool import Spool

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
Operation = Callable[[Spool], _T]

URGENT_GROUP: Final = 1_000
TELEMETRY_GROUP_BYTES: Final = 512 * 1024
"""A telemetry transaction is cut here, so that an alarm waits for at most one of that size."""
TELEMETRY_GROUP: Final = 256
RETRY_S: Final = 0.5


class Hooks(Protocol):
    """What happens around each transaction, in the writer's thread."""

    def before_commit(self, spool: Spool) -> None: ...
    def after_commit(self) -> None: ...
    def after_roll_back(self) -> None: ...
    def report_own(self, spool: Spool, kind: str, active: bool | None, **attributes: str | int) -> None: ...


@dataclass(slots=True)
class _Queued:
    operation: Operation[Any]
    size: int
    future: Future[Any]


class SpoolWriter:
    """Runs operations on the spool, group by group."""

    def __init__(
        self, spool: Spool, hooks: Hooks, on_stored: Callable[[dict[Lane, int]], None], clock: Clock
    ) -> None:
        """`on_stored` is called after each commit with the last number of each lane."""
        self._spool = spool
        self._hooks = hooks
        self._on_stored = on_stored
        self._clock = clock
        self._wake = threading.Condition()
        self._urgent: deque[_Queued] = deque()
        self._telemetry: deque[_Queued] = deque()
        self._group: list[_Queued] = []
        self._stopping = False
        self._failing_since: int | None = None
        self._thread = threading.Thread(target=self._guard, name="spool", daemon=True)
        self.ended: Future[None] = Future()
        """Done when the thread ended; carries the error that ended it, a SpoolError for a damaged file."""
        self.held_bytes = 0
        """Bytes of items held at the last commit; readable from any thread."""
        self.commits = 0
        self.failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is queued, then end. What the disk refuses until then is cancelled, not claimed."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def submit(self, operation: Operation[_T], *, urgent: bool, size: int = 0) -> Future[_T]:
        """Queue an operation (`size`: about how many bytes it stores); its future is done after the commit.

        Urgent ones come first; within their own queue operations keep their order. An operation may
        be run again after a failed commit, so it changes nothing but the spool.
        """
        queued = _Queued(operation, size, Future())
        with self._wake:
            if self._stopping:
                queued.future.cancel()
                return queued.future
            (self._urgent if urgent else self._telemetry).append(queued)
            self._wake.notify()
        return queued.future

    def _guard(self) -> None:
        """Run, and never end unnoticed: who waits is told, whatever happened."""
        try:
            self._run()
        finally:
            error = sys.exception()
            with self._wake:
                self._stopping = True
                for queued in (*self._group, *self._urgent, *self._telemetry):
                    queued.future.cancel()
            self._spool.close()
            if error is None:
                self.ended.set_result(None)
            elif isinstance(error, sqlite3.Error):
                self.ended.set_exception(SpoolError(f"the spool is damaged: {error}"))
            else:
                self.ended.set_exception(error)

    def _run(self) -> None:
        urgent_turn = True
        while True:
            with self._wake:
                if not self._urgent and not self._telemetry and not self._stopping:
                    # Now and then a transaction of its own, for what is due without any input.
                    self._wake.wait(1.0)
                if self._stopping and (
                    self._failing_since is not None or not (self._urgent or self._telemetry)
                ):
                    return
                self._group = self._take_group(urgent_turn)
            urgent_turn = not urgent_turn or not self._telemetry
            self._write_group(self._group)
            self._group = []

    def _take_group(self, urgent_turn: bool) -> list[_Queued]:
        # Turns are taken, so that neither a storm of alarms nor telemetry starves the other.
        if self._urgent and (urgent_turn or not self._telemetry):
            return [self._urgent.popleft() for _ in range(min(len(self._urgent), URGENT_GROUP))]
        group: list[_Queued] = []
        size = 0
        while self._telemetry and len(group) < TELEMETRY_GROUP and size < TELEMETRY_GROUP_BYTES:
            group.append(self._telemetry.popleft())
            size += group[-1].size
        return group

    def _write_group(self, group: list[_Queued]) -> None:
        """Commit a group; an operation that is itself at fault is told so and left out."""
        while True:
            results: list[Any] = []
            try:
                self._spool.begin()
                for queued in group:
                    results.append(queued.operation(self._spool))
                self._hooks.before_commit(self._spool)
                if self._failing_since is not None:
                    self._report_back()
                self._spool.commit()
            except sqlite3.OperationalError as error:
                self._roll_back()
                self._note_failure(error)
                if self._wait_to_retry():
                    continue
                for queued in group:
                    queued.future.cancel()
                return
            except (
                sqlite3.IntegrityError,
                sqlite3.ProgrammingError,
                ValueError,
                TypeError,
                OverflowError,
            ) as error:
                self._roll_back()
                if len(results) >= len(group):
                    raise
                faulty = group.pop(len(results))
                _log.error("an operation on the spool is at fault: %s", error)
                if faulty.future.set_running_or_notify_cancel():
                    faulty.future.set_exception(error)
                continue
            break
        self._hooks.after_commit()
        if self._failing_since is not None:
            _log.warning("the spool can be written again")
            self._failing_since = None
        self.commits += 1
        self.held_bytes = sum(self._spool.held_bytes(lane) for lane in Lane)
        self._on_stored({lane: self._spool.assigned(lane) for lane in Lane})
        for queued, result in zip(group, results, strict=True):
            if queued.future.set_running_or_notify_cancel():
                queued.future.set_result(result)

    def _roll_back(self) -> None:
        try:
            self._spool.roll_back()
        except sqlite3.OperationalError as error:
            _log.error("the spool cannot even be read: %s", error)
        self._hooks.after_roll_back()

    def _note_failure(self, error: sqlite3.Error) -> None:
        self.failures += 1
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic_ms()
            _log.error("the spool cannot be written, nothing is acknowledged: %s", error)

    def _report_back(self) -> None:
        assert self._failing_since is not None
        lasted_ms = self._clock.monotonic_ms() - self._failing_since
        self._hooks.report_own(self._spool, "store.unavailable", True, store="edge spool", lasted_ms=lasted_ms)
        self._hooks.report_own(self._spool, "store.unavailable", False, store="edge spool", lasted_ms=lasted_ms)

    def _wait_to_retry(self) -> bool:
        """Whether to try again: not when the edge is stopping."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopping, RETRY_S)
            return not self._stopping
