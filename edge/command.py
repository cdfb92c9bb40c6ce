"""The hub's orders to devices: at most once each, in time, only where the settings allow it, honestly reported.

A command's id is on the disk before it is performed; its results ride the alarm lane.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from adapters.base import DeviceSettings, WriteOutcome, Writes
from adapters.contract.message import Command, ResultItem
from edge.clock import Clock
from edge.reception import Reception

_log = logging.getLogger(__name__)

AT_ONCE: Final = 64
PERFORM_S: Final = 30.0
INTERRUPTED: Final = "the edge stopped while it was performed"


def find_refusal(
    command: Command, devices: Mapping[str, DeviceSettings], *, now_us: int, hub_offset_us: int | None
) -> tuple[str, str] | None:
    """Why a command is not performed, as (state, detail); None where nothing speaks against it.

    `hub_offset_us`: the hub's clock less ours, where it is known; `valid_ms` alone would let a
    recorded command live again.
    """
    device = devices.get(command.device)
    if device is None:
        return "refused", f"this edge has no device {command.device}"
    if command.kind not in device.writes:
        return "refused", f"{command.kind} is not among the writes of {command.device}"
    if command.valid_ms <= 0:
        return "expired", "its time was over when it was sent"
    if hub_offset_us is not None and now_us + hub_offset_us > command.expires_at:
        return "expired", "its time was over when it arrived"
    return None


class CommandDesk:
    """Takes commands, in the event loop."""

    def __init__(self, reception: Reception, find_writer: Callable[[str], Writes | None], clock: Clock) -> None:
        self._reception = reception
        self._find_writer = find_writer
        self._clock = clock
        self._devices: Mapping[str, DeviceSettings] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = {}

    def use_devices(self, devices: Mapping[str, DeviceSettings]) -> None:
        """The devices of the settings in force."""
        self._devices = devices
        self._turns = {device: self._turns.get(device, asyncio.Lock()) for device in devices}

    def take(self, command: Command, hub_offset_us: int | None) -> None:
        """Take a command that the hub sent."""
        task = asyncio.get_running_loop().create_task(self._handle(command, hub_offset_us))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def report_interrupted(self, commands: list[str]) -> None:
        """At start: what was being performed when the edge stopped has an unknown outcome."""
        for command in commands:
            await self._finish(command, "unconfirmed", INTERRUPTED)

    async def perform(self, command: Command) -> WriteOutcome:
        """Perform an order of the edge itself, one at a time per device."""
        writer = self._find_writer(command.device)
        if writer is None:
            return WriteOutcome("failed", "the connection of the device is not open")
        async with self._turns.setdefault(command.device, asyncio.Lock()):
            write = asyncio.ensure_future(writer.write(command))
            await asyncio.wait({write}, timeout=PERFORM_S)
        if not write.done():
            write.cancel()
            return WriteOutcome("unconfirmed", f"no outcome within {PERFORM_S:g} s")
        if write.cancelled():
            return WriteOutcome("unconfirmed", "the connection was closed meanwhile")
        if (error := write.exception()) is not None:
            _log.error("%s: the driver failed on %s: %r", command.device, command.kind, error)
            return WriteOutcome("failed", f"the driver failed: {error!r}"[:500])
        return write.result()

    async def _handle(self, command: Command, hub_offset_us: int | None) -> None:
        deadline = self._clock.monotonic_ms() + command.valid_ms
        refusal = find_refusal(command, self._devices, now_us=self._clock.now_us(), hub_offset_us=hub_offset_us)
        if refusal is None and len(self._tasks) > AT_ONCE:
            refusal = "failed", f"more than {AT_ONCE} commands at once"
        state, detail = refusal or ("accepted", "")
        result = ResultItem(command.command, state, detail, self._clock.now_us())
        first_time = await self._reception.store_result(
            result, lambda spool: spool.known.take_command(command.command, state)
        )
        if not first_time or refusal is not None:
            return
        if self._clock.monotonic_ms() >= deadline:
            await self._finish(command.command, "failed", "its time was over before it could be performed")
            return
        outcome = await self.perform(command)
        # Without feedback nothing is claimed; and what was accepted here cannot be refused any more.
        final = {"accepted": "unconfirmed", "refused": "failed"}.get(outcome.state, outcome.state)
        await self._finish(command.command, final, outcome.detail)

    async def _finish(self, command: str, state: str, detail: str) -> None:
        result = ResultItem(command, state, detail.replace("\0", "")[:1_000], self._clock.now_us())
        await self._reception.store_result(result, lambda spool: spool.known.finish_command(command, state))
