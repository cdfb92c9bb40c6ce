"""An edge whose disk is read-only: alarms come through by way of the hub, and it says that it has no disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_edge_street import (
    RUN,
    SENDER,
    Campus,
    EdgeProcess,
    StandInHub,
    Street,
    connected,
    count_alarms,
)
from tests.waiting import wait_until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which can be made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64m", "none", folder]).returncode:
        pytest.skip("only root can mount a disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def told(hub: StandInHub, kind: str) -> list[bool | None]:
    return [event.active for event in hub.events() if event.kind == kind]


def test_an_edge_on_a_read_only_disk_starts_and_alarms_still_reach_the_hub(broker: Any, disk: Path) -> None:
    edge = EdgeProcess(disk / "edge", broker)
    hub = StandInHub(broker.host, broker.port, SENDER, edge.secret).start()
    campus = Campus(broker.host, broker.port).start()
    street = Street(edge, hub, campus, broker)
    try:
        edge.start()
        wait_until(lambda: hub.heartbeats, 15)
        street.settle_in()
        wait_until(lambda: connected(street), 15)
        hub.silent = True
        campus.press("button-1", "kept-on-disk")
        wait_until(lambda: count_alarms(edge.folder / "data" / "spool.sqlite") > 0, 15)
        edge.kill()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        start_outside(edge, disk.parent / "outside.log")
        hub.silent = False
        wait_until(lambda: told(hub, "edge.spool_failed") == [True], 20, "it says that it has no disk")
        campus.press("button-2", "without-disk")
        wait_until(lambda: street.pressed()["without-disk"], 15)
        late = next(one for one in hub.items if b"without-disk" in one.data)
        assert late.age_ms >= 0, "it is live"
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        wait_until(lambda: told(hub, "edge.spool_failed") == [True, False], 25, "back on the disk")
        campus.press("button-3", "after")
        wait_until(lambda: street.pressed()["after"], 15)
        wait_until(lambda: street.pressed()["kept-on-disk"], 15, "what the disk held before came, too")
        assert set(street.pressed().values()) == {1}
        assert "Traceback" not in (disk.parent / "outside.log").read_text()
    finally:
        edge.kill()
        campus.stop()
        hub.stop()


def start_outside(edge: EdgeProcess, log: Path) -> None:
    """Start the edge with its log where it can be written."""
    with log.open("wb") as file:
        command = [sys.executable, "-c", RUN, str(edge.folder / "edge.yaml")]
        edge.process = subprocess.Popen(command, stderr=file)
