"""Driving an adapter in a test: observations are collected as a host would take them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from adapters.base import Adapter, DeviceSettings, Observation
from adapters.contract.message import Event
from adapters.profile import Profile, load_profile

PROFILES = Path(__file__).parents[2] / "config" / "profiles"


class WallClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        return time.monotonic()


def read_profiles(*names: str) -> dict[str, Profile]:
    return {
        name: load_profile(yaml.safe_load((PROFILES / f"{name}.yaml").read_text("utf-8")), name)
        for name in names
    }


def a_device(
    device: str, profile: str, family: str, *, address: str | None = None, writes: tuple[str, ...] = ()
) -> DeviceSettings:
    """A device on the connection `line`."""
    return DeviceSettings(
        device=device,
        family=family,
        connection="line",
        profile=profile,
        address=device if address is None else address,
        writes=writes,
    )


class Host:
    """Takes observations like the edge: settles each one, unless told to hold."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.taken: list[Observation] = []
        self.hold = False
        """Leave observations unsettled from now on."""
        self.ended = False

    async def run(self) -> None:
        try:
            async for observation in self.adapter.observations():
                self.taken.append(observation)
                if observation.settle and not self.hold:
                    await observation.settle()
        finally:
            self.ended = True

    @property
    def events(self) -> list[Event]:
        return [event for observation in self.taken for event in observation.events]

    def told(self, kind: str, active: bool | None = None) -> Iterator[Event]:
        return (event for event in self.events if event.kind == kind and event.active is active)

    def count(self, kind: str, active: bool | None = None) -> int:
        return len(list(self.told(kind, active)))


@asynccontextmanager
async def hosting(adapter: Adapter) -> AsyncIterator[Host]:
    """An open adapter with a host that takes what it says."""
    await adapter.open()
    host = Host(adapter)
    task = asyncio.create_task(host.run())
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
        if not task.cancelled() and (error := task.exception()):
            raise error


async def until(condition: Callable[[], object], deadline_s: float = 10.0, why: str = "") -> None:
    """Wait on the running loop for a condition."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {why}"
        await asyncio.sleep(0.01)
