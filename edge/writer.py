"""The one thread that writes the spool: many appends, one fsync; alarms before telemetry.

An operation is a function of the spool that runs inside a transaction; its future is done when that
transaction is on the disk. When the disk refuses, nothing is claimed as stored: the group goes back to the
head of its queue and is tried again, in order. A full disk makes the spool drop its oldest telemetry. A disk
that refuses altogether is left for a spool in memory (`edge/shelter.py`): then a future is done when the
hub's receipt says that it holds what was stored. Producers wait for their futures and so bound the queues.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from adapters.contract.vocabulary import Lane
from edge.clock import Clock
from edge.error import SpoolError
from edge.schema import Memory
from edge.shelter import Shelter
from edge.spool import Drop, Spool

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
Operation = Callable[[Spool], _T]

URGENT_GROUP: Final = 1_000
TELEMETRY_GROUP_BYTES: Final = 512 * 1024
"""A telemetry transaction is cut here, so that an alarm waits for at most one of that size."""
TELEMETRY_GROUP: Final = 256
RETRY_S: Final = 0.2
SHELTER_AFTER_MS: Final = 1_500
"""A disk that refused for so long is left for memory."""
PROBE_MS: Final = (5_000, 10_000, 30_000, 60_000, 300_000)
"""When the disk is tried again; longer and longer where it does not last."""
LASTING_MS: Final = 600_000
ROOM_MS: Final = 10_000
SQUEEZES: Final = 8
"""After so many in a row that did not help, dropping more is no use."""
_SQUEEZE_BYTES: Final = 256 * 1024
_REFUSING: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
"""Errors that no room on the disk would mend."""


class Hooks(Protocol):
    """What happens around each transaction, in the writer's thread."""

    def before_commit(self, spool: Spool) -> None: ...
    def after_commit(self) -> None: ...
    def after_roll_back(self) -> None: ...
    def report_own(
        self, spool: Spool, kind: str, active: bool | None, *, identity: str = "", **attributes: str | int
    ) -> None: ...
    def report_drops(self, spool: Spool, drops: Sequence[Drop]) -> None: ...


@dataclass(slots=True)
class _Queued:
    operation: Operation[Any]
    size: int
    durable: bool
    future: Future[Any]


class SpoolWriter:
    """Runs operations on the spool, group by group."""

    def __init__(
        self,
        spool: Spool,
        shelter: Shelter,
        hooks: Hooks,
        on_stored: Callable[[dict[tuple[int, Lane], int]], None],
        clock: Clock,
    ) -> None:
        """`on_stored` is called after each commit with the last number of each lane, by epoch and lane."""
        self._spool = spool
        self._disk: Spool | None = None if isinstance(spool.place, Memory) else spool
        self._shelter = shelter
        self._hooks = hooks
        self._on_stored = on_stored
        self._clock = clock
        self._wake = threading.Condition()
        self._urgent: deque[_Queued] = deque()
        self._telemetry: deque[_Queued] = deque()
        self._unsettled: dict[Lane, deque[tuple[int, Future[Any], Any]]] = {lane: deque() for lane in Lane}
        """What only memory holds: the number that the hub must have receipted, the future and its result."""
        self._stopping = False
        self._refused_since: dict[bool, int] = {}
        """Since when the disk has refused urgent (True) or telemetry (False) operations."""
        self._complained = False
        self._squeezes = 0
        self._fled_ms = 0
        self._probe_ms = 0
        self._probes = 0
        self._room_ms = 0
        self._thread = threading.Thread(target=self._guard, name="spool", daemon=True)
        self.ended: Future[None] = Future()
        """Done when the thread ended; carries the error that ended it, a SpoolError for a damaged file."""
        self.held_bytes = 0
        """Bytes of items held at the last commit; readable from any thread."""
        self.dropped: dict[str, int] = {}
        """What was ever dropped, by lane and reason, and the readings in it; readable from any thread."""
        self.commits = 0
        self.failures = 0

    @property
    def sheltered(self) -> bool:
        """Whether the disk refuses and memory has taken its place."""
        return isinstance(self._spool.place, Memory)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is queued, then end. What the disk refuses until then is cancelled, not claimed."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def submit(
        self, operation: Operation[_T], *, urgent: bool, size: int = 0, durable: bool = True
    ) -> Future[_T]:
        """Queue an operation (`size`: about how many bytes it stores); its future is done after the commit.

        Urgent ones come first; within their own queue operations keep their order. An operation may be run
        again after a failed commit, so it changes nothing but the spool. Where memory has taken the disk's
        place, a `durable` one is done only when the hub holds it; one that promises nothing to a device is
        not made to wait for that.
        """
        queued = _Queued(operation, size, durable, Future())
        with self._wake:
            if self._stopping:
                queued.future.cancel()
                return queued.future
            (self._urgent if urgent else self._telemetry).append(queued)
            self._wake.notify()
        return queued.future

    def _guard(self) -> None:
        """Run, and never end unnoticed: who waits is told, whatever happened."""
        group: list[_Queued] = []
        try:
            self._run(group)
        finally:
            error = sys.exception()
            with self._wake:
                self._stopping = True
                for queued in (*group, *self._urgent, *self._telemetry):
                    queued.future.cancel()
                for waiting in self._unsettled.values():
                    for _, future, _ in waiting:
                        future.cancel()
            self._spool.close()
            if self._disk is not None:
                self._disk.close()
            if error is None:
                self.ended.set_result(None)
            elif isinstance(error, sqlite3.Error):
                self.ended.set_exception(SpoolError(f"the spool is damaged: {error}"))
            else:
                self.ended.set_exception(error)

    def _run(self, group: list[_Queued]) -> None:
        urgent = True
        if self.sheltered:
            self._begin_shelter("it could not be opened at start")
        while True:
            with self._wake:
                if not self._urgent and not self._telemetry and not self._stopping:
                    # Now and then a transaction of its own, for what is due without any input.
                    self._wake.wait(1.0)
                if self._stopping and (self._refused_since or not (self._urgent or self._telemetry)):
                    return
                # Turns are taken, so that neither a storm of alarms nor telemetry starves the other.
                urgent = bool(self._urgent or not self._telemetry) and (urgent or not self._telemetry)
                group[:] = self._take_group(urgent)
            self._look_after_disk()
            if self._write_group(group, urgent):
                self._refused_since.pop(urgent, None)
                self._squeezes = 0
                group.clear()
            else:
                with self._wake:
                    (self._urgent if urgent else self._telemetry).extendleft(reversed(group))
                    group.clear()
            urgent = not urgent

    def _take_group(self, urgent: bool) -> list[_Queued]:
        if urgent:
            return [self._urgent.popleft() for _ in range(min(len(self._urgent), URGENT_GROUP))]
        group: list[_Queued] = []
        size = 0
        while self._telemetry and len(group) < TELEMETRY_GROUP and size < TELEMETRY_GROUP_BYTES:
            group.append(self._telemetry.popleft())
            size += group[-1].size
        return group

    def _write_group(self, group: list[_Queued], urgent: bool) -> bool:
        """Commit a group; an operation that is itself at fault is told so and left out. False where the disk
        refused: nothing of the group is stored then.
        """
        while True:
            results: list[Any] = []
            try:
                if not self.sheltered:
                    self._shelter.room.bound(self._spool, urgent=urgent)
                self._spool.begin()
                for queued in group:
                    results.append(queued.operation(self._spool))
                self._hooks.before_commit(self._spool)
                self._spool.commit()
            except sqlite3.OperationalError as error:
                self._roll_back()
                self._meet_refusal(error, group, urgent)
                return False
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
        if self._complained and not self._refused_since.keys() - {urgent}:
            self._complained = False
            _log.warning("the spool can be written again")
        self.commits += 1
        self._tell_stored()
        lane = Lane.ALARM if urgent else Lane.TELEMETRY
        for queued, result in zip(group, results, strict=True):
            if self.sheltered and queued.durable:
                self._unsettled[lane].append((self._spool.assigned(lane), queued.future, result))
            elif queued.future.set_running_or_notify_cancel():
                queued.future.set_result(result)
        self._settle()
        return True

    def _settle(self) -> None:
        """What memory held is settled when the hub holds it, or the disk."""
        for lane, waiting in self._unsettled.items():
            while waiting and (not self.sheltered or waiting[0][0] <= self._spool.cursor(lane)):
                _, future, result = waiting.popleft()
                if future.set_running_or_notify_cancel():
                    future.set_result(result)

    def _tell_stored(self) -> None:
        self.held_bytes = sum(self._spool.held_bytes(lane) for lane in Lane)
        drops = self._spool.dropped.values()
        self.dropped = {
            f"{drop.lane.name.lower()}_{drop.reason.replace(' ', '_')}": drop.items for drop in drops
        }
        if drops:
            self.dropped["readings"] = sum(drop.readings for drop in drops)
        self._on_stored({(self._spool.epoch, lane): self._spool.assigned(lane) for lane in Lane})

    def _roll_back(self) -> None:
        try:
            self._spool.roll_back()
        except sqlite3.OperationalError as error:
            _log.error("the spool cannot even be read: %s", error)
        self._hooks.after_roll_back()

    # The disk refuses.

    def _meet_refusal(self, error: sqlite3.OperationalError, group: list[_Queued], urgent: bool) -> None:
        """Make room where that may help, else wait a little; a disk that goes on refusing is left."""
        self.failures += 1
        now = self._clock.monotonic_ms()
        since = self._refused_since.setdefault(urgent, now)
        full = error.sqlite_errorcode & 0xFF not in _REFUSING
        if not self.sheltered and full and self._make_room(group, urgent):
            return
        if not self._complained:
            self._complained = True
            _log.error("the spool cannot be written, nothing is acknowledged: %s", error)
        if self.sheltered:
            self._wait_to_retry()
        elif now - since >= SHELTER_AFTER_MS and not self._stopping:
            self._flee(error)
        else:
            self._wait_to_retry()

    def _make_room(self, group: list[_Queued], urgent: bool) -> bool:
        """The disk may be full: whether something was given up for this group."""
        if self._squeezes >= SQUEEZES:
            return False
        self._squeezes += 1
        room, spool = self._shelter.room, self._spool
        released = room.tighten(spool)
        if not urgent and not spool.held_bytes(Lane.TELEMETRY):
            return released
        needed = _SQUEEZE_BYTES + 2 * sum(queued.size for queued in group)
        try:
            room.bound(spool, urgent=True)
            spool.begin()
            drops = spool.squeeze(needed, self._clock.now_us())
            if drops:
                self._hooks.report_drops(spool, drops)
            spool.commit()
        except sqlite3.OperationalError as error:
            _log.debug("no room can be made in the spool: %s", error)
            self._roll_back()
            return released
        self._hooks.after_commit()
        return released or bool(drops)

    def _flee(self, error: sqlite3.Error) -> None:
        """Let memory take the disk's place."""
        _log.error("the disk refuses: the hub's receipt is all that can be relied on now (%s)", error)
        self._spool = self._shelter.open_memory(self._spool)
        self._begin_shelter(str(error))

    def _begin_shelter(self, reason: str) -> None:
        now = self._clock.monotonic_ms()
        if now - self._fled_ms > LASTING_MS:
            self._probes = 0
        self._fled_ms = now
        self._refused_since.clear()
        self._squeezes = 0
        self._put_off_probe(now)
        self._shelter.on_epoch(self._spool)
        self._report(True, reason=reason[:200])

    def _put_off_probe(self, now: int) -> None:
        self._probe_ms = now + PROBE_MS[min(self._probes, len(PROBE_MS) - 1)]

    def _look_after_disk(self) -> None:
        """In memory, try the disk again; on a tight disk, look for room."""
        now = self._clock.monotonic_ms()
        if self.sheltered:
            if now >= self._probe_ms and not self._stopping:
                self._return(now)
        elif self._shelter.room.tight and now >= self._room_ms:
            self._room_ms = now + ROOM_MS
            if self._shelter.room.relax():
                _log.warning("the disk has room again")

    def _return(self, now: int) -> None:
        """Back to the disk, if it takes writes: all that memory held goes with us."""
        memory = self._spool
        try:
            disk, replaced = self._shelter.open_disk(memory)
        except (sqlite3.Error, OSError, SpoolError) as error:
            _log.info("the disk still refuses: %s", error)
            self._put_off_probe(now)
            return
        _log.warning("the disk takes writes again")
        self._spool = disk
        if self._disk is not None:
            self._disk.close()
        self._disk = disk
        self._probes += 1
        self._shelter.room.relax()
        self._shelter.on_epoch(disk)
        memory.close()
        self._settle()
        self._report(False, lasted_ms=now - self._fled_ms)
        if replaced:
            self._report_gap(replaced)

    def _report(self, active: bool, **attributes: Any) -> None:
        def operation(spool: Spool) -> None:
            self._hooks.report_own(spool, "edge.spool_failed", active, **attributes)

        self._submit_first(operation)

    def _report_gap(self, reason: str) -> None:
        self._submit_first(lambda spool: self._hooks.report_own(spool, "lane.gap", None, reason=reason))

    def _submit_first(self, operation: Operation[None]) -> None:
        """Before everything that waits, not after it: an operation of our own."""
        with self._wake:
            self._urgent.appendleft(_Queued(operation, 0, False, Future()))

    def _wait_to_retry(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopping, RETRY_S)
