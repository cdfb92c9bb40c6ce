"""Where observations come in: to the spool by lane, and back to the device once they are on its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from adapters.base import Observation
from adapters.contract.message import Event, ResultItem
from adapters.contract.vocabulary import KINDS, Lane
from edge.admission import Admission
from edge.clock import Clock
from edge.collector import ReadingCollector
from edge.spool import Spool
from edge.writer import Operation, SpoolWriter

_log = logging.getLogger(__name__)

PENDING: Final = 512
"""So many observations may wait for the disk before devices have to wait."""


class Reception:
    """Takes observations, in the event loop."""

    def __init__(self, writer: SpoolWriter, admission: Admission, clock: Clock) -> None:
        self._writer = writer
        self._admission = admission
        self._clock = clock
        self._collector = ReadingCollector(self.store_readings, clock)
        self._pending: set[asyncio.Task[None]] = set()

    async def take(self, observation: Observation) -> None:
        """Take an observation in; waits only while the disk is behind. The observation is settled
        when all of it is on the disk, and never before.
        """
        while len(self._pending) >= PENDING:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
        waits: list[asyncio.Future[Any]] = []
        if observation.events:
            alarms = [event for event in observation.events if not _rides_with_telemetry(event)]
            records = [event for event in observation.events if _rides_with_telemetry(event)]
            if alarms:
                waits.append(self._store(alarms, fresh=observation.fresh, urgent=True))
            if records:
                waits.append(self._store(records, fresh=observation.fresh, urgent=False))
        if observation.readings:
            await self._collector.make_room()
            stored = self._collector.add(observation.readings, settles=observation.settle is not None)
            if observation.settle is not None:
                waits.append(stored)
        if waits:
            self._keep(self._finish(waits, observation.settle))
        elif observation.settle is not None:
            self._keep(self._finish([], observation.settle))

    def report(self, events: list[Event]) -> None:
        """Events of the edge itself, or on behalf of devices that cannot speak."""
        self._keep(self._finish([self._store(events, fresh=False, urgent=True)], None))

    async def store_result(self, decide: Operation[ResultItem | None]) -> ResultItem | None:
        """Store what became of a command, as the operation decides in the transaction, with what it notes
        there; None: nothing is stored. Done when it is on the disk.
        """

        def operation(spool: Spool) -> ResultItem | None:
            result = decide(spool)
            if result is not None:
                self._admission.store_result(spool, result)
            return result

        # Nobody outside is promised anything by it, and an order must not wait for a disk that refuses.
        return await asyncio.wrap_future(self._writer.submit(operation, urgent=True, durable=False))

    async def drain(self, timeout_s: float) -> None:
        """Hand over what was gathered and wait a little for the disk."""
        self._collector.flush()
        if self._pending:
            await asyncio.wait(self._pending, timeout=timeout_s)

    def _store(self, events: list[Event], *, fresh: bool, urgent: bool) -> asyncio.Future[int]:
        store = partial(
            self._admission.store_events, events=events, fresh=fresh, heard_ms=self._clock.monotonic_ms()
        )
        return asyncio.wrap_future(self._writer.submit(store, urgent=urgent))

    def store_readings(self, item: bytes) -> Future[None]:
        """Store an encoded readings item; the future is done when it is on the disk."""
        return self._writer.submit(
            lambda spool: self._admission.store_readings(spool, item), urgent=False, size=len(item)
        )

    def _keep(self, finish: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(finish)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _finish(
        self, waits: list[asyncio.Future[Any]], settle: Callable[[], Awaitable[None]] | None
    ) -> None:
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                _log.error("an observation was not stored and is not acknowledged: %r", outcome)
                return
        if settle is not None:
            await settle()


def _rides_with_telemetry(event: Event) -> bool:
    kind = KINDS.get(event.kind)
    return kind is not None and kind.lane is Lane.TELEMETRY
