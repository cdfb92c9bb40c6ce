"""The edge as a process of its own, with real brokers and a stand-in hub: killed, starved, lied to."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import SecretBytes

from adapters.contract.codec import derive_key
from adapters.contract.message import AGE_UNKNOWN, Command, Receipt, Settings, Type
from adapters.contract.settings import split_settings
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from edge.configuration import BrokerAddress, Identity, save_identity
from tests.standin import StandInHub
from tests.waiting import wait_until

SENDER = Sender("demo-school", "demo-edge")
BUTTONS = 12
PROFILES = Path(__file__).parents[2] / "config" / "profiles"
RUN = (
    "import sys; from pathlib import Path; from edge.app import run_edge; sys.exit(run_edge(Path(sys.argv[1])))"
)


@dataclass
class EdgeProcess:
    folder: Path
    broker: Any
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    sender: Sender = SENDER
    program: str = RUN

    def prepare(self, **configuration: Any) -> Path:
        self.folder.mkdir(exist_ok=True)
        address = BrokerAddress(host=self.broker.host, port=self.broker.port)
        (self.folder / "data").mkdir(exist_ok=True)
        if not (self.folder / "data" / "identity.json").exists():
            self.enrol(address)
        file = self.folder / "edge.yaml"
        file.write_text(yaml.safe_dump({"data_dir": "data", "run_dir": "run", **configuration}))
        return file

    def enrol(self, address: BrokerAddress, key_number: int = 1) -> None:
        save_identity(
            self.folder / "data",
            Identity(
                site=self.sender.site,
                edge=self.sender.edge,
                root_secret=SecretBytes(self.secret),
                key_number=key_number,
                broker=address,
            ),
        )

    def start(self, **configuration: Any) -> EdgeProcess:
        file = self.prepare(**configuration)
        self.starts += 1
        log = (self.folder / f"edge-{self.starts}.log").open("wb")
        with log:
            self.process = subprocess.Popen([sys.executable, "-c", self.program, str(file)], stderr=log)
        return self

    def log(self) -> str:
        return (self.folder / f"edge-{self.starts}.log").read_text()

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        os.kill(self.process.pid, number)
        return self.process.wait(timeout=10)


class Campus:
    """Buttons and a siren on the devices' broker. Like the demo's devices, a button sends its messages of the
    last 10 s again after each reconnect, at once and twice more: a broker's acknowledgement is not storage,
    and who listens may come back later than the device."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.sent: list[tuple[float, str, bytes]] = []
        self.orders: list[dict[str, str]] = []
        self.deaf = False
        self.timers: list[threading.Timer] = []
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id="campus", protocol=MQTTProtocolVersion.MQTTv311
        )
        self.client.reconnect_delay_set(0.05, 0.1)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_order

    def start(self) -> Campus:
        self.client.connect(*self.address)
        self.client.loop_start()
        return self

    def stop(self) -> None:
        for timer in self.timers:
            timer.cancel()
            timer.join()
        self.client.disconnect()
        self.client.loop_stop()

    def press(self, button: str, identity: str) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z"
        body = json.dumps({"id": identity, "type": "pressed", "at": at}).encode()
        topic = f"campus/{button}/event"
        self.sent.append((time.monotonic(), topic, body))
        self.client.publish(topic, body, qos=1)

    def report_battery(self, button: str, percent: int) -> None:
        body = json.dumps({"battery": percent, "tamper": False, "at": "2026-01-01T00:00:00.000Z"})
        self.client.publish(f"campus/{button}/status", body, qos=1)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe("campus/+/set", qos=1)
        since = time.monotonic() - 10
        for after_s in (0, 3, 8) if self.sent else ():
            timer = threading.Timer(after_s, self._say_again, (since,))
            timer.daemon = True
            timer.start()
            self.timers.append(timer)

    def _say_again(self, since: float) -> None:
        for sent_at, topic, body in list(self.sent):
            if sent_at >= since:
                self.client.publish(topic, body, qos=1)

    def _on_order(self, client: Client, userdata: Any, message: Any) -> None:
        order = json.loads(message.payload)
        self.orders.append(order)
        if not self.deaf:
            client.publish(message.topic.replace("/set", "/state"), json.dumps({**order, "at": "x"}), qos=1)


def settings_document(host: str, port: int, **changes: Any) -> bytes:
    names = ("demo-panic-button-mqtt", "demo-siren-mqtt")
    profiles = {name: yaml.safe_load((PROFILES / f"{name}.yaml").read_text()) for name in names}
    buttons = [
        {
            "device": f"button-{n}",
            "family": "panic_button",
            "connection": "campus",
            "profile": "demo-panic-button-mqtt",
            "address": f"button-{n}",
        }
        for n in range(BUTTONS)
    ]
    siren = {
        "device": "siren",
        "family": "broadcast",
        "connection": "campus",
        "profile": "demo-siren-mqtt",
        "address": "siren",
        "writes": ["siren.on"],
    }
    document = {
        "site": SENDER.site,
        "edge": SENDER.edge,
        "connections": [{"connection": "campus", "driver": "mqtt", "host": host, "port": port}],
        "devices": [*buttons, siren],
        "profiles": profiles,
        "reflexes": [],
    }
    return json.dumps({**document, **changes}).encode()


@dataclass
class Street:
    edge: EdgeProcess
    hub: StandInHub
    campus: Campus
    broker: Any

    def settle_in(self) -> None:
        """The edge runs with its settings and its devices' broker."""
        self.hub.send_settings(1, settings_document(self.broker.host, self.broker.port))
        self.await_settings(1)

    def await_settings(self, version: int) -> None:
        wait_until(
            lambda: any(beat.settings_version == version for beat in list(self.hub.heartbeats)),
            15,
            f"settings {version} are reported",
        )

    def states(self, command: str) -> list[str]:
        """What the edge told of a command, in order."""
        return [result.state for result in self.hub.results() if result.command == command]

    def outcome(self, version: int) -> str:
        """What the edge says of these settings: waits until it does; empty where they are in force."""
        beats = self.hub.heartbeats
        return wait_until(
            lambda: [beat.settings_error for beat in list(beats) if beat.settings_version == version], 15
        )[-1]

    def pressed(self) -> Counter[str]:
        return Counter(event.identity for event in self.hub.events() if event.kind == "panic.pressed")


@pytest.fixture
def street(broker: Any, tmp_path: Path) -> Iterator[Street]:
    edge = EdgeProcess(tmp_path / "edge", broker)
    hub = StandInHub(broker.host, broker.port, SENDER, edge.secret).start()
    campus = Campus(broker.host, broker.port).start()
    try:
        yield Street(edge, hub, campus, broker)
    finally:
        if edge.process is not None and edge.process.poll() is None:
            edge.kill()
        campus.stop()
        hub.stop()


def test_a_press_arrives_alone_and_at_once_and_the_edge_stops_in_time(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15, "the edge beats")
    street.settle_in()
    wait_until(lambda: "in force" in street.edge.log())
    before = len(street.hub.messages)
    wait_until(lambda: connected(street), 15, "the campus is connected")
    street.campus.press("button-1", "first-press")
    wait_until(lambda: street.pressed()["first-press"], 5)
    alone = [header for _, header in street.hub.messages[before:] if header.lane is Lane.ALARM]
    assert all(header.count == 1 for header in alone)
    assert (street.edge.folder / "run" / "edge.pid").read_text().strip() == str(street.edge.process.pid)
    began = time.monotonic()
    assert street.edge.kill(signal.SIGTERM) == 0
    assert time.monotonic() - began < 3.5
    assert not (street.edge.folder / "run" / "edge.pid").exists()
    assert "Traceback" not in street.edge.log()


def connected(street: Street) -> bool:
    """A probe press that is stored means that devices, edge and hub are connected."""
    probe = f"probe-{secrets.token_hex(4)}"
    street.campus.press("button-0", probe)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        if street.pressed()[probe]:
            return True
        time.sleep(0.02)
    return False


def test_nothing_is_lost_or_doubled_when_edge_and_broker_are_killed(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    ended = threading.Event()
    pressed: list[str] = []

    def press_on() -> None:
        while not ended.wait(0.02):
            button = f"button-{len(pressed) % BUTTONS}"
            pressed.append(f"press-{len(pressed)}")
            street.campus.press(button, pressed[-1])
            street.campus.report_battery(button, 50 + len(pressed) % 40)

    presses = threading.Thread(target=press_on)
    presses.start()
    try:
        for victim in ("edge", "broker", "edge", "edge", "broker"):
            before = len(pressed)
            wait_until(lambda before=before: len(pressed) > before + 30)
            if victim == "edge":
                street.edge.kill()
                street.edge.start()
            else:
                street.broker.kill()
                street.broker.start()
            wait_until(lambda: connected(street), 30, f"whole again after the kill of the {victim}")
    finally:
        ended.set()
        presses.join()
    wanted = set(pressed)
    wait_until(lambda: wanted <= set(street.pressed()), 40, "all presses are stored")
    doubled = {identity: count for identity, count in street.pressed().items() if count > 1}
    assert not doubled
    tampers = Counter(event.device for event in street.hub.events() if event.kind == "device.tamper")
    assert set(tampers.values()) == {1}, "an unchanged condition is told once, over all restarts"
    positions = Counter((one.epoch, one.lane, one.sequence) for one in street.hub.items)
    assert max(positions.values()) == 1
    assert len({one.epoch for one in street.hub.items}) == 4
    assert not any("Traceback" in file.read_text() for file in street.edge.folder.glob("*.log"))


def test_without_hub_and_settings_on_disk_devices_are_heard_and_told_later_in_order(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    street.edge.kill()
    street.hub.silent = True
    street.edge.start()
    spool = street.edge.folder / "data" / "spool.sqlite"
    held = count_alarms(spool)
    street.campus.press("button-0", "probe-alone")
    wait_until(lambda: count_alarms(spool) > held, 15, "the edge starts from its own disk and hears")
    for n in range(50):
        street.campus.press("button-2", f"unheard-{n}")
    wait_until(lambda: count_alarms(spool) > held + 50, 15, "the spool holds them")
    street.edge.kill()
    street.edge.start()
    wait_until(lambda: "in force" in street.edge.log(), 15)
    street.hub.silent = False
    wait_until(lambda: sum(1 for i in street.pressed() if i.startswith("unheard-")) == 50, 20)
    late = [one for one in street.hub.items if b"unheard-" in one.data]
    assert {one.age_ms for one in late} == {AGE_UNKNOWN}, "items of an older epoch have no known age"
    assert [one.sequence for one in late] == sorted(one.sequence for one in late)
    wait_until(lambda: count_alarms(spool) == 0, 10, "receipted items are deleted")


def count_alarms(spool: Path) -> int:
    with closing(sqlite3.connect(f"{spool.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM item WHERE lane = 1").fetchone()[0])


def test_a_command_runs_once_and_is_confirmed_by_the_device(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    for _ in range(3):
        street.hub.send_command("c-1", "siren", "siren.on")
    wait_until(lambda: street.states("c-1") == ["accepted", "confirmed"], 10)
    street.hub.send_command("c-2", "siren", "siren.off")
    wait_until(lambda: street.states("c-2") == ["refused"], 10)
    street.hub.send_command("c-3", "nowhere", "siren.on")
    wait_until(lambda: street.states("c-3") == ["refused"], 10)
    street.hub.send_command("c-4", "siren", "siren.on", valid_ms=0)
    wait_until(lambda: street.states("c-4") == ["expired"], 10)
    past = time.time_ns() // 1_000 - 60_000_000
    street.hub.send(Command("c-5", "siren", "", "siren.on", {}, past, past, 10_000), Type.COMMAND)
    wait_until(lambda: street.states("c-5") == ["expired"], 10, "recorded long ago, played again")
    street.edge.kill()
    street.edge.start()
    wait_until(lambda: connected(street), 15)
    street.hub.send_command("c-1", "siren", "siren.on")
    street.hub.send_command("c-6", "siren", "siren.on")
    wait_until(lambda: street.states("c-6") == ["accepted", "confirmed"], 10)
    assert street.states("c-1") == ["accepted", "confirmed"]
    assert [order["command"] for order in street.campus.orders] == ["c-1", "c-6"]


def test_a_command_cut_off_by_a_kill_is_told_as_unconfirmed_and_not_run_again(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    street.campus.deaf = True
    street.hub.send_command("c-9", "siren", "siren.on")
    wait_until(lambda: street.campus.orders, 10)
    street.edge.kill()
    street.edge.start()
    wait_until(
        lambda: [r.state for r in street.hub.results() if r.command == "c-9"] == ["accepted", "unconfirmed"], 15
    )
    assert len(street.campus.orders) == 1


def test_what_is_not_proved_changes_nothing(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    wrong = derive_key(b"another root", 1)
    document = settings_document(street.broker.host, street.broker.port, devices=[], connections=[])
    now = time.time_ns() // 1_000
    order = Command("forged", "siren", "", "siren.on", {}, now, now + 10**7, 10_000)
    street.hub.send(order, Type.COMMAND, key=wrong)
    street.hub.send(order, Type.COMMAND, to=Sender("demo-school", "other-edge"))
    street.hub.publish_raw(Type.COMMAND, street.hub.frame(Receipt(0, now, []), Type.RECEIPT))
    street.hub.publish_raw(Type.COMMAND, b"SF")
    street.hub.publish_raw(Type.COMMAND, b"")
    for part in split_settings(Settings(66, 1, document)):
        street.hub.send(part, Type.SETTINGS, key=wrong)
    lanes = street.hub.heartbeats[-1].lanes
    forged = Receipt(0, now, [(lane.epoch, lane.lane, 10**6) for lane in lanes])
    street.hub.send(forged, Type.RECEIPT, key=wrong)
    street.hub.send_command("real", "siren", "siren.on")
    wait_until(
        lambda: [r.state for r in street.hub.results() if r.command == "real"] == ["accepted", "confirmed"], 10
    )
    assert [order["command"] for order in street.campus.orders] == ["real"]
    wait_until(lambda: street.hub.heartbeats[-1].dropped.get("bad_signature") == 3, 15, "counted")
    assert street.hub.heartbeats[-1].dropped["malformed_frame"] == 4
    assert street.hub.heartbeats[-1].settings_version == 1


def test_settings_are_applied_whole_or_refused_with_every_reason(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    document = json.loads(settings_document(street.broker.host, street.broker.port))
    document["connections"].append({"connection": "panel", "driver": "carrier_pigeon"})
    document["devices"][0]["profile"] = "no-such-profile"
    document["devices"][1]["connection"] = "nowhere"
    document["profiles"]["demo-siren-mqtt"]["family"] = "kitchen"
    street.hub.send_settings(2, json.dumps(document).encode())
    refusal = wait_until(
        lambda: [b.settings_error for b in list(street.hub.heartbeats) if b.settings_version == 2], 15
    )
    for part in ("carrier_pigeon", "no-such-profile", "nowhere", "demo-siren-mqtt"):
        assert part in refusal[0]
    wait_until(lambda: connected(street), 15, "the settings in force go on")
    street.hub.send_settings(3, b'{"site": "demo-school"')
    wait_until(
        lambda: [b for b in list(street.hub.heartbeats) if b.settings_version == 3 and b.settings_error], 15
    )
    fewer = json.loads(settings_document(street.broker.host, street.broker.port))
    fewer["devices"] = fewer["devices"][:1]
    street.hub.send_settings(4, json.dumps(fewer).encode())
    wait_until(
        lambda: [b for b in list(street.hub.heartbeats) if b.settings_version == 4 and not b.settings_error], 15
    )
    kept = json.loads((street.edge.folder / "data" / "settings.json").read_text())
    assert kept["version"] == 4 and len(kept["document"]["devices"]) == 1
    street.settle_in()  # an old frame, played again: versions only rise
    wait_until(lambda: street.hub.heartbeats[-1].dropped.get("settings_older"), 15)
    assert street.hub.heartbeats[-1].settings_version == 4


def test_a_second_edge_on_the_same_data_is_refused_with_one_line(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    second = subprocess.run(
        [sys.executable, "-c", RUN, str(street.edge.folder / "edge.yaml")],
        capture_output=True,
        timeout=30,
        text=True,
    )
    assert second.returncode != 0
    assert "another edge runs on this data" in second.stderr


def test_a_damaged_spool_is_set_aside_and_told_as_a_gap(street: Street) -> None:
    street.edge.start()
    wait_until(lambda: street.hub.heartbeats, 15)
    street.settle_in()
    wait_until(lambda: connected(street), 15)
    street.edge.kill()
    data = street.edge.folder / "data"
    for part in data.glob("spool.sqlite-*"):
        part.unlink()
    (data / "spool.sqlite").write_bytes(b"no database at all " * 1_000)
    street.edge.start()
    wait_until(lambda: [event for event in street.hub.events() if event.kind == "lane.gap"], 15)
    assert list(data.glob("spool.sqlite.damaged-*")), "kept for people to look at"
    wait_until(lambda: connected(street), 15, "and the street goes on")
