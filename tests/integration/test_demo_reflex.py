"""The whole demo with its hub stopped: a verified fire releases the escape doors; afterwards nothing is ordered
twice.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from sanfang.console import FOLDER, is_built
from tests.running_demo import RunningDemo, run_demo
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not is_built(FOLDER), reason="left out: the console is not built (make console)"),
]
DOORS = {"teaching-main-door", "teaching-east-door", "lab301-door", "teaching-west-door"}
"""What stands in the teaching building and may be released; the west door speaks Modbus."""


def test_a_verified_fire_releases_the_escape_doors_with_the_hub_stopped() -> None:
    with run_demo() as demo:
        ports = json.loads((demo.folder / "ports.json").read_text(encoding="utf-8"))
        got: Counter[str] = Counter()
        listener = Client(CallbackAPIVersion.VERSION2, client_id="listener")
        listener.on_connect = lambda client, *_: client.subscribe("campus/+/set", 1)
        listener.on_message = lambda *heard: got.update([heard[2].topic.split("/")[1]])
        listener.connect("127.0.0.1", ports["broker"])
        listener.loop_start()
        stopped = [demo.pid(name) for name in ("hub-worker", "hub-chores", "hub-api")]
        try:
            wait_until(lambda: _reflexes_in_force(demo), 20, "the edge has its reflexes")
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            demo.order("fire fire-panel 5 on")
            demo.order("smoke lab302-smoke on")
            began = time.monotonic()
            wait_until(
                lambda: {*DOORS, "teaching-siren"} - {"teaching-west-door"} <= got.keys(), 8, poll_s=0.02
            )
            assert time.monotonic() - began < 5
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: all(state == "confirmed" for *_, state in _commands(demo)) and _commands(demo), 30)
        wait_until(lambda: len(_commands(demo)) == 5, 10)
        assert {(device, kind) for device, kind, _, _ in _commands(demo)} == {
            *((door, "door.release") for door in DOORS),
            ("teaching-siren", "siren.on"),
        }
        assert {source for _, _, source, _ in _commands(demo)} == {"reflex:fire-verified"}
        listener.disconnect()
        listener.loop_stop()
        assert set(got.values()) == {1}, got


def _reflexes_in_force(demo: RunningDemo) -> bool:
    file = demo.folder / "edge" / "settings.json"
    files = [file] if file.exists() else list(demo.folder.rglob("settings.json"))
    return any(json.loads(each.read_text(encoding="utf-8"))["document"]["reflexes"] for each in files)


def _commands(demo: RunningDemo) -> list[tuple[Any, ...]]:
    with psycopg.connect(demo.dsn) as connection:
        return connection.execute("SELECT device, kind, source, state FROM command").fetchall()
