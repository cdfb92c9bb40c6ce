"""Children start in order, come back when killed, stop backwards, and never outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sanfang.supervisor import (
    Child,
    Service,
    StartFailed,
    Supervisor,
    bound_log,
    restart_delay_s,
)
from tests.waiting import wait_until

SLEEP = "import time; time.sleep(60)"


def service(name: str, script: str = SLEEP, marker: Path | None = None, deadline_s: float = 10.0) -> Service:
    """A Python child that is ready when its marker exists (or at once)."""
    return Service(
        name,
        [sys.executable, "-c", script],
        ready=(lambda: True) if marker is None else marker.exists,
        start_deadline_s=deadline_s,
        stop_deadline_s=2.0,
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("failures", "delay_s"), [(0, 0.2), (1, 0.2), (2, 0.4), (3, 0.8), (5, 2.0), (500, 2.0)]
)
def test_back_off_doubles_up_to_two_seconds(failures: int, delay_s: float) -> None:
    assert restart_delay_s(failures) == pytest.approx(delay_s)


def test_a_child_that_fails_at_first_is_started_again_until_ready(tmp_path: Path) -> None:
    marker = tmp_path / "second"
    script = f"""
import pathlib, sys, time
first = pathlib.Path({str(tmp_path / "first")!r})
if not first.exists():
    first.touch()
    sys.exit(1)
pathlib.Path({str(marker)!r}).touch()
time.sleep(60)
"""
    child = Child(service("late", script, marker), tmp_path, tmp_path)
    child.start()
    try:
        assert marker.exists()
        assert (tmp_path / "late.pid").read_text(encoding="ascii").strip() == str(child.pid)
    finally:
        child.stop()
    assert not (tmp_path / "late.pid").exists()


def test_wrong_configuration_is_not_tried_again_and_its_words_are_passed_on(tmp_path: Path) -> None:
    script = "import sys; print('hub.yaml: port: is not a number'); sys.exit(2)"
    child = Child(service("wrong", script, tmp_path / "never"), tmp_path, tmp_path)
    with pytest.raises(StartFailed, match=r"hub\.yaml: port: is not a number"):
        child.start()


def test_of_a_long_log_only_the_complaints_of_this_start_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "wrong.log").write_text("sanfang: a fault of yesterday\nWARNING: noise\n", encoding="utf-8")
    script = "import sys; print('INFO: noise'); print('sanfang: a: b; c'); print('sanfang: d'); sys.exit(2)"
    child = Child(service("wrong", script, tmp_path / "never"), tmp_path, tmp_path)
    with pytest.raises(StartFailed) as refused:
        child.start()
    assert str(refused.value) == "wrong refused to start: a: b; c\nd"


def test_the_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    child = Child(service("mute", marker=tmp_path / "never", deadline_s=0.3), tmp_path, tmp_path)
    child.spawn()
    pid = child.pid
    assert pid is not None
    with pytest.raises(StartFailed):
        child.await_ready()
    assert not alive(pid)


def test_stop_kills_what_does_not_listen_and_its_children(tmp_path: Path) -> None:
    script = f"""
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(tmp_path / "grandchild")!r}).write_text(str(grandchild.pid))
time.sleep(60)
"""
    file = tmp_path / "grandchild"
    child = Child(service("deaf", script, file), tmp_path, tmp_path)
    child.start()
    grandchild = wait_until(lambda: int(file.read_text() or 0), why="the grandchild's pid")
    assert child.stop() == -signal.SIGKILL
    # Nobody of ours reaps it: gone, or a zombie of the machine's first process.
    wait_until(lambda: not alive(grandchild) or _is_zombie(grandchild), why="the grandchild ended")


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"


def test_the_supervisor_restarts_the_killed_and_stops_backwards(tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = """
import pathlib, signal, sys, time
def leave(*_):
    with open({order!r}, "a") as file: file.write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path({marker!r}).touch()
time.sleep(60)
"""
    said: list[str] = []
    supervisor = Supervisor(tmp_path, tmp_path, said.append)
    children = {}
    for name in ("one", "two", "three"):
        marker = tmp_path / f"{name}.ready"
        text = script.format(order=str(order), name=name, marker=str(marker))
        children[name] = supervisor.start(service(name, text, marker))
    first = children["two"].pid
    assert first is not None

    def kill_the_second() -> None:
        try:
            (tmp_path / "two.ready").unlink()
            os.kill(first, signal.SIGKILL)
            wait_until((tmp_path / "two.ready").exists, why="two came back")
        finally:
            supervisor.request_stop()

    killer = threading.Thread(target=kill_the_second)
    killer.start()
    try:
        supervisor.watch()
        assert children["two"].pid != first
        assert any(line.startswith("two ended (signal 9)") for line in said)
    finally:
        killer.join()
        supervisor.stop_all()
    assert order.read_text(encoding="ascii").split() == ["three", "two", "one"]


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("parent-death signals are Linux's")
    pid_file = tmp_path / "tied.pid"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from sanfang.supervisor import Child, Service\n"
            f"folder = Path({str(tmp_path)!r})\n"
            f"command = [sys.executable, '-c', {SLEEP!r}]\n"
            "Child(Service('tied', command, ready=lambda: True), folder, folder).start()\n"
            "time.sleep(60)",
        ]
    )
    try:
        wait_until(
            lambda: pid_file.exists() and pid_file.read_text(encoding="ascii").strip(), why="the child runs"
        )
        pid = int(pid_file.read_text(encoding="ascii"))
        wait_until(
            # Between fork and exec it is its parent's image, and for a moment without any arguments.
            lambda: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2:3] == [SLEEP.encode()],
            why="exec",
        )
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not alive(pid) or _is_zombie(pid), why="the child ended with its parent")


def test_a_log_stays_within_its_bound(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"a" * 101)
    assert bound_log(log, limit_bytes=100)
    assert log.stat().st_size == 0
    assert (tmp_path / "x.log.1").stat().st_size == 101
    assert not bound_log(tmp_path / "absent.log")
