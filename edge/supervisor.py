"""Runs the adapters: one task per connection, started again after a failure, gone and back logged once each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from adapters.base import Adapter, AdapterError, Writes
from adapters.contract.message import Event
from edge.clock import Clock
from edge.reception import Reception
from edge.settings import ConnectionPlan, Plan

_log = logging.getLogger(__name__)

BACK_OFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
HOPELESS_S: Final = 60.0
"""A fault that trying again does not mend is tried again all the same, seldom: someone may have mended it."""
OFFLINE_AFTER_S: Final = 5.0
"""A connection that cannot be opened for so long takes its devices offline."""
CLOSE_S: Final = 1.5


class Supervisor:
    """The adapters of the settings in force."""

    def __init__(self, reception: Reception, clock: Clock) -> None:
        self._reception = reception
        self._clock = clock
        self._runs: dict[str, _Run] = {}
        self._by_device: dict[str, str] = {}

    def prepare(self, plan: Plan) -> list[Adapter]:
        """Build the adapters of a plan, without opening them. Raises AdapterError where one cannot be."""
        return [_build(connection, plan, self._clock) for connection in plan.connections]

    async def apply(self, plan: Plan, adapters: list[Adapter]) -> None:
        """Stop what runs and run the prepared adapters of this plan."""
        await self.stop()
        self._by_device = {device.device: device.connection for device in plan.devices.values()}
        for connection, adapter in zip(plan.connections, adapters, strict=True):
            run = _Run(connection, plan, self._reception, self._clock)
            self._runs[connection.name] = run
            run.start(adapter)

    async def stop(self) -> None:
        """Stop all adapters; none may hold the edge up for long."""
        runs, self._runs = list(self._runs.values()), {}
        await asyncio.gather(*(run.stop() for run in runs))

    def find_writer(self, device: str) -> Writes | None:
        """The open adapter that can write to a device; None where there is none now."""
        run = self._runs.get(self._by_device.get(device, ""))
        return run.adapter if run is not None and isinstance(run.adapter, Writes) else None


class _Run:
    """One connection."""

    def __init__(self, connection: ConnectionPlan, plan: Plan, reception: Reception, clock: Clock) -> None:
        self._connection = connection
        self._plan = plan
        self._reception = reception
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._gone_at: float | None = None
        self._told_offline = False
        self.adapter: Adapter | None = None
        """The adapter while it is open."""

    def start(self, adapter: Adapter) -> None:
        self._task = asyncio.get_running_loop().create_task(self._supervise(adapter))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=2 * CLOSE_S)

    async def _supervise(self, adapter: Adapter) -> None:
        failures = 0
        while True:
            wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            reason = "it ended"
            try:
                await adapter.open()
                self._note_back()
                failures = 0
                wait_s = BACK_OFF_S[0]
                self.adapter = adapter
                async for observation in adapter.observations():
                    await self._reception.take(observation)
            except AdapterError as error:
                reason = error.detail
                wait_s = wait_s if error.retry else HOPELESS_S
            except Exception as error:  # noqa: BLE001 - a driver's bug must not take the others down
                reason = f"its driver failed: {error!r}"
                _log.exception("connection %s: the driver failed", self._connection.name)
            finally:
                self.adapter = None
                await _close(adapter)
            failures += 1
            await self._stay_away(reason, wait_s)
            try:
                adapter = _build(self._connection, self._plan, self._clock)
            except AdapterError as error:
                _log.error("connection %s: %s", self._connection.name, error.detail)

    async def _stay_away(self, reason: str, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._gone_at is None:
            self._gone_at = loop.time()
            _log.warning("connection %s is gone: %s", self._connection.name, reason)
        until = loop.time() + wait_s
        offline_at = self._gone_at + OFFLINE_AFTER_S
        if not self._told_offline and offline_at <= until:
            await asyncio.sleep(max(0.0, offline_at - loop.time()))
            self._told_offline = True
            self._reception.report(list(self._offline_events(reason)))
        await asyncio.sleep(max(0.0, until - loop.time()))

    def _note_back(self) -> None:
        # Which of its devices are there, the adapter says as it hears them.
        if self._gone_at is not None:
            _log.warning("connection %s is back", self._connection.name)
        self._gone_at = None
        self._told_offline = False

    def _offline_events(self, reason: str) -> Iterable[Event]:
        now = self._clock.now_us()
        for device in self._connection.devices:
            attributes: dict[str, str | int | float | bool] = {
                "connection": self._connection.name,
                "reason": reason[:200],
            }
            yield Event(device.device, "", "device.offline", True, None, now, attributes)


def _build(connection: ConnectionPlan, plan: Plan, clock: Clock) -> Adapter:
    return connection.driver.build(connection.document, connection.devices, plan.profiles, clock)


async def _close(adapter: Adapter) -> None:
    try:
        await asyncio.wait_for(adapter.close(), CLOSE_S)
    except TimeoutError:
        _log.warning("an adapter did not close within %.1f s", CLOSE_S)
