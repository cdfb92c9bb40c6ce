"""The demo as its user starts it, for tests: start, order, kill, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from sanfang.demo import get_json
from simulators.app import send_order
from tests.conftest import open_folder
from tests.ports import reserve_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]


class RunningDemo:
    """A quiet demo (nothing happens but what is ordered) in a folder of its own."""

    def __init__(self, *options: str) -> None:
        self.folder = open_folder()
        self.ledger = self.folder / "ledger.jsonl"
        self.log = self.folder / "demo.log"
        port = reserve_port()
        self.console = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sanfang", "demo", "--data", str(self.folder), "--port", str(port)]
        command += ["--quiet", "--ledger", str(self.ledger), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def dsn(self) -> str:
        document = yaml.safe_load((self.folder / "hub.yaml").read_text(encoding="utf-8"))
        return str(document["database"])

    @property
    def token(self) -> str:
        """The set-up token that a first start prints."""
        return self.said.split("set-up token:")[1].split()[0]

    def await_running(self) -> None:
        def runs() -> bool:
            assert self.process.poll() is None, self.said
            return "Ctrl-C ends it." in self.said

        wait_until(runs, 120.0, "the demo runs", poll_s=0.1)

    @property
    def ready(self) -> bool:
        answer = get_json(f"{self.console}/readyz")
        return answer is not None and answer.get("ready") is True

    def order(self, words: str) -> str:
        """Give the campus an order; its answer."""
        ports = json.loads((self.folder / "ports.json").read_text(encoding="utf-8"))
        return send_order(f"http://127.0.0.1:{ports['control']}", words)

    def pid(self, name: str) -> int:
        return int((self.folder / "run" / f"{name}.pid").read_text(encoding="ascii"))

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

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextmanager
def run_demo(*options: str) -> Iterator[RunningDemo]:
    """A demo that runs; it must stop cleanly."""
    demo = RunningDemo(*options)
    try:
        demo.await_running()
        yield demo
    finally:
        code = demo.stop()
    assert code == 0, demo.said
