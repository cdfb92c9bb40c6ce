"""The spool's file: brought up to date, adopted, bounded in bytes and age; and what a copy of it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from adapters.contract.codec import encode_payload
from adapters.contract.message import ReadingsItem
from adapters.contract.vocabulary import Lane
from edge.age import AgeMark, resume
from edge.error import SpoolError
from edge.known import ConditionKey, ConditionState
from edge.quota import Budget
from edge.reader import Batch, Dropped, SpoolReader
from edge.schema import Memory
from edge.spool import SPOOL_FULL, TOO_OLD, Drop, Spool
from edge.window import Limits, Window

DAY_MS = 86_400_000

# The tables of the first version, as edges have them that are out there.
VERSION_1 = """
CREATE TABLE epoch (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL UNIQUE, opened_at INTEGER NOT NULL
);
CREATE TABLE lane (
    epoch INTEGER NOT NULL, lane INTEGER NOT NULL, assigned INTEGER NOT NULL, cursor INTEGER NOT NULL,
    held_bytes INTEGER NOT NULL, sheddable_bytes INTEGER NOT NULL, PRIMARY KEY (epoch, lane)
) WITHOUT ROWID;
CREATE TABLE item (
    epoch INTEGER NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, mono_ms INTEGER NOT NULL,
    rank INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (epoch, lane, seq)
);
CREATE TABLE tombstone (
    epoch INTEGER NOT NULL, lane INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    reason TEXT NOT NULL, dropped_at INTEGER NOT NULL, PRIMARY KEY (epoch, lane, first)
) WITHOUT ROWID;
CREATE TABLE condition (
    device TEXT NOT NULL, address TEXT NOT NULL, kind TEXT NOT NULL, active INTEGER NOT NULL,
    observed_at INTEGER NOT NULL, PRIMARY KEY (device, address, kind)
) WITHOUT ROWID;
CREATE TABLE seen (
    ordinal INTEGER PRIMARY KEY, device TEXT NOT NULL, identity BLOB NOT NULL UNIQUE
);
CREATE INDEX seen_device ON seen (device, ordinal);
CREATE TABLE command (ordinal INTEGER PRIMARY KEY, command TEXT NOT NULL UNIQUE, state TEXT NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO epoch (epoch, opened_at) VALUES (77, 0);
INSERT INTO lane VALUES (77, 1, 3, 1, 140, 0), (77, 2, 9, 0, 384, 0);
INSERT INTO item VALUES (77, 1, 2, 500000000000, 0, x'666972652d32');
INSERT INTO item VALUES (77, 1, 3, 500000000000, 0, x'666972652d33');
INSERT INTO tombstone VALUES (77, 2, 1, 4, 'spool full', 5);
INSERT INTO condition VALUES ('panel', '1', 'fire.alarm', 1, 7);
PRAGMA user_version = 1;
"""


def open_spool(path: Path | Memory, epoch: int = 5, budget: Budget | None = None, **more: object) -> Spool:
    return Spool(path, epoch=epoch, opened_at=0, budget=budget or Budget(), **more)  # type: ignore[arg-type]


def readings(count: int, size: int = 100) -> bytes:
    name = ("x" * size, "", "")
    return encode_payload(ReadingsItem(0, [name], b"", b"", b"", bytes(count)))


def shed(spool: Spool, mono_ms: int = 0) -> list[Drop]:
    spool.begin()
    drops = spool.shed(0, mono_ms)
    spool.commit()
    return drops


def append(spool: Spool, lane: Lane, *items: bytes, rank: int = 9, mono_ms: int = 0) -> None:
    spool.begin()
    for item in items:
        spool.append(lane, item, rank=rank, mono_ms=mono_ms)
    spool.commit()


def test_a_file_of_the_first_version_is_brought_up_to_date_with_its_alarms(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
        rows = [(77, 2, n, 500_000_000_000 + n, 9, b"t") for n in range(5, 10)]
        old.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", rows)
    old.close()
    for start in range(2):
        spool = open_spool(path, 5 + start, mono_ms=10, boot="b")
        reader = SpoolReader(path)
        alarms = reader.read(77, Lane.ALARM, 2, max_items=9, max_bytes=999)
        assert isinstance(alarms, Batch) and alarms.items == [b"fire-2", b"fire-3"]
        assert reader.read(77, Lane.TELEMETRY, 1, max_items=9, max_bytes=999) == Dropped(1, 4, "spool full", 5)
        known = spool.known.condition(ConditionKey("panel", "1", "fire.alarm"))
        assert known == ConditionState(True, 7)
        assert shed(spool, mono_ms=20) == [], "an age that nobody counted drops nothing"
        reader.close()
        spool.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    open_spool(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 9")
    later.close()
    with pytest.raises(SpoolError, match="schema 9; this program knows 2"):
        open_spool(path)


def test_a_tenth_of_the_budget_is_kept_for_alarms(tmp_path: Path) -> None:
    budget = Budget(1_000_000)
    spool = open_spool(tmp_path / "spool.sqlite", budget=budget)
    append(spool, Lane.TELEMETRY, *[bytes(936)] * 1_200)
    drops = shed(spool)
    assert [(drop.lane, drop.reason) for drop in drops] == [(Lane.TELEMETRY, SPOOL_FULL)]
    assert 850_000 < spool.held_bytes(Lane.TELEMETRY) <= 900_000
    append(spool, Lane.TELEMETRY, *[bytes(936)] * ((900_000 - spool.held_bytes(Lane.TELEMETRY)) // 1_000))
    append(spool, Lane.ALARM, *[bytes(936)] * 100, rank=3)
    assert shed(spool) == [], "its tenth was free for them"
    append(spool, Lane.ALARM, *[bytes(936)] * 10, rank=3)
    assert {drop.lane for drop in shed(spool)} == {Lane.TELEMETRY}
    append(spool, Lane.ALARM, *[bytes(936)] * 1_500, rank=3)
    append(spool, Lane.ALARM, *[bytes(936)] * 100, rank=1)
    for _ in range(10):
        shed(spool)
    assert spool.held_bytes(Lane.TELEMETRY) == 0
    assert 900_000 < spool.held_bytes(Lane.ALARM) <= 1_000_000
    spool.close()


def test_telemetry_is_kept_seven_days_of_the_machines_own_time(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path, 5, mono_ms=0, boot="first")
    append(spool, Lane.TELEMETRY, readings(3), mono_ms=0)
    append(spool, Lane.ALARM, b"old alarm", rank=0, mono_ms=0)
    append(spool, Lane.TELEMETRY, readings(4), mono_ms=5 * DAY_MS)
    assert shed(spool, 6 * DAY_MS) == []
    spool.close()
    # The edge was down for a day, the machine was not.
    spool = open_spool(path, 6, mono_ms=7 * DAY_MS + 1, boot="first")
    assert shed(spool, 7 * DAY_MS + 20_000) == [Drop(Lane.TELEMETRY, TOO_OLD, 1, 3)]
    spool.close()
    # The machine was off, nobody knows how long; its clock begins again.
    spool = open_spool(path, 7, mono_ms=1_000, boot="second")
    assert shed(spool, 4 * DAY_MS) == []
    assert shed(spool, 5 * DAY_MS + 20_000) == [Drop(Lane.TELEMETRY, TOO_OLD, 1, 4)]
    assert spool.dropped[Lane.TELEMETRY, TOO_OLD] == Drop(Lane.TELEMETRY, TOO_OLD, 2, 7)
    reader = SpoolReader(path)
    alarm = reader.read(5, Lane.ALARM, 1, max_items=1, max_bytes=1)
    assert isinstance(alarm, Batch), "an alarm is never too old"
    reader.close()
    spool.close()


def test_the_age_clock_counts_what_is_sure_and_no_more() -> None:
    assert resume(None, 500, "a") == AgeMark(0, 500, "a")
    assert resume(AgeMark(100, 500, "a"), 700, "a") == AgeMark(300, 700, "a")
    assert resume(AgeMark(100, 500, "a"), 30, "b") == AgeMark(130, 30, "b"), "at least since the boot"
    assert resume(AgeMark(100, 500, ""), 30, "b") == AgeMark(100, 30, "b")
    assert resume(AgeMark(100, 500, "a"), 400, "a") == AgeMark(100, 400, "a"), "it never goes back"


def test_a_disk_adopts_what_memory_held_with_its_tombstones_counts_and_receipts(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    disk = open_spool(path, 5)
    append(disk, Lane.ALARM, b"a-1", b"a-2", rank=0)
    memory = open_spool(Memory("adopted"), 6, Budget(20_000))
    for _ in range(20):
        append(memory, Lane.TELEMETRY, readings(7, 1_400))
        shed(memory)
    append(memory, Lane.ALARM, b"m-1", rank=0)
    memory.begin()
    memory.take_receipt(5, Lane.ALARM, 1)
    memory.commit()
    gone = memory.dropped[Lane.TELEMETRY, SPOOL_FULL]
    assert gone.items > 3 and gone.readings == 7 * gone.items
    disk.close()
    back = open_spool(path, 7, adopt=memory)
    memory.close()
    assert back.dropped == {(Lane.TELEMETRY, SPOOL_FULL): gone}
    marks = [(mark.epoch, mark.assigned, mark.cursor) for mark in back.marks() if mark.lane is Lane.ALARM]
    assert marks == [(5, 2, 1), (6, 1, 0), (7, 0, 0)]
    reader = SpoolReader(path)
    first = reader.read(6, Lane.TELEMETRY, 1, max_items=50, max_bytes=10**6)
    assert isinstance(first, Dropped) and first.count == gone.items and len(first.readings) == 2 * gone.items
    rest = reader.read(6, Lane.TELEMETRY, first.last + 1, max_items=50, max_bytes=10**6)
    assert isinstance(rest, Batch) and rest.last == 20
    reader.close()
    back.close()


def test_an_older_copy_is_found_out_even_when_it_held_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = open_spool(path, 5)
    append(spool, Lane.ALARM, b"a-1", rank=0)
    spool.begin()
    spool.take_receipt(5, Lane.ALARM, 1)
    spool.commit()
    spool.close()  # this is what the copy is; the original went on to number 9
    for epoch in (6, 7, 8):
        spool = open_spool(path, epoch)
        window = Window(epoch, spool.marks(), Limits())
        spool.close()
    window.connect()
    asked = {(status.epoch, status.lane) for status in window.statuses()}
    assert (5, int(Lane.ALARM)) in asked, "the hub is asked even some starts later"
    assert window.take_receipt([(5, 1, 1), (5, 2, 0), (6, 1, 0), (6, 2, 0)], 0) == []
    assert not window.older_copy
    assert {status.epoch for status in window.statuses()} == {7, 8}, "asked once"
    other = Window(8, spool_marks(path), Limits())
    other.connect()
    other.take_receipt([(5, 1, 9)], 0)
    assert other.older_copy


def spool_marks(path: Path) -> list:  # type: ignore[type-arg]
    spool = open_spool(path, 9)
    marks = spool.marks()
    spool.close()
    return [mark for mark in marks if mark.epoch != 9]
