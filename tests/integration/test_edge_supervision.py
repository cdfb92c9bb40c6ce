"""An edge in this process: adapters that fail, a hub that is lost, in a time that runs faster."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes

from adapters.base import Adapter, AdapterError, Clock, DeviceSettings, Observation, WriteOutcome
from adapters.contract.message import Command, Event
from adapters.contract.topic import Sender
from edge import schema, supervisor, uplink, writer
from edge.app import Edge
from edge.clock import SystemClock
from edge.configuration import BrokerAddress, EdgeConfiguration, Identity, LocalOutput
from edge.settings import save_settings
from tests.standin import StandInHub

SENDER = Sender("demo-school", "demo-edge")


class FastClock(SystemClock):
    """Monotonic time runs forty times faster: thirty seconds of silence are less than one."""

    def monotonic_ms(self) -> int:
        return super().monotonic_ms() * 40


class Bench(Adapter):
    """A device on the test's bench."""

    def __init__(self, driver: BenchDriver) -> None:
        self.driver = driver

    async def open(self) -> None:
        self.driver.opens += 1
        if self.driver.broken is not None:
            raise self.driver.broken

    async def observations(self) -> AsyncIterator[Observation]:
        while True:
            observation = await self.driver.said.get()
            if isinstance(observation, Exception):
                raise observation
            yield observation

    async def close(self) -> None:
        self.driver.closes += 1

    async def write(self, command: Command) -> WriteOutcome:
        self.driver.written.append(command.kind)
        return WriteOutcome("confirmed")


class BenchDriver:
    """A driver whose only device does what the test says."""

    NAME = "bench"
    TIER = "bronze"

    def __init__(self) -> None:
        self.said: asyncio.Queue[Observation | Exception] = asyncio.Queue()
        self.broken: Exception | None = None
        self.opens = self.closes = 0
        self.written: list[str] = []

    def check(
        self, connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Any
    ) -> list[str]:
        return []

    def build(
        self, connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Any, clock: Clock
    ) -> Adapter:
        return Bench(self)


async def until(condition: Callable[[], object], deadline_s: float = 15.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


def run_house(
    broker: Any,
    folder: Path,
    story: Callable[[Edge, BenchDriver, StandInHub], Awaitable[None]],
    clock: SystemClock | None = None,
    reflexes: Sequence[Mapping[str, Any]] = (),
    **configuration: Any,
) -> None:
    """Run an edge with the bench's device and a stand-in hub through a story."""
    secret = secrets.token_bytes(32)
    device = {
        "device": "bench-1",
        "family": "broadcast",
        "connection": "bench",
        "profile": "bench",
        "address": "1",
        "writes": ["siren.on"],
    }
    document = {
        "site": SENDER.site,
        "edge": SENDER.edge,
        "connections": [{"connection": "bench", "driver": "bench"}],
        "devices": [device],
        "reflexes": list(reflexes),
    }
    from adapters.contract.message import Settings

    save_settings(folder / "settings.json", Settings(1, 1, json.dumps(document).encode()))
    identity = Identity(
        site=SENDER.site,
        edge=SENDER.edge,
        root_secret=SecretBytes(secret),
        key_number=1,
        broker=BrokerAddress(host=broker.host, port=broker.port),
    )
    hub = StandInHub(broker.host, broker.port, SENDER, secret).start()

    async def run() -> None:
        driver = BenchDriver()
        settings = EdgeConfiguration(data_dir=folder, run_dir=folder, **configuration)
        edge = Edge(settings, identity, {"bench": driver}, clock or SystemClock())
        await edge.start()
        try:
            await story(edge, driver, hub)
        finally:
            await edge.stop()
        assert driver.opens == driver.closes or driver.closes > 0

    try:
        asyncio.run(run())
    finally:
        hub.stop()


def told(hub: StandInHub, kind: str) -> list[bool | None]:
    return [event.active for event in hub.events() if event.kind == kind]


def test_a_lost_hub_is_journaled_and_sounds_locally_then_all_is_told(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        uplink, "TICK_S", 0.05
    )  # two seconds of the fast clock; five would be a sleep of our own

    async def story(edge: Edge, driver: BenchDriver, hub: StandInHub) -> None:
        await until(lambda: told(hub, "hub.lost") == [False])
        hub.silent = True
        await until(lambda: driver.written == ["siren.on"])
        hub.silent = False
        await until(lambda: driver.written == ["siren.on", "siren.off"])
        await until(lambda: told(hub, "hub.lost") == [False, True, False])

    run_house(broker, tmp_path, story, FastClock(), hub_lost_output=LocalOutput(device="bench-1"))


def test_an_observation_is_settled_once_it_is_stored_and_without_a_disk_by_the_hubs_receipt(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_S", 0.1)
    monkeypatch.setattr(writer, "SHELTER_AFTER_MS", 300)
    monkeypatch.setattr(writer, "PROBE_MS", (300,))

    async def story(edge: Edge, driver: BenchDriver, hub: StandInHub) -> None:
        settled: list[str] = []

        def press(name: str) -> Observation:
            async def settle() -> None:
                settled.append(name)

            event = Event("bench-1", "", "panic.pressed", None, 1, 2, {}, b"", name)
            return Observation((event,), (), settle)

        def presses() -> list[str]:
            return [event.identity for event in hub.events() if event.kind == "panic.pressed"]

        driver.said.put_nowait(press("before"))
        await until(lambda: settled == ["before"] and presses() == ["before"])
        other = sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # no disk from here on
        hub.silent = True
        driver.said.put_nowait(press("without"))
        await until(lambda: edge._writer.sheltered)
        await until(lambda: any(b"without" in frame for frame in hub.ignored))
        assert settled == ["before"], "neither disk nor hub holds it"
        hub.silent = False
        await until(lambda: settled == ["before", "without"])
        assert presses() == ["before", "without"]
        await until(lambda: told(hub, "edge.spool_failed") == [True])
        driver.said.put_nowait(press("live"))
        await until(lambda: settled[-1] == "live", 2.0)
        late = [one for one in hub.items if b"live" in one.data]
        assert 0 <= late[0].age_ms < 2_000, "its age is known: it is no old news"
        other.close()
        await until(lambda: told(hub, "edge.spool_failed") == [True, False])
        driver.said.put_nowait(press("after"))
        await until(lambda: settled[-1] == "after" and presses()[-1] == "after")
        assert presses() == ["before", "without", "live", "after"], "each once, in order"

    run_house(broker, tmp_path, story)


def test_a_reflex_acts_within_two_seconds_on_a_disk_that_refuses(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_S", 0.1)
    siren = {"device": "bench-1", "address": "", "kind": "siren.on", "parameters": {}}
    group = {"group": "here", "causes": {"bench-1": ["*"]}, "effects": [siren]}
    reflex = {"rule": "pressed", "version": 1, "kind": "event", "kinds": ["panic.pressed"], "precedence": 6}

    async def story(edge: Edge, driver: BenchDriver, hub: StandInHub) -> None:
        await until(lambda: told(hub, "hub.lost") == [False])
        hub.silent = True
        other = sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # no disk, no hub
        began = time.monotonic()
        press = Event("bench-1", "", "panic.pressed", None, None, SystemClock().now_us(), {}, b"", "p")
        driver.said.put_nowait(Observation((press,), ()))
        await until(lambda: driver.written)
        assert time.monotonic() - began < 2.5
        other.close()
        hub.silent = False
        await until(lambda: [result.state for result in hub.results()] == ["confirmed"])
        assert driver.written == ["siren.on"]

    run_house(broker, tmp_path, story, reflexes=[{**reflex, "groups": [group]}])


def test_a_failing_driver_is_started_again_and_its_devices_go_offline(
    broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.05, 0.1))
    monkeypatch.setattr(supervisor, "OFFLINE_AFTER_S", 0.3)
    caplog.set_level(logging.WARNING)

    async def story(edge: Edge, driver: BenchDriver, hub: StandInHub) -> None:
        await until(lambda: driver.opens == 1)
        driver.said.put_nowait(ValueError("a bug in the driver"))
        await until(lambda: driver.opens == 2)
        await until(lambda: "is back" in caplog.text)
        assert told(hub, "device.offline") == []
        driver.broken = AdapterError("nobody answers", retry=True)
        driver.said.put_nowait(AdapterError("the line broke", retry=True))
        await until(lambda: told(hub, "device.offline") == [True])
        opens = driver.opens
        await until(lambda: driver.opens > opens + 3)
        assert told(hub, "device.offline") == [True]
        driver.broken = None
        await until(lambda: "is back" in caplog.text.partition("the line broke")[2])
        online = Event("bench-1", "", "device.offline", False, None, 3)
        driver.said.put_nowait(Observation((online,), ()))
        await until(lambda: told(hub, "device.offline") == [True, False])
        gone = [record.message for record in caplog.records if "is gone" in record.message]
        assert len(gone) == 2, "once for the bug, once for the line, however often it was tried"

    run_house(broker, tmp_path, story)
