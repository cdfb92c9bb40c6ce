"""The demo's profiles and drivers hear what the demo's simulated devices say: one world, two descriptions."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.base import DeviceSettings, Writes
from adapters.contract.message import Command
from adapters.registry import load_drivers
from hub.sites.configuration import SiteConfiguration
from hub.sites.reading import load_site
from simulators.app import send_order
from tests.conftest import RunningBroker
from tests.integration.driving import Host, WallClock, hosting, read_profiles
from tests.ports import reserve_port
from tests.waiting import wait_until

DEMO = Path(__file__).parents[2] / "config" / "demo"
PORTS = ("FIRE_PANEL", "DOORS", "IO", "ELECTRICAL", "CAMERA")

ORDERS = (
    "press gate-button",
    "duress hall-button",
    "medical medical-button",
    "test office-button",
    "press playground-button",
    "press gate-post-button",
    "open gate-door",
    "deny server-room-door blacklist",
    "force archive-door",
    "hold teaching-east-door on",
    "tailgate library-door",
    "break dormitory-main-door on",
    "exit teaching-west-door",
    "force kitchen-door",
    "hold dormitory-rear-door on",
    "smoke lab301-smoke on",
    "dirty archive-smoke on",
    "tamper class201-smoke on",
    "fire fire-panel 5 on",
    "callpoint fire-panel 22 on",
    "isolate fire-panel 12 on",
    "fault fire-panel 3 on",
    "manual fire-panel on",
    "mains fire-panel lost",
    "leak canteen-board on",
    "overheat main-board on",
    "cover gate-camera on",
    "lose kitchen-camera on",
    "freeze corridor-camera on",
    "darken playground-camera on",
    "offline library-smoke on",
)
LIMITS = (
    ("gas kitchen-gas on", "gas.alarm"),
    ("co kitchen-gas on", "co.alarm"),
    ("battery canteen-button 9", "device.battery_low"),
)


Heard = tuple[str, str, str, bool | None, str]
"""device, address, kind, active, identity"""


def read_ledger(file: Path) -> list[Heard]:
    return [
        (row["device"], row["address"], row["kind"], row["active"], row["identity"])
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


async def until(condition: Callable[[], bool], deadline_s: float, why: Callable[[], object]) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, why()
        await asyncio.sleep(0.05)


async def hear(site: SiteConfiguration, stack: AsyncExitStack) -> dict[str, Host]:
    """A host for each connection of the site's edge."""
    drivers = load_drivers()
    profiles = read_profiles(*{device.profile for device in site.devices})
    hosts = {}
    for connection in site.edges[0].connections:
        document = connection.model_dump()
        if connection.driver == "mqtt":
            document["client_id"] = "test-edge"
        devices = [
            DeviceSettings(
                device=device.device,
                family=device.family,
                connection=device.connection,
                profile=device.profile,
                address=device.address or device.device,
                addresses=tuple(device.addresses),
                writes=device.writes,
            )
            for device in site.devices
            if device.connection == connection.connection
        ]
        assert drivers[connection.driver].check(document, devices, profiles) == []
        adapter = drivers[connection.driver].build(document, devices, profiles, WallClock())
        hosts[connection.connection] = await stack.enter_async_context(hosting(adapter))
    return hosts


def command(device: str, kind: str) -> Command:
    now = time.time_ns() // 1000
    return Command(f"c-{device}-{kind}", device, "", kind, {}, now, now + 10_000_000, 10_000)


async def play(control: str, ledger: Path) -> None:
    site = load_site(DEMO / "site.yaml")
    async with AsyncExitStack() as stack:
        hosts = await hear(site, stack)

        def events() -> list[Heard]:
            return [
                (event.device, event.address, event.kind, event.active, event.identity)
                for host in hosts.values()
                for event in host.events
            ]

        def online() -> set[str]:
            return {
                device for device, _, kind, active, _ in events() if kind == "device.offline" and not active
            }

        everyone = {device.device for device in site.devices}
        await until(lambda: online() == everyone, 20.0, lambda: everyone - online())
        # A camera's word on a fault counts against a picture that was good before.
        good = {(d, k) for d in ("gate-camera", "corridor-camera") for k in ("camera.covered", "camera.dark")}
        await until(lambda: good <= {(d, k) for d, _, k, a, _ in events() if a is False}, 20.0, events)

        for order in (*ORDERS, *(order for order, _ in LIMITS)):
            await asyncio.to_thread(send_order, control, order)
        wanted = read_ledger(ledger)
        assert len(wanted) == len(ORDERS)
        await until(lambda: set(wanted) <= set(events()), 30.0, lambda: set(wanted) - set(events()))
        for identity in (row for row in wanted if row[4]):
            assert events().count(identity) == 1, identity
        await until(
            lambda: {kind for _, kind in LIMITS} <= {k for _, _, k, a, _ in events() if a},
            30.0,
            lambda: {k for _, _, k, a, _ in events() if a},
        )

        readings = {
            (reading.device, reading.point)
            for host in hosts.values()
            for observation in host.taken
            for reading in observation.readings
        }
        assert readings >= {
            ("canteen-fridge", "temperature_c"),
            ("lab301-smoke", "smoke_density_pct_m"),
            ("main-board", "leakage_ma"),
            ("kitchen-gas", "co_ppm"),
            ("gate-button", "battery_pct"),
        }

        for device, kind in (
            ("teaching-main-door", "door.release"),
            ("teaching-main-door", "door.restore"),
            ("teaching-west-door", "door.release"),
            ("teaching-west-door", "door.restore"),
            ("library-door", "door.pulse"),
            ("teaching-siren", "siren.on"),
            ("teaching-siren", "siren.off"),
        ):
            connection = next(each.connection for each in site.devices if each.device == device)
            writer = hosts[connection].adapter
            assert isinstance(writer, Writes)
            outcome = await writer.write(command(device, kind))
            assert outcome.state == "confirmed", (device, kind, outcome)


def test_drivers_hear_every_word_and_devices_obey_every_command(
    tmp_path: Path, broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []
    for name in ("BROKER", *PORTS):
        port = broker.port if name == "BROKER" else reserve_port()
        ports.append(port)
        monkeypatch.setenv(f"SANFANG_{name}_PORT", str(port))
    control, ledger = reserve_port(), tmp_path / "ledger.jsonl"
    program = (
        "import sys; from pathlib import Path; from simulators.app import SimulationOptions, run_simulation;"
        "sys.exit(run_simulation(Path(sys.argv[1]), SimulationOptions("
        "quiet=True, life=False, ledger=Path(sys.argv[2]), control_port=int(sys.argv[3]))))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(DEMO / "campus.yaml"), str(ledger), str(control)], env=os.environ
    )
    try:

        def ready() -> bool:
            try:
                return "fire-panel" in send_order(f"http://127.0.0.1:{control}", "list")
            except OSError:
                return False

        wait_until(ready, 20.0)
        asyncio.run(play(f"http://127.0.0.1:{control}", ledger))
    finally:
        process.terminate()
        assert process.wait(10) == 0
