"""Orders to devices, of the hub and of the edge's own reflexes: in time, only where the settings allow it,
honestly reported.

A command's id is on the disk before it is performed; its results ride the alarm lane. The hub's are performed
at most once. A reflex is safe to do twice and is tried until the device confirms it or its time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from adapters.base import DeviceSettings, WriteOutcome, Writes
from adapters.contract.message import Command, Reflex, ResultItem
from edge.clock import Clock
from edge.linkage import Linkage
from edge.reception import Reception
from edge.spool import Spool

_log = logging.getLogger(__name__)

AT_ONCE: Final = 64
PERFORM_S: Final = 30.0
CONNECTION_S: Final = 5.0
"""So long a command waits for a connection that is just being opened."""
REFLEX_S: Final = 30.0
"""So long a reflex is tried."""
REFLEX_PAUSE_S: Final = 0.5
UNCONFIRMED_TRIES: Final = 3
"""A device that takes a reflex and never confirms it is told so often."""
INTERRUPTED: Final = "the edge stopped while it was performed"


def find_refusal(
    command: Command, devices: Mapping[str, DeviceSettings], hub_now_us: int | None
) -> tuple[str, str] | None:
    """Why a command is not performed, as (state, detail); None where nothing speaks against it.

    `hub_now_us`: the hub's clock, where it is known; `valid_ms` alone would let a recorded command live
    again. Our own wall clock is not asked: it may have been set since.
    """
    device = devices.get(command.device)
    if device is None:
        return "refused", f"this edge has no device {command.device}"
    if command.kind not in device.writes:
        return "refused", f"{command.kind} is not among the writes of {command.device}"
    if command.valid_ms <= 0:
        return "expired", "its time was over when it was sent"
    if hub_now_us is not None and hub_now_us > command.expires_at:
        return "expired", "its time was over when it arrived"
    return None


class CommandDesk:
    """Takes commands, in the event loop."""

    def __init__(
        self,
        reception: Reception,
        linkage: Linkage,
        find_writer: Callable[[str], Writes | None],
        clock: Clock,
    ) -> None:
        self._reception = reception
        self._linkage = linkage
        self._find_writer = find_writer
        self._clock = clock
        self._devices: Mapping[str, DeviceSettings] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reflexes: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = {}

    def use_devices(self, devices: Mapping[str, DeviceSettings]) -> None:
        """The devices of the settings in force."""
        self._devices = devices
        self._turns = {device: self._turns.get(device, asyncio.Lock()) for device in devices}

    def take(self, command: Command, hub_now_us: int | None) -> None:
        """Take a command that the hub sent. Before there are settings nothing can be said of it: it is left,
        and the hub sends it again while it is valid.
        """
        if self._devices is None:
            _log.warning("command %s came before any settings and is left", command.command)
            return
        _start(self._tasks, self._handle(command, self._devices, hub_now_us))

    def take_reflexes(self, reflexes: Iterable[Reflex]) -> None:
        """Perform what the reflex table brought about; its ids are on the disk."""
        for reflex in reflexes:
            _log.warning("reflex %s: %s %s %s", reflex.rule, reflex.kind, reflex.device, reflex.address)
            _start(self._reflexes, self._perform_reflex(reflex))

    async def report_interrupted(self, commands: Iterable[str]) -> None:
        """At start: what was being performed when the edge stopped has an unknown outcome."""
        for command in commands:
            await self._finish(command, "unconfirmed", INTERRUPTED)

    async def perform(self, command: Command) -> WriteOutcome:
        """Perform an order, one at a time per device."""
        async with self._turns.setdefault(command.device, asyncio.Lock()):
            return await self._write(command)

    async def _write(self, command: Command) -> WriteOutcome:
        writer = self._find_writer(command.device)
        if writer is None:
            return WriteOutcome("failed", "the connection of the device is not open")
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

    async def _handle(
        self, command: Command, devices: Mapping[str, DeviceSettings], hub_now_us: int | None
    ) -> None:
        now_ms = self._clock.monotonic_ms()
        deadline = now_ms + command.valid_ms
        refusal = find_refusal(command, devices, hub_now_us)
        if refusal is None and len(self._tasks) > AT_ONCE:
            refusal = "failed", f"more than {AT_ONCE} commands at once"

        def decide(spool: Spool) -> ResultItem | None:
            state, detail = refusal or ("accepted", "")
            if refusal is None and (hold := self._linkage.find_hold(command)):
                state, detail = "refused", hold
            if not spool.known.take_command(command.command, state):
                return None
            return ResultItem(command.command, state, detail, self._clock.now_us())

        result = await self._reception.store_result(decide)
        if result is None or result.state != "accepted":
            return
        await self._await_connection(command.device, min(deadline, now_ms + int(CONNECTION_S * 1000)))
        if self._clock.monotonic_ms() >= deadline:
            await self._finish(command.command, "failed", "its time was over before it could be performed")
            return
        outcome = await self.perform(command)
        await self._conclude(command.command, outcome)

    async def _perform_reflex(self, reflex: Reflex) -> None:
        """Try until it is confirmed. It waits for no other order to the device: a siren does not stand behind
        a slow lock.
        """
        now = self._clock.now_us()
        valid_ms = int(REFLEX_S * 1000)
        order = Command(
            reflex.command,
            reflex.device,
            reflex.address,
            reflex.kind,
            reflex.parameters,
            now,
            now + valid_ms * 1000,
            valid_ms,
            f"reflex {reflex.rule}",
        )
        deadline = self._clock.monotonic_ms() + valid_ms
        unconfirmed = 0
        while True:
            outcome = await self._write(order)
            unconfirmed += outcome.state == "unconfirmed"
            if outcome.state not in ("failed", "unconfirmed") or unconfirmed >= UNCONFIRMED_TRIES:
                break
            if self._clock.monotonic_ms() + REFLEX_PAUSE_S * 1000 >= deadline:
                break
            await asyncio.sleep(REFLEX_PAUSE_S)
        await self._conclude(reflex.command, outcome)

    async def _await_connection(self, device: str, until_ms: int) -> None:
        # Connections are opened by their own tasks, which tell nobody.
        while self._find_writer(device) is None and self._clock.monotonic_ms() < until_ms:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _conclude(self, command: str, outcome: WriteOutcome) -> None:
        # Without feedback nothing is claimed; and what was accepted here cannot be refused any more.
        final = {"accepted": "unconfirmed", "refused": "failed"}.get(outcome.state, outcome.state)
        await self._finish(command, final, outcome.detail)

    async def _finish(self, command: str, state: str, detail: str) -> None:
        result = ResultItem(command, state, detail.replace("\0", "")[:1_000], self._clock.now_us())
        await self._reception.store_result(
            lambda spool: result if spool.known.finish_command(command, state) else None
        )


def _start(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
