"""The modbus_tcp driver against a real server: no press lost or doubled, no false alarm from bad answers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from adapters.base import Adapter, AdapterError, DeviceSettings, Writes
from adapters.contract.message import Command
from adapters.contract.vocabulary import KINDS, Quality
from adapters.drivers import modbus_tcp
from tests.integration.driving import WallClock, a_device, hosting, read_profiles, until
from tests.integration.modbus_server import Answer, Tables, framed, healthy, misbehaving, serving

PANEL = a_device("panel", "demo-fire-panel-modbus", "fire_alarm", address="1")
BUTTONS = a_device("buttons", "demo-io-buttons-modbus", "panic_button", address="1", writes=("siren.on",))
DOOR = a_device(
    "door", "demo-door-modbus", "access_control", address="2", writes=("door.release", "door.restore")
)
BOARD = a_device("board", "demo-electrical-modbus", "electrical", address="3")


def make_adapter(port: int, *devices: DeviceSettings, **extra: Any) -> Adapter:
    connection = {
        "connection": "line",
        "driver": "modbus_tcp",
        "host": "127.0.0.1",
        "port": port,
        "timeout_ms": 300,
        "offline_after_s": 0.3,
        **extra,
    }
    names = {device.profile for device in devices}
    return modbus_tcp.build(connection, devices, read_profiles(*names), WallClock())


def press(buttons: Tables, channel: int) -> None:
    """A press that is over before anyone reads the raw input."""
    buttons.input[channel] = (buttons.input[channel] + 1) & 0xFFFF
    buttons.discrete[8 + channel] = 1


def clear_latch(buttons: Tables) -> None:
    def write(at: int, value: int) -> None:
        if at < 8 and value:
            buttons.discrete[8 + at] = 0

    buttons.on_write = write


def test_panel_is_read_in_two_requests_and_tells_changes_only(free_port: int) -> None:
    async def run() -> None:
        panel = Tables()
        panel.holding[101:117] = [0x8000] * 16
        async with serving(free_port, {1: panel}), hosting(make_adapter(free_port, PANEL)) as host:
            await until(lambda: host.count("fire.alarm", False) == 16, why="16 programmed detectors")
            assert set(panel.requests) == {(3, 0, 3), (3, 101, 64)}
            told = len(host.events)
            panel.holding[105] |= 1
            await until(lambda: host.count("fire.alarm", True) == 1, why="the alarm")
            assert [event.address for event in host.told("fire.alarm", True)] == ["5"]
            assert len(host.events) == told + 1
            assert not panel.writes, "a fire panel is only read"

    asyncio.run(run())


def test_short_presses_are_told_once_each_and_cleared(free_port: int) -> None:
    async def run() -> None:
        buttons = Tables()
        clear_latch(buttons)
        async with serving(free_port, {1: buttons}):
            async with hosting(make_adapter(free_port, BUTTONS)) as host:
                await until(lambda: host.count("device.offline", False), why="the first poll")
                for n in range(30):
                    press(buttons, n % 8)
                    press(buttons, n % 8)
                    await asyncio.sleep(0.02)
                await until(lambda: host.count("panic.pressed") >= 60, why="all presses")
                await until(lambda: not any(buttons.discrete[8:16]), why="all latches cleared")
                identities = [event.identity for event in host.told("panic.pressed")]
                assert len(identities) == len(set(identities)) == 60
            press(buttons, 3)
            async with hosting(make_adapter(free_port, BUTTONS)) as host:
                await until(lambda: host.count("panic.pressed"), why="the press while nobody listened")
                assert [e.identity for e in host.told("panic.pressed")] == [f"3:{buttons.input[3]}"]
                assert not any(o.fresh for o in host.taken if o.events[0].kind == "panic.pressed")

    asyncio.run(run())


def test_unstored_press_stays_latched(free_port: int) -> None:
    async def run() -> None:
        buttons = Tables()
        clear_latch(buttons)
        async with serving(free_port, {1: buttons}):
            async with hosting(make_adapter(free_port, BUTTONS)) as host:
                host.hold = True
                await until(lambda: host.count("device.offline", False), why="the first poll")
                press(buttons, 0)
                await until(lambda: host.count("panic.pressed"), why="the press, which the host does not store")
                polls = len(buttons.requests)
                await until(lambda: len(buttons.requests) > polls + 4, why="two more polls")
                assert buttons.discrete[8] == 1
                assert host.count("panic.pressed") == 1
            async with hosting(make_adapter(free_port, BUTTONS)) as host:
                await until(lambda: host.count("panic.pressed") == 1, why="the same press again")
                assert [e.identity for e in host.told("panic.pressed")] == ["0:1"]
                await until(lambda: buttons.discrete[8] == 0, why="the latch is cleared")

    asyncio.run(run())


def test_command_is_confirmed_by_feedback(free_port: int) -> None:
    async def run() -> None:
        door = Tables()
        adapter = make_adapter(free_port, DOOR)
        assert isinstance(adapter, Writes)

        def command(kind: str) -> Command:
            return Command("c", "door", "", kind, {}, 0, 0, 5_000)

        def obey(at: int, value: int) -> None:
            door.discrete[5] = value

        async with serving(free_port, {2: door}) as server, hosting(adapter) as host:
            door.on_write = obey
            assert (await adapter.write(command("door.release"))).state == "confirmed"
            await until(lambda: host.count("door.unlocked", True), why="the lock's own word")
            door.on_write = lambda at, value: None
            outcome = await adapter.write(command("door.restore"))
            assert (outcome.state, "reads 1" in outcome.detail) == ("unconfirmed", True)
            assert door.writes == [(0, 1), (0, 0)]
            assert (await adapter.write(command("door.pulse"))).state == "refused"
            assert (await adapter.write(Command("c", "x", "", "door.release", {}, 0, 0, 1))).state == "refused"
            assert door.writes == [(0, 1), (0, 0)]
            await server.shutdown()
            await until(lambda: host.count("device.offline", True), why="the loss")
            assert (await adapter.write(command("door.release"))).state == "failed"

    asyncio.run(run())


def test_lost_connection_comes_back_by_itself(free_port: int) -> None:
    async def run() -> None:
        buttons = Tables()
        clear_latch(buttons)
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(free_port, {1: buttons}))
            host = await stack.enter_async_context(hosting(make_adapter(free_port, BUTTONS)))
            await until(lambda: host.count("device.offline", False) == 1, why="the first poll")
            await first.shutdown()
            await until(lambda: host.count("device.offline", True) == 1, why="offline, once")
            for _ in range(3):
                press(buttons, 1)
            await stack.enter_async_context(serving(free_port, {1: buttons}))
            await until(lambda: host.count("panic.pressed") == 3, 15, "what was pressed meanwhile, each press")
            assert host.count("device.offline", True) == 1
            assert host.count("device.offline", False) == 2

    asyncio.run(run())


def test_dead_unit_costs_the_others_little(free_port: int) -> None:
    async def run() -> None:
        buttons, door, board = Tables(), Tables(), Tables()
        door.silent = True
        units = {1: buttons, 2: door, 3: board}
        async with serving(free_port, units), hosting(make_adapter(free_port, BUTTONS, DOOR, BOARD)) as host:
            await until(lambda: host.count("device.offline", True), why="the dead one is noticed")
            assert {e.device for e in host.told("device.offline", True)} == {"door"}
            polls = len(buttons.requests)
            await asyncio.sleep(2.0)
            # 20 polls of two requests fit into 2 s; the dead unit may take two time-outs of 0.3 s.
            assert len(buttons.requests) - polls >= 24
            door.silent = False
            await until(lambda: any(e.device == "door" for e in host.told("device.offline", False)), 15)
            assert {e.device for e in host.told("device.offline", True)} == {"door"}

    asyncio.run(run())


def test_readings_are_scaled(free_port: int) -> None:
    async def run() -> None:
        board = Tables()
        board.input[:5] = [231, 0xFFFB, 2450, 2297, 1]
        async with serving(free_port, {3: board}), hosting(make_adapter(free_port, BOARD)) as host:
            await until(lambda: any(o.readings for o in host.taken), why="readings")
            readings = next(o.readings for o in host.taken if o.readings)
            assert {r.point: r.value for r in readings} == {
                "leakage_ma": 23.1,
                "temperature_c": -0.5,
                "current_a": 24.5,
                "voltage_v": 229.7,
            }
            await until(lambda: host.count("electrical.leakage", True), why="the board's own alarm")

    asyncio.run(run())


HOSTILE: dict[str, Answer] = {
    "exception illegal address": lambda r: framed(r, bytes([r[7] | 0x80, 2])),
    "exception device failure": lambda r: framed(r, bytes([r[7] | 0x80, 4])),
    "too few registers": lambda r: framed(r, bytes([r[7], 2]) + b"\xff\xff"),
    "too many registers": lambda r: framed(r, bytes([r[7], 250]) + b"\xff" * 250),
    "byte count lies": lambda r: framed(r, bytes([r[7], 6]) + b"\xff\xff"),
    "odd byte count": lambda r: framed(r, bytes([r[7], 5]) + b"\xff" * 5),
    "another function": lambda r: framed(r, bytes([0x03 if r[7] == 4 else 0x04, 2]) + b"\xff\xff"),
    "unknown function": lambda r: framed(r, bytes([0x55]) + b"\xff" * 8),
    "another unit": lambda r: framed(r, healthy(r, word=0xFFFF)[7:], unit=r[6] + 1),
    "another transaction": lambda r: framed(r, healthy(r, word=0xFFFF)[7:], transaction=7),
    "echo of the request": lambda r: r,
    "half a frame": lambda r: healthy(r, word=0xFFFF)[:-3],
    "garbage": lambda r: b"\xde\xad\xbe\xef" * 20,
    "not Modbus": lambda r: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing": lambda r: b"",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_wrong_answers_are_never_an_alarm(free_port: int, answer: Answer) -> None:
    """Bad answers make a device faulty or offline, its readings bad, and nothing else; it recovers."""

    async def run() -> None:
        well = True

        def reply(request: bytes) -> bytes:
            return healthy(request) if well else answer(request)

        adapter = make_adapter(free_port, PANEL, BOARD, timeout_ms=60)
        async with misbehaving(free_port, reply), hosting(adapter) as host:
            await until(lambda: len({e.device for e in host.told("device.fault", False)}) == 2, why="both well")
            well = False
            await until(
                lambda: (
                    {"panel"}
                    <= {e.device for k in ("offline", "fault") for e in host.told(f"device.{k}", True)}
                ),
                why="the panel is faulty or offline",
            )
            well = True
            answers = len(host.events)
            await until(
                lambda: any(
                    e.device == "panel" and e.active is False and e.kind in ("device.fault", "device.offline")
                    for e in host.events[answers:]
                ),
                20,
                "the panel is well again",
            )
            alarms = [e for e in host.events if e.active is not False and not e.kind.startswith("device.")]
            assert alarms == []
            for observation in host.taken:
                for reading in observation.readings:
                    assert reading.quality is Quality.BAD or reading.value == 0.0
            assert all(event.kind in KINDS for event in host.events)

    asyncio.run(run())


def test_refused_connection_may_be_tried_again(free_port: int) -> None:
    async def run() -> None:
        adapter = make_adapter(free_port, PANEL)
        with pytest.raises(AdapterError) as caught:
            await adapter.open()
        assert caught.value.retry
        await adapter.close()

    asyncio.run(run())


def test_faults_of_a_connection_are_all_listed() -> None:
    devices = [
        a_device("a", "demo-fire-panel-modbus", "fire_alarm", address="one", writes=("siren.on",)),
        a_device("b", "demo-siren-mqtt", "broadcast", address="256"),
    ]
    profiles = read_profiles("demo-fire-panel-modbus", "demo-siren-mqtt")
    faults = modbus_tcp.check({"connection": "c", "driver": "modbus_tcp", "timeout": 1}, devices, profiles)
    for word in ("host", "timeout", "unit id", "siren.on", "no modbus section", "'256'"):
        assert any(word in fault for fault in faults), word
