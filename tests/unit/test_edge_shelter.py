"""A disk that refuses: nothing is claimed that is not kept, alarms go on by way of the hub's receipts."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from adapters.contract.codec import decode_item
from adapters.contract.message import EventItem
from adapters.contract.vocabulary import Lane
from edge import schema, writer
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import SystemClock
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reader import Batch, Dropped, SpoolReader
from edge.shelter import Shelter
from edge.spool import Spool
from edge.writer import SpoolWriter
from tests.waiting import wait_until

KB = 1024


class House:
    """A writer on a disk, and what a hub would read of it."""

    def __init__(self, folder: Path, total_bytes: int = 64 * KB * KB) -> None:
        self.path = folder / "spool.sqlite"
        clock = SystemClock()
        self.shelter = Shelter(self.path, Budget(total_bytes), clock)
        self.spool, self.replaced = self.shelter.open_first()
        self.spools = [self.spool]
        self.readers = [SpoolReader(self.spool.place)]
        self.shelter.on_epoch = self.follow
        admission = Admission("demo-edge", Chattering(Rate()), Linkage("demo-edge", clock), clock)
        self.writer = SpoolWriter(self.spool, self.shelter, admission, lambda _: None, clock)
        self.writer.start()

    def follow(self, spool: Spool) -> None:
        if spool is not self.spools[-1]:
            self.spools.append(spool)
            self.readers.append(SpoolReader(spool.place))

    def append(self, name: str, lane: Lane = Lane.ALARM, size: int = 0, rank: int = 0) -> Future[int]:
        data = name.encode().ljust(size, b".")
        urgent = lane is Lane.ALARM
        return self.writer.submit(
            lambda spool: spool.append(lane, data, rank=rank, mono_ms=0), urgent=urgent, size=size
        )

    def receipt(self, lane: Lane, cursor: int) -> None:
        epoch = self.spools[-1].epoch
        self.writer.submit(lambda spool: spool.take_receipt(epoch, lane, cursor), urgent=True)

    def read(self, lane: Lane = Lane.ALARM, spool: int = -1) -> list[bytes | Dropped]:
        """All that a lane of an epoch holds, through the newest reader of its place."""
        found: list[bytes | Dropped] = []
        place = 1
        place_of = self.spools[spool].place
        reader = [
            reader for reader, each in zip(self.readers, self.spools, strict=True) if each.place == place_of
        ][-1]
        while True:
            run = reader.read(self.spools[spool].epoch, lane, place, max_items=1_000, max_bytes=10**8)
            if run is None:
                return found
            found += run.items if isinstance(run, Batch) else [run]
            place = run.last + 1

    def told(self, spool: int = -1) -> list[tuple[str, bool | None]]:
        told = []
        for data in self.read(spool=spool):
            if isinstance(data, bytes) and data[0] >= 0x80:
                item = decode_item(data)
                assert isinstance(item, EventItem)
                told += [(event.kind, event.active) for event in item.events]
        return told

    def names(self, spool: int = -1) -> list[str]:
        return [
            data.rstrip(b".").decode()
            for data in self.read(spool=spool)
            if isinstance(data, bytes) and data[0] < 0x80
        ]

    def close(self) -> None:
        self.writer.stop()
        for reader in self.readers:
            reader.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SHELTER_AFTER_MS", 300)
    monkeypatch.setattr(writer, "PROBE_MS", (300,))
    monkeypatch.setattr(writer, "ROOM_MS", 300)
    monkeypatch.setattr(schema, "BUSY_S", 0.1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def refuse(house: House) -> Callable[[], None]:
    """Another program holds the spool's file for itself; returns what ends that."""
    other = sqlite3.connect(house.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def test_a_refusing_disk_claims_nothing_and_alarms_are_settled_by_the_hubs_receipt(house: House) -> None:
    house.append("before").result(5)
    release = refuse(house)
    alarm, reading = house.append("alarm"), house.append("reading", Lane.TELEMETRY, 100)
    wait_until(lambda: house.writer.sheltered, 5, "memory takes the disk's place")
    wait_until(lambda: "alarm" in house.names(), 5, "the hub can be sent it")
    wait_until(lambda: house.read(Lane.TELEMETRY), 5)
    assert ("edge.spool_failed", True) in house.told()
    assert not alarm.done() and not reading.done(), "memory is no promise"
    house.receipt(Lane.ALARM, 2)
    alarm.result(5)
    assert not reading.done()
    house.receipt(Lane.TELEMETRY, 1)
    reading.result(5)
    waiting = house.append("unreceipted")
    wait_until(lambda: "unreceipted" in house.names(), 5)
    release()
    waiting.result(5)
    assert not house.writer.sheltered, "back on the disk, which holds it now"
    assert house.names(0) == ["before"] and house.names(1) == ["unreceipted"]
    wait_until(lambda: house.told(2) == [("edge.spool_failed", False)], 5)
    house.append("after").result(5)
    assert house.names(2) == ["after"]
    assert len({spool.epoch for spool in house.spools}) == 3
    house.close()
    again = House(house.path.parent)
    marks = [(mark.epoch, mark.assigned) for mark in again.spool.marks() if mark.lane is Lane.ALARM]
    assert [epoch for epoch, _ in marks[:3]] == [spool.epoch for spool in house.spools], "in their order"
    again.close()


def test_what_was_known_is_known_in_memory_and_back_on_the_disk(house: House) -> None:
    def know(identity: str, active: bool) -> Callable[[Spool], tuple[bool, bool]]:
        from edge.known import ConditionKey, ConditionState

        key = ConditionKey("door-1", "", "door.opened")

        def operation(spool: Spool) -> tuple[bool, bool]:
            before = spool.known.condition(key)
            seen = spool.known.has_seen(key, identity)
            spool.known.remember_seen(key, identity)
            spool.known.set_condition(key, ConditionState(active, 1))
            return seen, before is not None and before.active

        return operation

    def submit(identity: str, active: bool) -> tuple[bool, bool]:
        return house.writer.submit(know(identity, active), urgent=True, durable=False).result(5)

    take = house.writer.submit(lambda spool: spool.known.take_command("c-1", "accepted"), urgent=True)
    assert take.result(5)
    assert submit("one", True) == (False, False)
    release = refuse(house)
    house.append("alarm")
    wait_until(lambda: house.writer.sheltered, 5)
    assert submit("one", True) == (True, True)
    assert submit("two", False) == (False, True)
    again = house.writer.submit(
        lambda spool: (
            spool.known.take_command("c-1", "accepted"),
            spool.known.take_command("c-2", "accepted"),
        ),
        urgent=True,
        durable=False,
    )
    assert again.result(5) == (False, True)
    release()
    wait_until(lambda: not house.writer.sheltered, 5)
    assert submit("two", True) == (True, False)
    assert not house.writer.submit(
        lambda spool: spool.known.take_command("c-2", "accepted"), urgent=True
    ).result(5)


def test_an_edge_begins_without_its_disk_and_takes_to_it_later(tmp_path: Path) -> None:
    first = House(tmp_path)
    first.append("old").result(5)
    first.close()
    hidden = tmp_path / "elsewhere"
    hidden.mkdir()
    for part in tmp_path.glob("spool.sqlite*"):
        part.rename(hidden / part.name)
    (tmp_path / "spool.sqlite").mkdir()  # what stands there can be no file
    house = House(tmp_path)
    assert house.writer.sheltered
    alarm = house.append("alarm")
    wait_until(lambda: house.names() == ["alarm"], 5)
    assert house.told() == [("edge.spool_failed", True)] and not alarm.done()
    (tmp_path / "spool.sqlite").rmdir()
    for part in hidden.iterdir():
        part.rename(tmp_path / part.name)
    alarm.result(5)
    marks = [mark for mark in house.spools[-1].marks() if mark.lane is Lane.ALARM]
    assert [mark.epoch for mark in marks] == [first.spool.epoch, house.spools[0].epoch, house.spools[1].epoch]
    house.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "none", folder]).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Another program takes all that is left on the disk."""
    other = folder / "others"
    with other.open("wb", buffering=0) as file:
        for size in (256 * KB, KB):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return other


def test_a_disk_that_others_filled_still_takes_alarms_and_the_newest_telemetry(small_disk: Path) -> None:
    house = House(small_disk, 16 * KB * KB)
    for n in range(20):
        house.append(f"old-{n}", Lane.TELEMETRY, 40 * KB, 9).result(5)
    fill(small_disk)
    for n in range(60):
        house.append(f"new-{n}", Lane.TELEMETRY, 40 * KB, 9).result(10)
        house.append(f"alarm-{n}", size=5 * KB).result(10)
    assert not house.writer.sheltered, "all of it is on the disk"
    assert [name for name in house.names() if name.startswith("alarm")] == [f"alarm-{n}" for n in range(60)]
    telemetry = house.read(Lane.TELEMETRY)
    dropped = [each for each in telemetry if isinstance(each, Dropped)]
    assert {each.reason for each in dropped} == {"disk full"}
    assert sum(each.count for each in dropped) + len(telemetry) - len(dropped) == 80
    assert isinstance(telemetry[-1], bytes) and telemetry[-1].startswith(b"new-59"), "the oldest went"
    assert house.writer.dropped["telemetry_disk_full"] == sum(each.count for each in dropped)
    assert ("edge.spool_dropping", True) in house.told()
    house.close()


def test_when_the_disk_has_room_again_the_reserve_is_held_again(small_disk: Path) -> None:
    house = House(small_disk, 16 * KB * KB)
    reserve = small_disk / "spool.reserve"
    assert reserve.stat().st_blocks * 512 == 2 * KB * KB
    other = fill(small_disk)
    wait_until(lambda: house.append("alarm", size=50 * KB).result(10) and not reserve.exists(), 20)
    assert house.shelter.room.tight
    other.unlink()
    wait_until(reserve.exists, 5)
    wait_until(lambda: not house.shelter.room.tight, 5)
    for n in range(40):
        house.append(f"new-{n}", Lane.TELEMETRY, 40 * KB, 9).result(5)
    house.close()


def test_a_disk_full_of_alarms_only_is_left_for_memory(small_disk: Path) -> None:
    house = House(small_disk, 16 * KB * KB)
    fill(small_disk)
    waiting: list[Future[int]] = []
    wait_until(
        lambda: waiting.append(house.append(f"alarm-{len(waiting)}", size=20 * KB)) or house.writer.sheltered,
        20,
        poll_s=0.01,
    )
    on_disk = sum(future.done() for future in waiting)
    assert on_disk > 30, "the reserve was for them"
    names = house.names(0)
    assert len(names) == on_disk, "what is claimed is there, and nothing more"
    total = len(waiting)
    wait_until(lambda: len(house.names()) == total - on_disk, 5, "the others can be sent")
    house.receipt(Lane.ALARM, total + 10)
    for future in waiting:
        future.result(5)
    house.close()


def test_a_file_may_not_grow_beyond_a_limit_of_the_system(tmp_path: Path) -> None:
    """RLIMIT_FSIZE gives another error than a full disk; nothing that is claimed may be lost over it."""
    program = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.unit.test_edge_shelter import House, KB, Lane
house = House(Path({str(tmp_path)!r}), 16 * KB * KB)
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * KB * KB, 3 * KB * KB))
for n in range(150):
    house.append(f"reading-{{n}}", Lane.TELEMETRY, 40 * KB, 9).result(10)
    house.append(f"alarm-{{n}}", size=1 * KB).result(10)
assert not house.writer.sheltered
assert [n for n in house.names() if n.startswith("alarm")] == [f"alarm-{{n}}" for n in range(150)]
house.close()
"""
    import sys

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2_000:]


def test_a_new_files_name_is_synced_into_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = schema.os.fsync

    def note(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(schema.os, "fsync", note)
    Spool(tmp_path / "spool.sqlite", epoch=5, opened_at=0, budget=Budget()).close()
    assert str(tmp_path) in synced
