"""Reflexes on real processes: the edge acts with the hub away, tells of it, and nothing is ordered twice."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import pytest

from adapters.contract.codec import decode_item
from adapters.contract.message import Command, EventItem, Type
from edge.settings import save_settings
from hub.intake.worker import Worker
from hub.rulebook.reflex import compile_reflexes, emitted_kinds
from hub.sites.desk import Hand, apply_configuration
from hub.sites.model import build_model
from hub.sites.reading import load_profiles, load_site
from hub.store.database import Connection, connect, fetch_all
from hub.store.edge import load_settings
from tests.intake_worker import make_worker, shipped_book
from tests.integration.test_edge_street import SENDER, Campus, EdgeProcess
from tests.standin import StandInHub
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SITE = """
site: demo-school
name: {zh: 学校, en: school}
zones:
  - {zone: teaching, kind: building, name: {zh: 楼, en: teaching}}
  - {zone: hall, parent: teaching, kind: room, name: {zh: 厅, en: hall}}
edges:
  - edge: demo-edge
    name: {zh: 网关, en: edge}
    connections: [{connection: campus, driver: mqtt, host: 127.0.0.1, port: PORT}]
devices:
  - {device: button, profile: demo-panic-button-mqtt, family: panic_button, ALL}
  - {device: smoke-1, profile: demo-detector-mqtt, family: fire_alarm, ALL}
  - {device: smoke-2, profile: demo-detector-mqtt, family: fire_alarm, ALL}
  - {device: administration-siren, profile: demo-siren-mqtt, family: broadcast, writes: [siren.on], ALL}
  - device: east-door
    family: access_control
    profile: demo-door-mqtt
    writes: [door.release, door.restore, door.lock]
    parameters: {escape: true, free_exit: true}
    ALL_BLOCK
""".replace(
    "ALL_BLOCK", "name: {zh: 名, en: name}\n    zone: hall\n    edge: demo-edge\n    connection: campus"
).replace("ALL", "name: {zh: 名, en: name}, zone: hall, edge: demo-edge, connection: campus")


_ROWS: dict[str, LiteralString] = {
    "alarm": "SELECT * FROM alarm",
    "command": "SELECT * FROM command",
    "incident": "SELECT * FROM incident",
}


class School(Campus):
    """Devices that carry out orders and say so, and remember when."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.obeyed: list[tuple[float, str, dict[str, str]]] = []

    def got(self, device: str) -> list[dict[str, str]]:
        """The orders that a device got."""
        return [order for _, name, order in list(self.obeyed) if name == device]

    def fire(self, detector: str, *, active: bool = True, retain: bool = False) -> None:
        body = {"alarm": active, "fault": False, "tamper": False, "dirty": False, "at": _now()}
        self.client.publish(f"campus/{detector}/state", json.dumps(body), qos=1, retain=retain)

    def _on_order(self, client: Any, userdata: Any, message: Any) -> None:
        order = json.loads(message.payload)
        self.obeyed.append((time.monotonic(), message.topic.split("/")[1], order))
        if self.deaf:
            return
        done = {"release": "unlocked", "lock": "locked"}
        state = {**order, "lock": done.get(order.get("lock", ""), "locked"), "at": _now()}
        client.publish(message.topic.replace("/set", "/state"), json.dumps(state), qos=1)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass
class Scene:
    """A school whose edge has its settings on the disk; the hub is away."""

    edge: EdgeProcess
    campus: School
    broker: Any
    database: str
    connection: Connection

    def rows(self, table: str) -> list[dict[str, Any]]:
        return fetch_all(self.connection, _ROWS[table])

    def presses(self) -> list[dict[str, Any]]:
        return [row for row in self.rows("alarm") if row["kind"] == "panic.pressed"]

    def start_edge(self) -> None:
        self.edge.start()
        wait_until(lambda: "in force" in self.edge.log(), 15)

    def hear(self) -> None:
        """Wait until the edge hears its devices: a press that is on its disk, told to nobody."""
        spool = self.edge.folder / "data" / "spool.sqlite"

        def heard() -> bool:
            self.campus.client.publish(
                "campus/smoke-1/telemetry", json.dumps({"battery": 90, "at": _now()}), qos=1
            )
            self.campus.client.publish(
                "campus/smoke-2/event",
                json.dumps({"id": secrets.token_hex(4), "type": "test", "at": _now()}),
                qos=1,
            )
            return _stored(spool) > before

        before = _stored(spool)
        wait_until(heard, 20, "the edge hears its devices", poll_s=0.2)

    @contextmanager
    def hub(self) -> Iterator[Worker]:
        worker = make_worker(self.database, self.broker.host, self.broker.port)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(10)


def decoded(hub: StandInHub) -> list[Any]:
    return [decode_item(one.data) for one in list(hub.items)]


def _stored(spool: Path) -> int:
    with closing(sqlite3.connect(f"{spool.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COALESCE(SUM(assigned), 0) FROM lane").fetchone()[0])


@pytest.fixture
def scene(broker: Any, database: str, tmp_path: Path) -> Iterator[Scene]:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("PORT", str(broker.port)), encoding="utf-8")
    site, profiles = load_site(file), load_profiles(ROOT / "config" / "profiles")
    reflexes = compile_reflexes(
        shipped_book(), build_model(site), emitted_kinds(site.profiles_by_device, profiles)
    )
    edge = EdgeProcess(tmp_path / "edge", broker)
    with closing(connect(database, application="test")) as connection:
        at = datetime.now(UTC)
        apply_configuration(
            connection, site, profiles, reflexes=reflexes.tables, hand=Hand("system:hub"), at=at
        )
        with connection.transaction():
            connection.execute("UPDATE edge SET root_secret = %s", (edge.secret,))
        wanted = load_settings(connection, "demo-school", "demo-edge")
        assert wanted is not None
        edge.prepare()
        save_settings(edge.folder / "data" / "settings.json", wanted)
        campus = School(broker.host, broker.port)
        campus.start()
        try:
            yield Scene(edge, campus, broker, database, connection)
        finally:
            if edge.process is not None and edge.process.poll() is None:
                edge.kill()
            campus.stop()


def test_a_button_sounds_the_siren_with_the_hub_away_and_the_hub_takes_it_over(scene: Scene) -> None:
    scene.start_edge()
    scene.hear()
    pressed_at = time.monotonic()
    scene.campus.press("button", "the-press")
    wait_until(lambda: scene.campus.got("administration-siren"), 5, poll_s=0.005)
    (sounded_at, _, order), *_ = scene.campus.obeyed
    assert sounded_at - pressed_at < 1.0
    assert order["siren"] == "on"
    with scene.hub():
        wait_until(lambda: [row["state"] for row in scene.rows("command")] == ["confirmed"], 20)
        (command,) = scene.rows("command")
        (alarm,) = scene.presses()
        assert (alarm["kind"], alarm["subject"]) == ("panic.pressed", "button")
        assert (command["command"], command["source"]) == (order["command"], "reflex:panic-pressed")
        # And with the hub there: the edge does it, the hub records it, once.
        wait_until(lambda: time.monotonic() - pressed_at > 0.1, 1)
        scene.campus.press("button", "another-press")
        wait_until(lambda: [row["occurrences"] for row in scene.presses()] == [2], 10)
    assert len(scene.campus.got("administration-siren")) == 1, "a moment later it sounds already"


def test_a_verified_fire_releases_the_door_over_a_kill_between_the_two_detectors(scene: Scene) -> None:
    scene.start_edge()
    scene.hear()
    scene.campus.fire("smoke-1")
    spool = scene.edge.folder / "data" / "spool.sqlite"
    before = _stored(spool)
    scene.hear()
    assert _stored(spool) > before
    assert not scene.campus.obeyed, "one detector is a sign, no fire"
    scene.edge.kill()
    scene.start_edge()
    scene.hear()
    scene.campus.fire("smoke-2")
    wait_until(lambda: scene.campus.got("east-door") and scene.campus.got("administration-siren"), 5)
    with scene.hub():
        wait_until(
            lambda: (
                sorted((row["kind"], row["state"]) for row in scene.rows("command"))
                == [("door.release", "confirmed"), ("siren.on", "confirmed")]
            ),
            20,
        )
        (incident,) = scene.rows("incident")
        commands = scene.rows("command")
        assert {row["incident"] for row in commands} == {incident["incident"]}, "the plan takes them over"
        assert {row["precedence"] for row in commands} == {1}
        assert {row["source"] for row in commands} == {"reflex:fire-verified"}
    assert len(scene.campus.got("east-door")) == len(scene.campus.got("administration-siren")) == 1


def test_a_reflex_cut_off_by_a_kill_is_performed_again(scene: Scene) -> None:
    scene.start_edge()
    scene.hear()
    scene.campus.deaf = True
    scene.campus.press("button", "the-press")
    wait_until(lambda: scene.campus.got("administration-siren"), 5)
    scene.edge.kill()
    sent = len(scene.campus.obeyed)
    scene.campus.deaf = False
    scene.start_edge()
    wait_until(lambda: len(scene.campus.obeyed) > sent, 10, "it is safe twice")
    assert {order["command"] for order in scene.campus.got("administration-siren")} == {
        scene.campus.got("administration-siren")[0]["command"]
    }
    with scene.hub():
        wait_until(lambda: [row["state"] for row in scene.rows("command")] == ["confirmed"], 20)


def test_a_fire_that_only_the_brokers_memory_tells_of_moves_nothing(scene: Scene) -> None:
    for smoke in ("smoke-1", "smoke-2"):
        scene.campus.fire(smoke, retain=True)
    scene.start_edge()
    scene.hear()
    with scene.hub():
        wait_until(lambda: len([row for row in scene.rows("alarm") if row["kind"] == "fire.alarm"]) == 2, 20)
        wait_until(lambda: [row["state"] for row in scene.rows("incident")] == ["proposed"], 10)
    assert scene.rows("command") == [] and scene.campus.obeyed == []


def test_no_order_of_the_hub_locks_a_door_that_a_fire_holds_open(scene: Scene) -> None:
    hub = StandInHub(scene.broker.host, scene.broker.port, SENDER, scene.edge.secret).start()
    try:
        scene.start_edge()
        scene.hear()
        for smoke in ("smoke-1", "smoke-2"):
            scene.campus.fire(smoke)
        wait_until(lambda: scene.campus.got("east-door"), 5)

        def answer(command: str, kind: str) -> str:
            now = time.time_ns() // 1_000
            hub.send(Command(command, "east-door", "", kind, {}, now, now + 10**7, 10_000), Type.COMMAND)
            wait_until(lambda: [one for one in hub.results() if one.command == command], 10)
            return next(one.state for one in hub.results() if one.command == command)

        assert answer("lock-1", "door.lock") == "refused"
        for smoke in ("smoke-1", "smoke-2"):
            scene.campus.fire(smoke, active=False)
        wait_until(
            lambda: [event for event in hub.events() if event.kind == "fire.alarm" and event.active is False][
                1:
            ],
            10,
        )
        assert answer("restore-1", "door.restore") == "accepted"
        assert [order.get("lock") for order in scene.campus.got("east-door")][:1] == ["release"]
        items = [item for item in decoded(hub) if isinstance(item, EventItem) and item.reflexes]
        assert [reflex.kind for reflex in items[0].reflexes] == ["siren.on", "door.release"]
        assert len(items[0].reflexes[0].evidence) == 2
    finally:
        hub.stop()
