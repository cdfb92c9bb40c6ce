"""The ledger: while the campus speaks, every program of the street is killed, and nothing is lost or doubled.

The whole demo runs as its user starts it. The simulators write down every event before they send it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from sanfang.demo import get_json
from sanfang.ports import choose_port
from simulators.app import send_order
from tests.conftest import open_folder
from tests.ledger import balance
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
KILLED = ("broker", "hub-worker", "hub-api", "hub-chores", "edge", "postgres", "hub")
EVENTS = 600
EVERY_MS = 120
ALARM_KINDS = frozenset({"panic.pressed", "fire.alarm", "door.forced"})
"""Kinds of the storm that the rule book makes alarms of."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: its folder and how to reach it."""

    process: subprocess.Popen[bytes]
    folder: Path
    ledger: Path
    console: str

    @property
    def dsn(self) -> str:
        document = yaml.safe_load((self.folder / "hub.yaml").read_text(encoding="utf-8"))
        return str(document["database"])

    @property
    def ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads((self.folder / "ports.json").read_text(encoding="utf-8"))
        return ports

    def pid(self, name: str) -> int:
        return int((self.folder / "run" / f"{name}.pid").read_text(encoding="ascii"))

    def order(self, words: str) -> str:
        return send_order(f"http://127.0.0.1:{self.ports['control']}", words)

    def kill(self, name: str) -> None:
        """kill -9, then wait until it runs again under another number."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self._reborn(name, before), 30.0, f"{name} is started again")

    def _reborn(self, name: str, before: int) -> bool:
        try:
            return self.pid(name) != before
        except (FileNotFoundError, ValueError):
            return False

    @property
    def ready(self) -> bool:
        answer = get_json(f"{self.console}/readyz")
        return answer is not None and answer.get("ready") is True


@pytest.fixture
def demo() -> Iterator[Demo]:
    folder = open_folder()
    ledger = folder / "ledger.jsonl"
    port = choose_port()
    command = [sys.executable, "-m", "sanfang", "demo", "--data", str(folder), "--port", str(port)]
    command += ["--quiet", "--ledger", str(ledger), "--seed", "11"]
    with (folder / "demo.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    running = Demo(process, folder, ledger, f"http://127.0.0.1:{port}")
    try:
        wait_until(
            lambda: "Sanfang runs" in (folder / "demo.log").read_text(), 90.0, "the demo runs", poll_s=0.2
        )
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    print((folder / "demo.log").read_text())


@pytest.mark.alone
def test_nothing_is_lost_or_doubled_while_everything_is_killed(demo: Demo) -> None:
    demo.order(f"storm {EVENTS} {EVERY_MS}")
    for name in KILLED:
        demo.kill(name)
        wait_until(lambda: demo.ready, 40.0, f"the street runs again after {name}", poll_s=0.1)
    assert f"{EVENTS} of {EVENTS}" not in demo.order("storm"), "the storm was over before the last kill"
    wait_until(lambda: f"{EVENTS} of {EVENTS}" in demo.order("storm"), 120.0, "the storm is over", poll_s=0.5)
    time_limit = time.monotonic() + 60.0
    while True:
        account = balance(demo.ledger, demo.dsn, ALARM_KINDS)
        if account.balanced or time.monotonic() > time_limit:
            break
        time.sleep(0.5)
    print(account)
    assert account.entries >= EVENTS
    assert account.balanced, str(account)
    with psycopg.connect(demo.dsn) as connection:
        gaps = connection.execute("SELECT count(*) FROM tombstone").fetchone()
        held = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    assert gaps == (0,)
    assert held == (0,)
