"""The simulated campus as a whole: devices, media, script, and the orders that change it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulators.campus import Campus
from simulators.device import OrderRefused, Surroundings, read_number
from simulators.ledger import Ledger
from simulators.load import Load
from simulators.mqtt import MqttDevice
from simulators.order import carry_out, list_acts
from simulators.scenario import Scenario
from simulators.storm import Storm

PATIENCE_S: Final = 60.0
"""So long nothing happens by itself while nobody listens."""
_STOP_S: Final = 1.4
_FAREWELL_S: Final = 0.6
"""Longer than a device takes for its farewell, which a second cancellation would cut short."""
_CLOSE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """How a campus is simulated."""

    seed: int = 1
    speed: float = 1.0
    """How many times faster everyday life and incidents run."""
    ledger: Path | None = None
    control_port: int = 0
    """Port of the control address on the loopback; 0: none."""
    quiet: bool = False
    """No incidents by themselves; orders are still obeyed."""
    life: bool = True
    """Whether people come and go."""
    load: float = 0.0
    """Extra telemetry readings per second, for benchmarks."""
    run_dir: Path | None = None
    """Where `simulator.pid` is written."""


class World:
    """A running campus. Raises OSError from `start` where a port cannot be had."""

    def __init__(self, campus: Campus, options: SimulationOptions) -> None:
        self.surroundings = Surroundings(
            ledger=Ledger(options.ledger),
            seed=options.seed,
            speed=options.speed,
            life=options.life,
            time_zone=ZoneInfo(campus.time_zone),
        )
        self.media = campus.open_media(self.surroundings.heard.set)
        self.devices = campus.build_devices(self.surroundings, self.media)
        self.storm = Storm(self.devices)
        self.scenario = None if options.quiet else Scenario(campus.script, self.surroundings, self.do)
        self.load = Load(self._speakers(), self.surroundings, self.media.broker, options.load)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open all ports, then let everything run."""
        for server in self.media.servers():
            await server.start()
        runs = [run for device in self.devices.values() for run in device.tasks()]
        if self.scenario is not None:
            runs.append(self.scenario.run())
        runs.append(self.load.run())
        runs.append(self._wake())
        self._tasks = [asyncio.create_task(run) for run in runs]

    async def watch(self) -> None:
        """Wait for ever; a task of the campus that breaks raises its error here."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._tasks.remove(task)
                task.result()

    async def _wake(self) -> None:
        """Let life begin in the end, even where nobody listens; at once where nobody could be noticed."""
        if self.media.servers():
            await asyncio.sleep(PATIENCE_S)
        self.surroundings.heard.set()

    async def stop(self) -> None:
        """Devices say goodbye, ports close; done within two seconds."""
        await self.storm.stop()
        until = asyncio.get_running_loop().time() + _STOP_S
        while asyncio.get_running_loop().time() < until and any(not task.done() for task in self._tasks):
            # Said until it is heard: a library may swallow a cancellation (see connection.py).
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=_FAREWELL_S)
        for server in self.media.servers():
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await server.stop()
        self.surroundings.ledger.close()

    def do(self, order: str) -> str:
        """Carry out an order of the control address or the script. Raises OrderRefused."""
        verb, *words = order.split() or ["help"]
        if verb == "help":
            return "\n".join([*list_acts(self.devices), *_OWN_ORDERS])
        if verb == "list":
            return "\n".join(f"{device.name} ({device.type})" for device in self.devices.values())
        if verb == "storm":
            return self._storm(words)
        return carry_out(self.devices, order)

    def status(self) -> dict[str, Any]:
        """What a test wants to wait for."""
        speakers = self._speakers()
        return {
            "devices": len(self.devices),
            "connected": sum(speaker.connection.connected for speaker in speakers),
            "speakers": len(speakers),
            "reconnects": sum(speaker.connection.reconnects for speaker in speakers),
            "waiting": sum(speaker.connection.waiting for speaker in speakers),
            "ledger": self.surroundings.ledger.entries,
            "heard": self.surroundings.heard.is_set(),
            "incidents": self.scenario.played if self.scenario is not None else 0,
            "storm": {"wanted": self.storm.wanted, "done": self.storm.done, "raging": self.storm.raging},
            "load": {"rate": self.load.rate, "sent": self.load.sent, "held_back": self.load.held_back},
        }

    def _storm(self, words: Sequence[str]) -> str:
        if not words:
            state = "raging" if self.storm.raging else "over"
            return f"storm: {self.storm.done} of {self.storm.wanted}, {state}"
        number = read_number(words, "number of events", 1, 1_000_000)
        every_ms = read_number(words[1:], "milliseconds between two", 0, 60_000)
        if len(words) > 2:
            raise OrderRefused("say: storm N EVERY_MS")
        self.storm.start(number, every_ms / 1000)
        return f"storm: {number} events, one every {every_ms} ms"

    def _speakers(self) -> list[MqttDevice]:
        return [device for device in self.devices.values() if isinstance(device, MqttDevice)]


_OWN_ORDERS: Final = (
    "storm N EVERY_MS — press buttons, flip doors and detectors N times; storm alone tells how far it is",
    "list — all devices",
    "help — this",
)
