"""The simulated campus over real sockets: a real broker, real Modbus and HTTP clients, a process to kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from simulators.app import OrderRefused, send_order
from tests.conftest import RunningBroker
from tests.ports import reserve_port
from tests.waiting import wait_until

DEVICES: list[dict[str, Any]] = [
    {"device": "gate-button", "type": "panic_button"},
    {"device": "hall-button", "type": "panic_button"},
    {"device": "gate-door", "type": "door"},
    {"device": "lab-smoke", "type": "detector", "telemetry_s": 0.5},
    {"device": "lab-heat", "type": "detector", "sort": "heat"},
    {"device": "siren", "type": "siren"},
    {"device": "fridge", "type": "environment", "temperature_c": 4.0, "telemetry_s": 0.2},
    {"device": "fire-panel", "type": "fire_panel", "bus": "bus", "unit": 1, "detectors": [1, 5, 64]},
    {"device": "west-door", "type": "modbus_door", "bus": "bus", "unit": 2},
    {"device": "io-buttons", "type": "io_buttons", "bus": "bus", "unit": 3, "names": {"yard-button": 3}},
    {"device": "board", "type": "electrical", "bus": "bus", "unit": 4, "leakage_ma": 20},
    {"device": "gate-camera", "type": "camera", "stream": "cameras", "fps": 10},
]


@dataclass
class Campus:
    """A campus simulated in a process of its own."""

    process: subprocess.Popen[bytes]
    control: str
    bus: int
    cameras: int
    ledger: Path
    run_dir: Path

    def do(self, order: str) -> str:
        return send_order(self.control, order)

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.control}/status", timeout=5) as response:
            document = json.load(response)
        assert isinstance(document, dict)
        return document

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]


@dataclass
class Listener:
    """Hears everything on the campus's topics; comes back by itself when the broker does."""

    port: int
    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)
    subscribed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *_: client.subscribe("campus/#", qos=1)
        client.on_subscribe = lambda *_: self.subscribed.set()
        client.on_disconnect = lambda *_: self.subscribed.clear()
        client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        self.client = client
        wait_until(self.subscribed.is_set)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def on(self, topic: str) -> list[bytes]:
        return [payload for heard, payload, _ in list(self.heard) if heard == topic]

    def documents(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.on(topic)]

    def identities(self) -> dict[str, int]:
        """How often each event message was heard, by its id."""
        counts: dict[str, int] = defaultdict(int)
        for topic, payload, _ in list(self.heard):
            if topic.endswith("/event"):
                counts[json.loads(payload)["id"]] += 1
        return counts


def start_campus(tmp_path: Path, broker_port: int, *arguments: str) -> Campus:
    bus, cameras, control = (reserve_port() for _ in range(3))
    file = tmp_path / "campus.yaml"
    document = {
        "campus": "test",
        "broker": {"port": broker_port},
        "buses": {"bus": bus},
        "streams": {"cameras": cameras},
        "devices": DEVICES,
    }
    file.write_text(yaml.safe_dump(document))
    ledger, address = tmp_path / "ledger.jsonl", f"http://127.0.0.1:{control}"
    program = (
        "import sys; from pathlib import Path; from simulators.app import SimulationOptions, run_simulation;"
        "file, ledger, port, run_dir, load = sys.argv[1:];"
        "sys.exit(run_simulation(Path(file), SimulationOptions("
        "ledger=Path(ledger), control_port=int(port), quiet=True, run_dir=Path(run_dir), load=float(load))))"
    )
    run_dir = tmp_path / "run"
    load = arguments[0] if arguments else "0"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, str(file), str(ledger), str(control), str(run_dir), load]
    )
    campus = Campus(process, address, bus, cameras, ledger, run_dir)

    def ready() -> bool:
        assert process.poll() is None, "the simulation ended"
        try:
            status = campus.status()
        except OSError:
            return False
        return bool(status["connected"] == status["speakers"])

    try:
        wait_until(ready, 20.0)
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return campus


@pytest.fixture
def campus(tmp_path: Path, broker: RunningBroker) -> Iterator[Campus]:
    running = start_campus(tmp_path, broker.port)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(10)


@pytest.fixture
def listener(broker: RunningBroker) -> Iterator[Listener]:
    ear = Listener(broker.port)
    yield ear
    ear.close()


def ask(campus: Campus, talk: Callable[[AsyncModbusTcpClient], Awaitable[None]]) -> None:
    """Talk to the bus as a Modbus client."""

    async def run() -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=campus.bus, timeout=0.5, retries=0)
        assert await client.connect()
        try:
            await talk(client)
        finally:
            client.close()

    asyncio.run(run())


async def until(condition: Callable[[], Awaitable[bool]], deadline_s: float = 5.0) -> None:
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, condition
        await asyncio.sleep(0.02)


# Modbus


def test_panel_shows_programmed_detectors_and_holds_alarms_until_reset(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        async def panel() -> list[int]:
            return (await client.read_holding_registers(0, count=3, device_id=1)).registers

        async def loop() -> list[int]:
            return (await client.read_holding_registers(101, count=64, device_id=1)).registers

        quiet = await loop()
        assert [number for number, word in enumerate(quiet, 1) if word & 0x8000] == [1, 5, 64]
        assert all(word in (0, 0x8000) for word in quiet)
        assert await panel() == [0, 0, 0]

        campus.do("fire fire-panel 5 on")
        campus.do("callpoint fire-panel 64 on")
        campus.do("isolate fire-panel 1 on")
        campus.do("mains fire-panel lost")
        alarmed = await loop()
        assert (alarmed[4], alarmed[63], alarmed[0]) == (0x8001, 0x8020, 0x8004)
        assert await panel() == [0b0111, 0, 5]

        campus.do("fire fire-panel 5 off")
        assert (await loop())[4] == 0x8001, "the panel holds an alarm"
        campus.do("reset fire-panel")
        after = await loop()
        assert (after[4], after[63]) == (0x8000, 0x8020), "the call point is still broken"
        assert await panel() == [0b0111, 1, 64]

    ask(campus, talk)
    assert [(each["kind"], each["address"], each["active"]) for each in campus.entries()] == [
        ("fire.alarm", "5", True),
        ("fire.manual_call_point", "64", True),
        ("fire.isolated", "1", True),
        ("power.mains_lost", "", True),
        ("fire.reset", "", None),
        ("fire.alarm", "5", False),
    ]
    with pytest.raises(OrderRefused, match="isolated"):
        campus.do("fire fire-panel 1 on")


def test_panel_can_only_be_read(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        assert (await client.write_register(1, 7, device_id=1)).isError()
        assert (await client.write_coil(0, True, device_id=1)).isError()
        assert (await client.read_holding_registers(1, count=1, device_id=1)).registers == [0]

    ask(campus, talk)


def test_short_press_between_two_polls_is_latched_and_counted(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        async def inputs() -> list[bool]:
            return (await client.read_discrete_inputs(0, count=18, device_id=3)).bits[:18]

        async def released() -> bool:
            return not (await inputs())[3]

        campus.do("press yard-button")
        assert (await inputs())[11]
        await until(released)
        assert (await inputs())[8:16] == [False] * 3 + [True] + [False] * 4
        assert (await client.read_input_registers(0, count=8, device_id=3)).registers == [
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
        ]

        echo = await client.write_coil(3, True, device_id=3)
        assert echo.bits[0], "a device echoes the request"
        assert (await client.read_coils(0, count=18, device_id=3)).bits[:18] == [False] * 18
        assert not any(await inputs())
        campus.do("press io-buttons 3")
        assert (await client.read_input_registers(3, count=1, device_id=3)).registers == [2]

        assert not (await client.write_coil(16, True, device_id=3)).isError()
        await until(relay_on := _bit(client, 16, 3))
        assert await relay_on()
        assert (await client.write_coil(9, True, device_id=3)).isError()

    ask(campus, talk)
    assert [(each["address"], each["identity"]) for each in campus.entries()] == [("3", "3:1"), ("3", "3:2")]


def _bit(client: AsyncModbusTcpClient, address: int, unit: int) -> Callable[[], Awaitable[bool]]:
    async def read() -> bool:
        return bool((await client.read_discrete_inputs(address, count=1, device_id=unit)).bits[0])

    return read


def test_door_lock_gives_feedback_unless_it_is_jammed(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        feedback = _bit(client, 5, 2)
        assert not await feedback()
        await client.write_coil(0, True, device_id=2)
        await until(feedback)
        assert (await client.read_coils(0, count=1, device_id=2)).bits[0]
        campus.do("jam west-door on")
        await client.write_coil(0, False, device_id=2)
        await asyncio.sleep(0.4)
        assert await feedback(), "a jammed lock does not move"
        campus.do("jam west-door off")
        assert not await feedback()

        campus.do("exit west-door")
        bits = (await client.read_discrete_inputs(0, count=6, device_id=2)).bits[:6]
        assert (bits[0], bits[3]) == (True, True)
        await client.write_coil(8, True, device_id=2)
        assert not await _bit(client, 3, 2)()
        counter, cycles = (await client.read_input_registers(0, count=2, device_id=2)).registers
        assert counter == 1
        campus.do("force west-door")
        assert await _bit(client, 1, 2)()
        assert cycles >= 1000

    ask(campus, talk)


def test_electrical_monitor_measures_and_judges(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        async def measure() -> list[int]:
            return (await client.read_input_registers(0, count=5, device_id=4)).registers

        leakage, temperature, current, voltage, status = await measure()
        assert 100 < leakage < 400 and 150 < temperature < 450 and current > 0 and 2000 < voltage < 2400
        assert status == 0
        campus.do("leak board on")
        assert (await measure())[4] == 1

        async def leaks() -> bool:
            return (await measure())[0] > 3000

        await until(leaks, 10.0)

    ask(campus, talk)


def test_silent_unit_gives_no_answer_while_its_neighbours_do(campus: Campus) -> None:
    async def talk(client: AsyncModbusTcpClient) -> None:
        campus.do("offline board on")
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=5, device_id=4)
        campus.do("offline board off")

    async def talk_again(client: AsyncModbusTcpClient) -> None:
        campus.do("offline board on")
        assert not (await client.read_holding_registers(0, count=3, device_id=1)).isError()
        campus.do("offline board off")
        assert not (await client.read_input_registers(0, count=5, device_id=4)).isError()

    ask(campus, talk)
    ask(campus, talk_again)


# Cameras


def picture(campus: Campus) -> npt.NDArray[np.uint8]:
    with urllib.request.urlopen(f"http://127.0.0.1:{campus.cameras}/gate-camera.jpg", timeout=5) as response:
        image = cv2.imdecode(np.frombuffer(response.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None and image.shape == (360, 640)
    return image.astype(np.uint8)


def read_parts(campus: Campus, number: int) -> list[bytes]:
    """So many pictures of the stream, as the camera sent them."""
    pictures = []
    with urllib.request.urlopen(f"http://127.0.0.1:{campus.cameras}/gate-camera.mjpg", timeout=5) as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        for _ in range(number):
            assert stream.readline() == b"--frame\r\n"
            assert stream.readline() == b"Content-Type: image/jpeg\r\n"
            length = int(stream.readline().partition(b":")[2])
            assert stream.readline() == b"\r\n"
            pictures.append(stream.read(length))
            assert stream.readline() == b"\r\n"
    return pictures


def test_camera_streams_pictures_that_decode_and_differ(campus: Campus) -> None:
    pictures = read_parts(campus, 4)
    assert len(set(pictures)) == 4
    for data in pictures:
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)
    capture = cv2.VideoCapture(f"http://127.0.0.1:{campus.cameras}/gate-camera.mjpg")
    try:
        assert capture.read()[0], "OpenCV itself reads the stream"
    finally:
        capture.release()


def test_camera_faults_show_in_the_picture(campus: Campus) -> None:
    plain = picture(campus)
    assert plain.mean() > 80 and plain.std() > 20
    campus.do("cover gate-camera on")
    covered = picture(campus)
    assert 25 < covered.mean() < 80
    assert np.percentile(covered, 95) - np.percentile(covered, 5) < 15
    campus.do("cover gate-camera off")
    campus.do("darken gate-camera on")
    assert picture(campus).mean() < 20
    campus.do("darken gate-camera off")
    campus.do("freeze gate-camera on")
    assert len(set(read_parts(campus, 3))) == 1
    campus.do("freeze gate-camera off")
    assert len(set(read_parts(campus, 3))) == 3
    campus.do("lose gate-camera on")
    with pytest.raises(urllib.error.HTTPError, match="503") as lost:
        picture(campus)
    lost.value.close()
    campus.do("lose gate-camera off")
    assert picture(campus).mean() > 80


# MQTT


def test_event_is_in_the_ledger_before_it_is_heard(campus: Campus, listener: Listener) -> None:
    campus.do("press gate-button")
    (event,) = wait_until(lambda: listener.documents("campus/gate-button/event"))
    assert event["type"] == "pressed" and event["at"].endswith("Z")
    assert campus.entries() == [
        {
            "device": "gate-button",
            "address": "",
            "kind": "panic.pressed",
            "active": None,
            "identity": event["id"],
            "at": event["at"],
        }
    ]


def test_retained_states_and_telemetry(campus: Campus, listener: Listener) -> None:
    wait_until(lambda: listener.documents("campus/fridge/telemetry"))
    campus.do("smoke lab-smoke on")
    wait_until(lambda: any(d["alarm"] for d in listener.documents("campus/lab-smoke/state")))
    wait_until(
        lambda: any(d["smoke_density_pct_m"] > 1.0 for d in listener.documents("campus/lab-smoke/telemetry"))
    )
    assert [d["active"] for d in listener.documents("campus/lab-smoke/event")] == [True]
    late = Listener(listener.port)
    try:
        wait_until(lambda: late.on("campus/lab-smoke/availability"))
        retained = {topic for topic, _, retain in late.heard if retain}
        assert "campus/lab-smoke/event" not in retained, "a momentary message is never retained"
        wait_until(
            lambda: (
                {f"campus/{name}/availability" for name in ("gate-door", "siren")}
                <= {t for t, *_ in late.heard}
            )
        )
        assert set(late.on("campus/gate-door/availability")) == {b"online"}
    finally:
        late.close()


def test_door_and_siren_obey_and_answer_with_the_command(campus: Campus, listener: Listener) -> None:
    def order(device: str, **fields: str) -> None:
        listener.client.publish(f"campus/{device}/set", json.dumps(fields), qos=1).wait_for_publish(5)

    def states(device: str) -> list[dict[str, Any]]:
        return listener.documents(f"campus/{device}/state")

    order("gate-door", command="c1", lock="release")
    wait_until(lambda: [s for s in states("gate-door") if s.get("command") == "c1" and s["lock"] == "unlocked"])
    campus.do("open gate-door")
    order("gate-door", command="c2", lock="restore")
    wait_until(lambda: [s for s in states("gate-door") if s.get("command") == "c2" and s["lock"] == "locked"])
    campus.do("jam siren on")
    order("siren", command="s1", siren="on")
    campus.do("jam siren off")
    order("siren", command="s2", siren="on")
    wait_until(lambda: [s for s in states("siren") if s.get("command") == "s2" and s["siren"] == "on"])
    listener.client.publish("campus/siren/set", b"\xff not json", qos=1).wait_for_publish(5)
    listener.client.publish("campus/gate-door/set", b"[]", qos=1).wait_for_publish(5)
    order("siren", command="s3", siren="off")
    wait_until(lambda: [s for s in states("siren") if s.get("command") == "s3" and s["siren"] == "off"])


def test_device_taken_offline_says_so_and_comes_back(campus: Campus, listener: Listener) -> None:
    campus.do("offline lab-smoke on")
    wait_until(lambda: listener.on("campus/lab-smoke/availability")[-1:] == [b"offline"])
    assert [(e["kind"], e["active"]) for e in campus.entries()] == [("device.offline", True)]
    with pytest.raises(OrderRefused, match="offline"):
        campus.do("smoke lab-smoke on")
    campus.do("offline lab-smoke off")
    wait_until(lambda: listener.on("campus/lab-smoke/availability")[-1:] == [b"online"])


def test_killed_simulation_leaves_its_wills(campus: Campus, listener: Listener) -> None:
    campus.process.kill()
    campus.process.wait()
    for device in ("gate-button", "gate-door", "lab-smoke", "fridge"):
        wait_until(lambda name=device: listener.on(f"campus/{name}/availability")[-1:] == [b"offline"])  # type: ignore[misc]


def test_stopped_simulation_says_goodbye_within_two_seconds(campus: Campus, listener: Listener) -> None:
    assert int((campus.run_dir / "simulator.pid").read_text()) == campus.process.pid
    begun = time.monotonic()
    campus.process.send_signal(signal.SIGTERM)
    assert campus.process.wait(10) == 0
    assert time.monotonic() - begun < 2.0
    assert not (campus.run_dir / "simulator.pid").exists()
    for device in ("gate-button", "gate-door", "siren"):
        wait_until(lambda name=device: listener.on(f"campus/{name}/availability")[-1:] == [b"offline"])  # type: ignore[misc]


def test_every_event_is_said_again_after_the_broker_was_killed(
    campus: Campus, listener: Listener, broker: RunningBroker
) -> None:
    for _ in range(5):
        campus.do("press gate-button")
    campus.do("force gate-door")
    wait_until(lambda: len(listener.identities()) == 6)
    before = [entry["identity"] for entry in campus.entries()]
    broker.kill()
    wait_until(lambda: campus.status()["connected"] == 0)
    campus.do("press hall-button")
    campus.do("smoke lab-smoke on")
    campus.do("smoke lab-smoke off")
    wanted = {entry["identity"] for entry in campus.entries()}
    assert len(wanted) == 9
    broker.start()
    wait_until(lambda: campus.status()["waiting"] == 0, 15.0)
    wait_until(lambda: wanted <= set(listener.identities()), 15.0)
    wait_until(lambda: all(listener.identities()[identity] >= 2 for identity in before), 15.0)
    order = [d["active"] for d in listener.documents("campus/lab-smoke/event")]
    assert order[:2] == [True, False], "said in the order in which it happened"
    status = campus.status()
    assert status["reconnects"] == status["speakers"]


def test_storm_through_a_broker_crash_loses_nothing(
    campus: Campus, listener: Listener, broker: RunningBroker
) -> None:
    campus.do("storm 60 50")
    with pytest.raises(OrderRefused, match="storm is on already"):
        campus.do("storm 1 0")
    wait_until(lambda: campus.status()["storm"]["done"] >= 20, 20.0)
    broker.kill()
    wait_until(lambda: campus.status()["storm"]["done"] >= 35, 20.0)
    broker.start()
    wait_until(lambda: not campus.status()["storm"]["raging"], 60.0)
    entries = campus.entries()
    assert len(entries) >= 60
    assert all(entry["identity"] for entry in entries)
    assert len({(entry["device"], entry["identity"]) for entry in entries}) == len(entries)
    spoken = {entry["identity"] for entry in entries if entry["device"] != "io-buttons"}
    wait_until(lambda: spoken <= set(listener.identities()), 20.0)
    last = {(e["device"], e["kind"]): e["active"] for e in entries if e["active"] is not None}
    assert not any(last.values()), "all conditions are ended at the end of a storm"


def test_nothing_happens_by_itself_until_somebody_listens(tmp_path: Path, broker: RunningBroker) -> None:
    bus, control = reserve_port(), reserve_port()
    file = tmp_path / "campus.yaml"
    steps = [{"order": "press gate-button"}]
    document = {
        "campus": "test",
        "broker": {"port": broker.port},
        "buses": {"bus": bus},
        "devices": [
            {"device": "gate-button", "type": "panic_button"},
            {"device": "gate-door", "type": "door", "traffic_s": 0.1},
            {"device": "board", "type": "electrical", "bus": "bus"},
        ],
        "script": {"first_after_s": 0, "incidents": [{"incident": "press", "steps": steps}]},
    }
    file.write_text(yaml.safe_dump(document))
    program = [
        sys.executable,
        "-m",
        "sanfang",
        "simulate",
        str(file),
        "--control",
        f"http://127.0.0.1:{control}",
    ]
    ledger = tmp_path / "ledger.jsonl"
    process = subprocess.Popen([*program, "--ledger", str(ledger), "--speed", "5"])
    campus = Campus(process, f"http://127.0.0.1:{control}", bus, 0, ledger, tmp_path)

    def status() -> dict[str, Any]:
        try:
            return campus.status()
        except OSError:
            return {}

    try:
        wait_until(lambda: status().get("connected") == 2, 20.0)
        assert not status()["heard"]
        assert campus.do("test gate-button"), "an order is obeyed at once"
        assert [entry["kind"] for entry in campus.entries()] == ["panic.test"]

        async def talk(client: AsyncModbusTcpClient) -> None:
            assert not (await client.read_input_registers(0, count=5, device_id=1)).isError()

        ask(campus, talk)
        wait_until(lambda: status()["heard"] and status()["incidents"] == 1)
        wait_until(lambda: len(campus.entries()) > 3)
        kinds = {entry["kind"] for entry in campus.entries()}
        assert "panic.pressed" in kinds and kinds & {"access.granted", "door.exit_button"}
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_load_adds_readings(tmp_path: Path, broker: RunningBroker, listener: Listener) -> None:
    campus = start_campus(tmp_path, broker.port, "2000")
    try:
        begun, sent = time.monotonic(), int(campus.status()["load"]["sent"])
        wait_until(lambda: campus.status()["load"]["sent"] > sent + 4000, 15.0)
        assert time.monotonic() - begun > 1.5, "no faster than asked"
        wait_until(lambda: len(listener.on("campus/fridge/telemetry")) > 500, 15.0)
    finally:
        campus.process.terminate()
        assert campus.process.wait(10) == 0


# The control address


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/do", b'{"order": "dance"}', "application/json", 422),
        ("/do", b'{"order": 7}', "application/json", 422),
        ("/do", b"[]", "application/json", 422),
        ("/do", b"\xff", "application/json", 422),
        ("/do", b'{"order": "press gate-button"}', "text/plain", 415),
        ("/do", b"x" * 20_000, "application/json", 400),
        ("/elsewhere", b"{}", "application/json", 404),
    ],
)
def test_bad_orders_are_refused(campus: Campus, path: str, body: bytes, kind: str, status: int) -> None:
    request = urllib.request.Request(campus.control + path, data=body, headers={"Content-Type": kind})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as answer:
        assert answer.code == status
    assert campus.entries() == []


def test_help_lists_the_orders(campus: Campus) -> None:
    listed = campus.do("help")
    for verb in ("press DEVICE", "fire DEVICE ADDRESS on|off", "cover DEVICE on|off", "storm N EVERY_MS"):
        assert verb in listed


def test_port_in_use_is_one_clear_fault(tmp_path: Path, campus: Campus) -> None:
    file = tmp_path / "second.yaml"
    document = {
        "campus": "second",
        "buses": {"bus": campus.bus},
        "devices": [{"device": "board", "type": "electrical", "bus": "bus"}],
    }
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [sys.executable, "-m", "sanfang", "simulate", str(file), "--control", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ,
    )
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{campus.bus}" in done.stderr + done.stdout
