"""The spool's writer: what is done is on the disk, what the disk refuses is not claimed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.contract.vocabulary import Lane
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import SystemClock
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reader import Batch, SpoolReader
from edge.shelter import Shelter
from edge.spool import Spool
from edge.writer import SpoolWriter
from tests.waiting import wait_until


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.sqlite", epoch=5, opened_at=0, budget=Budget())


@pytest.fixture
def writer(spool: Spool) -> Iterator[SpoolWriter]:
    clock = SystemClock()
    admission = Admission("demo-edge", Chattering(Rate()), Linkage("demo-edge", clock), clock)
    assert isinstance(spool.place, Path)
    writer = SpoolWriter(spool, Shelter(spool.place, spool.budget, clock), admission, lambda _: None, clock)
    writer.start()
    yield writer
    writer.stop()


def append(data: bytes, lane: Lane = Lane.ALARM, size: int = 0):  # type: ignore[no-untyped-def]
    return lambda spool: spool.append(lane, data.ljust(size, b"."), rank=0, mono_ms=0)


def read_all(path: Path, lane: Lane = Lane.ALARM) -> list[bytes]:
    reader = SpoolReader(path)
    run = reader.read(5, lane, 1, max_items=10_000, max_bytes=10**9)
    reader.close()
    return run.items if isinstance(run, Batch) else []


def test_many_appends_share_a_commit_and_are_readable_when_done(writer: SpoolWriter, tmp_path: Path) -> None:
    futures = [writer.submit(append(b"%d" % n), urgent=True) for n in range(2_000)]
    assert [future.result(10) for future in futures] == list(range(1, 2_001))
    assert read_all(tmp_path / "spool.sqlite") == [b"%d" % n for n in range(2_000)]
    assert writer.commits < 200


def test_an_alarm_passes_a_queue_of_telemetry(writer: SpoolWriter) -> None:
    gate = threading.Event()
    writer.submit(lambda spool: gate.wait(10) and None, urgent=True)
    telemetry = [
        writer.submit(append(b"t", Lane.TELEMETRY, 40_000), urgent=False, size=40_000) for _ in range(500)
    ]
    alarm = writer.submit(append(b"a"), urgent=True)
    waiting_at_alarm: list[int] = []
    alarm.add_done_callback(lambda _: waiting_at_alarm.append(sum(not one.done() for one in telemetry)))
    gate.set()
    alarm.result(10)
    for one in telemetry:
        one.result(10)
    wait_until(lambda: waiting_at_alarm)
    assert waiting_at_alarm[0] > 450, "at most a few transactions of 512 KB went first"


def test_an_operation_at_fault_is_told_so_and_the_others_go_on(writer: SpoolWriter, tmp_path: Path) -> None:
    def fail(spool: Spool) -> None:
        spool.append(Lane.ALARM, b"half", rank=0, mono_ms=0)
        raise ValueError("at fault")

    gate = threading.Event()
    writer.submit(lambda spool: gate.wait(10) and None, urgent=True)
    first = writer.submit(append(b"1"), urgent=True)
    faulty = writer.submit(fail, urgent=True)
    last = writer.submit(append(b"2"), urgent=True)
    gate.set()
    assert (first.result(10), last.result(10)) == (1, 2)
    with pytest.raises(ValueError, match="at fault"):
        faulty.result(10)
    assert read_all(tmp_path / "spool.sqlite") == [b"1", b"2"]


def test_stopping_writes_what_is_queued_and_cancels_what_is_late(writer: SpoolWriter, tmp_path: Path) -> None:
    futures = [writer.submit(append(b"%d" % n), urgent=True) for n in range(300)]
    writer.stop()
    assert all(future.done() and not future.cancelled() for future in futures)
    assert writer.submit(append(b"late"), urgent=True).cancelled()
    assert len(read_all(tmp_path / "spool.sqlite")) == 300


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_damaged_file_ends_the_writer_loudly(writer: SpoolWriter) -> None:
    def break_file(spool: Spool) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    future = writer.submit(break_file, urgent=True)
    with pytest.raises(Exception, match="damaged"):
        writer.ended.result(10)
    wait_until(future.cancelled)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_not_even_a_bug_ends_the_writer_unnoticed(writer: SpoolWriter) -> None:
    def fail(spool: Spool) -> None:
        raise KeyError("a bug")

    future = writer.submit(fail, urgent=True)
    with pytest.raises(KeyError):
        writer.ended.result(10)
    wait_until(future.cancelled)


def test_every_commit_reaches_the_disk_itself(spool: Spool) -> None:
    # No test can pull the plug; what SQLite promises under these two it keeps.
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    spool.close()
