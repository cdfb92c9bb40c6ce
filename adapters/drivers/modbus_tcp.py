"""Modbus TCP: devices and gateways that are asked. Tier: silver.

One request in flight per connection, so a command waits for one request at most. A device that does
not answer is asked ever more rarely and costs the others one time-out per back-off; one that answers
wrongly has a fault, and its readings are bad, but nothing is guessed from them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from adapters.base import Adapter, AdapterError, Clock, DeviceSettings, Observation, WriteOutcome
from adapters.connection import ConnectionDocument, check_devices, check_document, read_document
from adapters.contract.message import Command
from adapters.modbus.bus import BusLost, ModbusTcpBus, NoAnswer, WrongAnswer
from adapters.modbus.decode import Batch, Latch
from adapters.modbus.plan import Image, Span
from adapters.modbus.schedule import Schedule
from adapters.modbus.unit import Unit
from adapters.profile import Profile
from adapters.profile.modbus import ModbusCommand, ModbusTarget

NAME: Final = "modbus_tcp"
TIER: Final[Literal["bronze", "silver", "gold"]] = "silver"
_RECONNECT_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_FEEDBACK_EVERY_S: Final = 0.05


class Connection(ConnectionDocument):
    """Where the device or gateway listens."""

    host: str
    port: int = Field(default=502, ge=1, le=65_535)
    timeout_ms: int = Field(default=1_000, ge=20, le=60_000)
    """How long a request may take."""
    offline_after_s: float = Field(default=3.0, ge=0)
    """How long a device may be silent before it counts as offline."""


class ModbusTcpAdapter:
    """All units behind one address."""

    def __init__(
        self,
        connection: Connection,
        devices: Sequence[DeviceSettings],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._units = {
            device.device: Unit(device, profiles[device.profile], connection.offline_after_s)
            for device in devices
        }
        self._bus = ModbusTcpBus(connection.host, connection.port, connection.timeout_ms / 1000)
        self._schedule: Schedule[tuple[Unit, str]] = Schedule()
        self._failed_connects = 0

    async def open(self) -> None:
        try:
            await self._bus.connect()
        except BusLost as error:
            raise AdapterError(str(error), retry=True) from None

    async def close(self) -> None:
        self._bus.close()

    async def observations(self) -> AsyncIterator[Observation]:
        now_s = self._clock.monotonic_s()
        for unit in self._units.values():
            for poll, period_s in unit.polls.items():
                self._schedule.add(period_s, (unit, poll), now_s)
        while True:
            due = self._schedule.take(self._clock.monotonic_s())
            await asyncio.sleep(max(0.0, due.at_s - self._clock.monotonic_s()))
            unit, poll = due.job
            if not await self._reconnect():
                for other in self._units.values():
                    for observation in self._note_silence(other, "its address does not answer"):
                        yield observation
                self._schedule.add(due.period_s, due.job, due.at_s)
                continue
            for observation in await self._poll(unit, poll):
                yield observation
            now_s = self._clock.monotonic_s()
            self._schedule.add(due.period_s, due.job, max(now_s + unit.back_off_s(), due.at_s + due.period_s))

    async def write(self, command: Command) -> WriteOutcome:
        unit = self._units.get(command.device)
        if unit is None or command.kind not in unit.settings.writes:
            return WriteOutcome("refused", f"{command.kind} is not allowed for {command.device}")
        found = unit.find_command(command)
        if isinstance(found, str):
            return WriteOutcome("refused", found)
        entry, step = found
        try:
            await self._bus.write(unit.number, entry.write.table, entry.write.at + step, entry.write.value)
        except (BusLost, WrongAnswer) as error:
            return WriteOutcome("failed", str(error))
        except NoAnswer as error:
            # The device may have done it all the same: only its feedback can tell.
            if entry.feedback is None:
                return WriteOutcome("unconfirmed", str(error))
        if entry.feedback is None:
            return WriteOutcome("accepted", "written; this device gives no feedback")
        return await self._await_feedback(unit, entry, entry.feedback, step)

    async def _await_feedback(
        self, unit: Unit, entry: ModbusCommand, feedback: ModbusTarget, step: int
    ) -> WriteOutcome:
        where = f"{feedback.table} {feedback.at + step}"
        seen = "was never read"
        deadline_s = self._clock.monotonic_s() + entry.within_ms / 1000
        while self._clock.monotonic_s() < deadline_s:
            try:
                value = (await self._bus.read(unit.number, Span(feedback.table, feedback.at + step, 1)))[0]
            except (BusLost, NoAnswer, WrongAnswer) as error:
                seen = str(error)
            else:
                if value == feedback.value:
                    return WriteOutcome("confirmed", f"{where} reads {value}")
                seen = f"reads {value}"
            await asyncio.sleep(_FEEDBACK_EVERY_S)
        return WriteOutcome("unconfirmed", f"{where} {seen} after {entry.within_ms} ms")

    async def _reconnect(self) -> bool:
        if self._bus.connected:
            return True
        try:
            await self._bus.connect()
        except BusLost:
            await asyncio.sleep(_RECONNECT_S[min(self._failed_connects, len(_RECONNECT_S) - 1)])
            self._failed_connects += 1
            return False
        self._failed_connects = 0
        return True

    async def _poll(self, unit: Unit, poll: str) -> list[Observation]:
        image: Image = {}
        wrong = ""
        for span in unit.plans[poll]:
            try:
                values = await self._bus.read(unit.number, span)
            except WrongAnswer as error:
                wrong = wrong or str(error)
            except (NoAnswer, BusLost) as error:
                return self._note_silence(unit, str(error))
            else:
                image.setdefault(span.table, {}).update(enumerate(values, span.at))
        edge_at = self._clock.now_us()
        heard = unit.note_answer(poll, wrong, edge_at)
        decoded = unit.decoder.decode(poll, image, edge_at)
        if decoded.lingering:
            await self._clear(unit, decoded.lingering)
        decoded.found.events[:0] = heard
        # What happened goes before what is now: a panel's reset before the states that it left behind.
        batches = (decoded.seen, decoded.found)
        return [self._observe(unit, batch) for batch in batches if batch.events or batch.readings]

    def _note_silence(self, unit: Unit, reason: str) -> list[Observation]:
        lost = unit.note_silence(self._clock.monotonic_s(), self._clock.now_us(), reason)
        return [Observation((lost,), ())] if lost else []

    def _observe(self, unit: Unit, batch: Batch) -> Observation:
        settle = None
        if batch.latches:

            async def settle() -> None:
                for latch in batch.latches:
                    unit.decoder.note_stored(latch)
                await self._clear(unit, batch.latches)

        return Observation(tuple(batch.events), tuple(batch.readings), settle, fresh=batch.fresh)

    async def _clear(self, unit: Unit, latches: Sequence[Latch]) -> None:
        # What cannot be cleared now is found lingering by the next poll and cleared then.
        with contextlib.suppress(BusLost, NoAnswer, WrongAnswer):
            for latch in latches:
                await self._bus.write(unit.number, latch.clear.table, latch.clear.at, 1)


def check(
    connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Mapping[str, Profile]
) -> list[str]:
    """Every fault of a Modbus connection and its devices."""
    faults = check_document(Connection, connection) + check_devices(devices, profiles, "modbus")
    for device in devices:
        if not (device.address.isdecimal() and int(device.address) <= 255):
            faults.append(f"device {device.device}: address: {device.address!r}: must be a unit id, 0 to 255")
    return faults


def build(
    connection: Mapping[str, Any],
    devices: Sequence[DeviceSettings],
    profiles: Mapping[str, Profile],
    clock: Clock,
) -> Adapter:
    """An adapter for one address."""
    document = read_document(Connection, connection, check(connection, devices, profiles))
    return ModbusTcpAdapter(document, devices, profiles, clock)
