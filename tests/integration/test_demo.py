"""`sanfang demo` as a person runs it: starts, answers, survives kills, stops, leaves nothing, goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.document import read_document
from sanfang.console import FOLDER, is_built
from tests.ports import reserve_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not is_built(FOLDER), reason="left out: the console is not built (make console)"),
]

NAMES = ("postgres", "broker", "hub", "hub-api", "hub-worker", "hub-chores", "simulator", "edge")


class Demo:
    """A running demo, its folder and what it has printed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.output = folder.with_name(folder.name + ".out")
        self.begun = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sanfang",
                    "demo",
                    "--data",
                    str(folder),
                    "--port",
                    str(port),
                    "--quiet",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a terminal's Ctrl-C reaches the group; so does ours
            )

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def await_ready(self, deadline_s: float) -> float:
        """Seconds until it said that it runs."""

        def ready() -> bool:
            assert self.process.poll() is None, self.said
            return "Ctrl-C ends it." in self.said

        wait_until(ready, deadline_s, why="the demo runs")
        return time.monotonic() - self.begun

    def pid(self, name: str) -> int:
        """The process that runs under this name, or 0 while there is none."""
        try:
            pid = int((self.folder / "run" / f"{name}.pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0
        return pid if running(pid) else 0

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as response:
                return bool(json.load(response)["ready"])
        except OSError:
            return False

    def await_all(self) -> dict[str, int]:
        """Every process runs and the hub is ready: their pids by name."""

        def all_run() -> dict[str, int]:
            pids = {name: self.pid(name) for name in NAMES}
            return pids if all(pids.values()) and self.ready() else {}

        return wait_until(all_run, 30.0, why="every process runs and the hub is ready", poll_s=0.1)

    def interrupt(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=60)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def leftovers(folder: Path) -> list[str]:
    """Command lines of processes that still speak of the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if str(folder) in line and int(entry.name) != os.getpid():
                found.append(line)
    return found


def epochs(folder: Path) -> set[int]:
    """The epochs of the edge from which the hub has stored something."""
    with psycopg.connect(read_document(folder / "hub.yaml")["database"]) as connection:
        return {row[0] for row in connection.execute("SELECT epoch FROM cursor WHERE position > 0")}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sanfang-demo-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path / "demo"


def test_the_demo_from_first_start_to_second_stop(folder: Path) -> None:
    port = reserve_port()
    demo = Demo(folder, port)
    try:
        first_s = demo.await_ready(60.0)
        assert f"http://127.0.0.1:{port}" in demo.said
        assert "set-up token" in demo.said
        assert demo.ready()
        pids = demo.await_all()

        for name in ("broker", "postgres", "hub-worker", "hub-api", "hub-chores", "edge", "simulator", "hub"):
            _kill_and_await_return(demo, name)
        pids = demo.await_all()
        assert demo.interrupt() == 0, demo.said
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()
    wait_until(lambda: not any(running(pid) for pid in pids.values()), 5.0, why="no process is left")
    assert leftovers(folder) == []

    again = Demo(folder, port)
    try:
        again_s = again.await_ready(30.0)
        assert "set-up token" in again.said, "nobody has used it yet, so it is shown again"
        # Three starts of the edge, three epochs; what the first two had not got rid of is drained now.
        wait_until(lambda: len(epochs(folder)) >= 3, 30.0, why="every epoch of the edge reached the database")
    finally:
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(timeout=60) == 0
    assert leftovers(folder) == []
    assert first_s < 60
    assert again_s < 10, f"the second start took {again_s:.1f} s:\n{again.said}"


def _kill_and_await_return(demo: Demo, name: str) -> None:
    before = demo.await_all()[name]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: demo.pid(name) not in (0, before), 30.0, why=f"{name} is back; it said:\n{demo.said}")


def test_children_do_not_outlive_a_demo_that_is_killed(folder: Path) -> None:
    demo = Demo(folder, reserve_port())
    try:
        demo.await_ready(60.0)
        pids = list(demo.await_all().values())
    finally:
        demo.process.kill()
        demo.process.wait()
    wait_until(lambda: not any(running(pid) for pid in pids), 15.0, why="all ended with the demo")
