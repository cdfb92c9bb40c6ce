"""What the edge has heard and the hub has not yet receipted: items by epoch, lane and sequence, on disk.

A `Spool` belongs to one thread, which begins and ends its transactions (`edge/writer.py`). What is kept
in memory beside the file is rebuilt by `roll_back`, so that a failed commit leaves nothing behind.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from adapters.contract.vocabulary import Lane
from edge.adoption import borrow_alarms, copy_epochs
from edge.age import AgeMark, resume
from edge.burial import bury, count_readings
from edge.known import Known
from edge.quota import ITEM_OVERHEAD_BYTES, MOST_AT_ONCE, SHEDDABLE_RANK, Budget, find_relief
from edge.schema import Place, open_writable

SPOOL_FULL: Final = "spool full"
DISK_FULL: Final = "disk full"
TOO_OLD: Final = "too old"
EPOCHS_KEPT: Final = 8
_AGED_EVERY_MS: Final = 10_000
_AGED_AT_ONCE: Final = 2_000
_NOTE_AGE_EVERY_MS: Final = 60_000
_AGE_NOTE: Final = "age"


@dataclass(frozen=True, slots=True)
class LaneMark:
    """Where one lane of one epoch stands: last number given out, last number receipted."""

    epoch: int
    lane: Lane
    assigned: int
    cursor: int


@dataclass(slots=True)
class _Row:
    epoch: int
    lane: Lane
    assigned: int = 0
    cursor: int = 0
    held_bytes: int = 0
    sheddable_bytes: int = 0
    dirty: bool = False

    @property
    def complete(self) -> bool:
        return self.cursor >= self.assigned


@dataclass(frozen=True, slots=True)
class Drop:
    """Items of a lane that were dropped for one reason, and the readings in them."""

    lane: Lane
    reason: str
    items: int
    readings: int


class Spool:
    """The writer's side of a spool."""

    def __init__(
        self,
        place: Place,
        *,
        epoch: int,
        opened_at: int,
        budget: Budget,
        mono_ms: int = 0,
        boot: str = "",
        adopt: Spool | None = None,
    ) -> None:
        """Open the spool and begin a new epoch in it (`epoch`: random, 1 … 2^63-1) at `mono_ms` of this `boot`.
        All that another spool holds, which took this one's place meanwhile, can be adopted with it.

        Raises SpoolError where the file cannot be used, sqlite3.Error where it cannot be written.
        """
        self.place = place
        self.epoch = epoch
        self.budget = budget
        self.dropped: dict[tuple[Lane, str], Drop] = {}
        """What was ever dropped from this spool, by lane and reason."""
        self._db = open_writable(place)
        self._rows: dict[tuple[int, Lane], _Row] = {}
        self._began: dict[int, AgeMark] = {}
        self._aged_check_ms = mono_ms
        self._age_noted_ms = mono_ms
        self._foreign: dict[tuple[int, Lane], int] = {}
        """Receipts for what another spool holds, which may adopt this one."""
        self._borrowed: set[int] = set()
        try:
            self.begin()
            last = self._read_age()
            if adopt is not None:
                last = self._adopt(adopt, last)
            self._age = resume(last, mono_ms, boot)
            self._begin_epoch(opened_at)
            self._db.execute("COMMIT")
            self.known = Known(self._db)
            self._load()
        except BaseException:
            self._db.close()
            raise

    def begin(self) -> None:
        """Begin a transaction; everything below that writes needs one."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End the transaction; on return everything in it is on the disk."""
        for row in self._rows.values():
            if row.dirty:
                self._db.execute(
                    "UPDATE lane SET assigned = ?, cursor = ?, held_bytes = ?, sheddable_bytes = ? "
                    "WHERE epoch = ? AND lane = ?",
                    (row.assigned, row.cursor, row.held_bytes, row.sheddable_bytes, row.epoch, row.lane),
                )
        self._db.execute("COMMIT")
        for row in self._rows.values():
            row.dirty = False

    def roll_back(self) -> None:
        """Forget the transaction, in the file and in memory."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._load()
        self.known.reload()

    def close(self) -> None:
        self._db.close()

    def limit_pages(self, pages: int, log_pages: int) -> None:
        """Let the file not grow beyond so many pages (what it has already stays), and its log be brought into
        it when it has so many.
        """
        self._db.execute(f"PRAGMA max_page_count = {pages}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {log_pages}")

    def count_pages(self) -> int:
        """How many pages the file has."""
        return int(self._db.execute("PRAGMA page_count").fetchone()[0])

    def reuse_log(self) -> None:
        """Bring the log into the file, so that the log's own room on the disk is used again."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def append(self, lane: Lane, data: bytes, *, rank: int, mono_ms: int) -> int:
        """Give an item the next number of its lane in this epoch and keep it; returns the number."""
        row = self._rows[self.epoch, lane]
        row.assigned += 1
        row.dirty = True
        size = len(data) + ITEM_OVERHEAD_BYTES
        row.held_bytes += size
        if lane is Lane.ALARM and rank >= SHEDDABLE_RANK:
            row.sheddable_bytes += size
        self._db.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", (self.epoch, lane, row.assigned, mono_ms, rank, data)
        )
        return row.assigned

    def take_receipt(self, epoch: int, lane: Lane, cursor: int) -> None:
        """Delete what the hub holds: everything up to `cursor`. Unknown or old positions change nothing;
        unknown ones are kept for the spool that adopts this one.
        """
        row = self._rows.get((epoch, lane))
        if row is None:
            self._foreign[epoch, lane] = max(cursor, self._foreign.get((epoch, lane), 0))
            return
        if min(cursor, row.assigned) <= row.cursor:
            return
        row.cursor = min(cursor, row.assigned)
        row.dirty = True
        held, sheddable = self._db.execute(
            "SELECT COALESCE(SUM(size), 0), COALESCE(SUM(size * (rank >= ?)), 0) FROM"
            " (SELECT LENGTH(bytes) + ? AS size, rank FROM item WHERE epoch = ? AND lane = ? AND seq <= ?)",
            (SHEDDABLE_RANK, ITEM_OVERHEAD_BYTES, epoch, lane, row.cursor),
        ).fetchone()
        row.held_bytes -= held
        if lane is Lane.ALARM:
            row.sheddable_bytes -= sheddable
        self._db.execute(
            "DELETE FROM item WHERE epoch = ? AND lane = ? AND seq <= ?", (epoch, lane, row.cursor)
        )
        self._db.execute(
            "DELETE FROM tombstone WHERE epoch = ? AND lane = ? AND first <= ? AND first + count - 1 <= ?",
            (epoch, lane, row.cursor, row.cursor),
        )
        if epoch in self._borrowed:
            self._foreign[epoch, lane] = row.cursor
        if epoch != self.epoch and all(self._rows[epoch, other].complete for other in Lane):
            self._db.execute("DELETE FROM epoch WHERE epoch = ?", (epoch,))
            self._db.execute("DELETE FROM lane WHERE epoch = ?", (epoch,))
            for other in Lane:
                del self._rows[epoch, other]

    def shed(self, now_us: int, mono_ms: int) -> list[Drop]:
        """Bring the spool back under its budget, in bytes and in age; dropped items leave tombstones."""
        relief = find_relief(
            self.held_bytes(Lane.TELEMETRY),
            self.held_bytes(Lane.ALARM),
            self.sheddable_bytes(),
            self.budget,
        )
        drops = self._drop(Lane.TELEMETRY, relief.telemetry_bytes, SPOOL_FULL, now_us)
        drops += self._drop(Lane.ALARM, relief.alarm_bytes, SPOOL_FULL, now_us)
        if mono_ms >= self._aged_check_ms:
            aged = self._drop_aged(now_us, mono_ms)
            self._aged_check_ms = mono_ms if aged else mono_ms + _AGED_EVERY_MS
            drops += aged
        if mono_ms - self._age_noted_ms >= _NOTE_AGE_EVERY_MS:
            self._note_age(mono_ms)
        return drops

    def squeeze(self, needed_bytes: int, now_us: int) -> list[Drop]:
        """Drop the oldest so that its room in the file can be used again: the disk has none left. Telemetry;
        only where there is none, alarms of medium and low priority.
        """
        lane = Lane.TELEMETRY if self.held_bytes(Lane.TELEMETRY) else Lane.ALARM
        return self._drop(lane, needed_bytes, DISK_FULL, now_us)

    def borrow(self, disk: sqlite3.Connection) -> None:
        """Hold what waits on the alarm lane of a spool that can only be read, too, and know what it knows. The
        disk keeps it: it is told what was receipted when it adopts this spool.
        """
        self.known.take_over(disk, _AGE_NOTE)
        self._borrowed = borrow_alarms(self._db, disk, self.budget.total_bytes // 2)
        self._load()

    def held_bytes(self, lane: Lane) -> int:
        """Bytes held on a lane, over all epochs."""
        return sum(row.held_bytes for row in self._rows.values() if row.lane is lane)

    def sheddable_bytes(self) -> int:
        """Bytes of alarm items that may be dropped, over all epochs."""
        return sum(row.sheddable_bytes for row in self._rows.values())

    def marks(self) -> list[LaneMark]:
        """Every lane of every epoch that still holds something, oldest first, and those of the last epochs:
        what the hub says of them tells an older copy of this spool.
        """
        return [LaneMark(row.epoch, row.lane, row.assigned, row.cursor) for row in self._rows.values()]

    def assigned(self, lane: Lane) -> int:
        """The last number given out on a lane of the present epoch."""
        return self._rows[self.epoch, lane].assigned

    def cursor(self, lane: Lane) -> int:
        """The last number receipted on a lane of the present epoch."""
        return self._rows[self.epoch, lane].cursor

    def _load(self) -> None:
        self._rows = {
            (epoch, Lane(lane)): _Row(epoch, Lane(lane), *rest)
            for epoch, lane, *rest in self._db.execute(
                "SELECT lane.* FROM lane JOIN epoch USING (epoch) ORDER BY epoch.ordinal, lane.lane"
            )
        }
        self._began = {
            epoch: AgeMark(aged, mono)
            for epoch, aged, mono in self._db.execute("SELECT epoch, began_aged_ms, began_mono_ms FROM epoch")
        }
        self.dropped = {
            (Lane(lane), reason): Drop(Lane(lane), reason, items, readings)
            for lane, reason, items, readings in self._db.execute("SELECT * FROM dropped")
        }

    def _begin_epoch(self, opened_at: int) -> None:
        self._db.execute(
            "INSERT INTO epoch (epoch, opened_at, began_mono_ms, began_aged_ms) VALUES (?, ?, ?, ?)",
            (self.epoch, opened_at, self._age.mono_ms, self._age.aged_ms),
        )
        for lane in Lane:
            self._db.execute("INSERT INTO lane VALUES (?, ?, 0, 0, 0, 0)", (self.epoch, lane))
        # The last ones stay even when they are done with: an older copy of the spool is found out by them.
        self._db.execute(
            "DELETE FROM epoch WHERE ordinal < (SELECT MAX(ordinal) FROM epoch) - ? AND NOT EXISTS"
            " (SELECT 1 FROM lane WHERE lane.epoch = epoch.epoch AND lane.cursor < lane.assigned)",
            (EPOCHS_KEPT,),
        )
        self._db.execute("DELETE FROM lane WHERE epoch NOT IN (SELECT epoch FROM epoch)")
        self._note_age(self._age.mono_ms)

    def _read_age(self) -> AgeMark | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_AGE_NOTE,)).fetchone()
        return None if row is None else AgeMark(*json.loads(row[0]))

    def _note_age(self, mono_ms: int) -> None:
        self._age_noted_ms = mono_ms
        noted = [self._age.at(mono_ms), mono_ms, self._age.boot]
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_AGE_NOTE, json.dumps(noted)))

    def _adopt(self, other: Spool, last: AgeMark | None) -> AgeMark:
        """Take over all that another spool holds, its epochs behind those here; returns the age clock then."""
        theirs = other._db
        age = last
        own = theirs.execute("SELECT epoch, opened_at, began_mono_ms FROM epoch ORDER BY ordinal").fetchall()
        own = [row for row in own if row[0] not in other._borrowed]
        for epoch, opened_at, mono_ms in own:
            age = resume(age, mono_ms, other._age.boot)
            self._db.execute(
                "INSERT INTO epoch (epoch, opened_at, began_mono_ms, began_aged_ms) VALUES (?, ?, ?, ?)",
                (epoch, opened_at, mono_ms, age.aged_ms),
            )
        copy_epochs(self._db, theirs, [epoch for epoch, _, _ in own])
        Known(self._db).take_over(theirs, _AGE_NOTE)
        self._load()
        for drop in other.dropped.values():
            self._count(drop)
        for (epoch, lane), cursor in other._foreign.items():
            self.take_receipt(epoch, lane, cursor)
        for row in self._rows.values():
            self._db.execute(
                "UPDATE lane SET cursor = ?, held_bytes = ?, sheddable_bytes = ? WHERE epoch = ? AND lane = ?",
                (row.cursor, row.held_bytes, row.sheddable_bytes, row.epoch, row.lane),
            )
        assert age is not None, "a spool has at least its own epoch"
        return age

    def _drop(self, lane: Lane, needed_bytes: int, reason: str, now_us: int) -> list[Drop]:
        """Drop the oldest of a lane that may go, of all epochs, until so many bytes are free."""
        drops = []
        for row in self._rows.values():
            if needed_bytes <= 0:
                break
            if row.lane is lane and row.held_bytes:
                before = row.held_bytes
                drops += self._drop_rows(row, self._read_droppable(row), needed_bytes, reason, now_us)
                needed_bytes -= before - row.held_bytes
        return drops

    def _drop_aged(self, now_us: int, mono_ms: int) -> list[Drop]:
        limit = self._age.at(mono_ms) - self.budget.telemetry_age_ms
        drops: list[Drop] = []
        for row in self._rows.values():
            if row.lane is Lane.TELEMETRY and row.held_bytes:
                began = self._began[row.epoch]
                aged = self._read_aged(row.epoch, began.mono_ms + limit - began.aged_ms)
                drops += self._drop_rows(row, aged, MOST_AT_ONCE, TOO_OLD, now_us)
        return drops

    def _read_aged(self, epoch: int, until_ms: int) -> Iterator[tuple[int, int, bytes]]:
        oldest = "SELECT mono_ms, seq, rank, bytes FROM item WHERE epoch = ? AND lane = 2 ORDER BY seq LIMIT ?"
        for mono_ms, seq, rank, data in self._db.execute(oldest, (epoch, _AGED_AT_ONCE)):
            if mono_ms >= until_ms:
                return
            yield seq, rank, data

    def _read_droppable(self, row: _Row) -> sqlite3.Cursor:
        which = "SELECT seq, rank, bytes FROM item WHERE epoch = ? AND lane = 1 AND rank >= 2 ORDER BY seq"
        if row.lane is Lane.TELEMETRY:
            which = "SELECT seq, rank, bytes FROM item WHERE epoch = ? AND lane = 2 ORDER BY seq"
        return self._db.execute(which, (row.epoch,))

    def _drop_rows(
        self, row: _Row, items: Iterable[tuple[int, int, bytes]], needed_bytes: int, reason: str, now_us: int
    ) -> list[Drop]:
        """Drop the first of these items of one lane until so many bytes are free."""
        runs: list[tuple[int, list[int]]] = []
        freed = 0
        for seq, rank, data in items:
            held = count_readings(data) if row.lane is Lane.TELEMETRY else 0
            if runs and runs[-1][0] + len(runs[-1][1]) == seq:
                runs[-1][1].append(held)
            else:
                runs.append((seq, [held]))
            size = len(data) + ITEM_OVERHEAD_BYTES
            freed += size
            if row.lane is Lane.ALARM and rank >= SHEDDABLE_RANK:
                row.sheddable_bytes -= size
            if freed >= needed_bytes:
                break
        if not runs:
            return []
        row.held_bytes -= freed
        row.dirty = True
        for first, readings in runs:
            bury(self._db, (row.epoch, row.lane), first, readings, reason, now_us)
        total = sum(sum(readings) for _, readings in runs)
        drop = Drop(row.lane, reason, sum(len(readings) for _, readings in runs), total)
        self._count(drop)
        return [drop]

    def _count(self, drop: Drop) -> None:
        before = self.dropped.get((drop.lane, drop.reason), Drop(drop.lane, drop.reason, 0, 0))
        after = Drop(drop.lane, drop.reason, before.items + drop.items, before.readings + drop.readings)
        self.dropped[drop.lane, drop.reason] = after
        self._db.execute(
            "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?)",
            (after.lane, after.reason, after.items, after.readings),
        )
