"""What the edge has heard and the hub has not yet receipted: items on disk, by epoch, lane and sequence.

A `Spool` belongs to one thread, which begins and ends its transactions (`edge/writer.py`). What is kept
in memory beside the file is rebuilt by `roll_back`, so that a failed commit leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.contract.vocabulary import Lane
from edge.known import Known
from edge.quota import ITEM_OVERHEAD_BYTES, SHEDDABLE_RANK, Budget, find_relief
from edge.schema import open_writable

DROP_REASON: Final = "spool full"


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
class Shed:
    """How many items a relief dropped."""

    telemetry_items: int
    alarm_items: int


class Spool:
    """The writer's side of the spool file."""

    def __init__(self, path: Path, *, epoch: int, opened_at: int, budget: Budget) -> None:
        """Open the file and begin a new epoch in it (`epoch`: random, 1 … 2^63-1).

        Raises SpoolError where the file cannot be used, sqlite3.Error where it cannot be written.
        """
        self.epoch = epoch
        self.budget = budget
        self._db = open_writable(path)
        self._rows: dict[tuple[int, Lane], _Row] = {}
        self.begin()
        self._db.execute("INSERT INTO epoch (epoch, opened_at) VALUES (?, ?)", (epoch, opened_at))
        for lane in Lane:
            self._db.execute("INSERT INTO lane VALUES (?, ?, 0, 0, 0, 0)", (epoch, lane))
        self._db.execute(
            "DELETE FROM epoch WHERE epoch <> ? AND NOT EXISTS "
            "(SELECT 1 FROM lane WHERE lane.epoch = epoch.epoch AND lane.cursor < lane.assigned)",
            (epoch,),
        )
        self._db.execute("DELETE FROM lane WHERE epoch NOT IN (SELECT epoch FROM epoch)")
        self._db.execute("COMMIT")
        self.known = Known(self._db)
        self._load()

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
        """Delete what the hub holds: everything up to `cursor`. Unknown or old positions change nothing."""
        row = self._rows.get((epoch, lane))
        if row is None or min(cursor, row.assigned) <= row.cursor:
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
            "DELETE FROM tombstone WHERE epoch = ? AND lane = ? AND first + count - 1 <= ?",
            (epoch, lane, row.cursor),
        )
        if epoch != self.epoch and all(self._rows[epoch, other].complete for other in Lane):
            self._db.execute("DELETE FROM epoch WHERE epoch = ?", (epoch,))
            self._db.execute("DELETE FROM lane WHERE epoch = ?", (epoch,))
            for other in Lane:
                del self._rows[epoch, other]

    def shed(self, now_us: int) -> Shed:
        """Bring the spool back under its budget; dropped items leave tombstones in their place."""
        relief = find_relief(
            self.held_bytes(Lane.TELEMETRY),
            self.held_bytes(Lane.ALARM),
            self.sheddable_bytes(),
            self.budget,
        )
        return Shed(
            telemetry_items=self._drop(Lane.TELEMETRY, relief.telemetry_bytes, 0, now_us),
            alarm_items=self._drop(Lane.ALARM, relief.alarm_bytes, SHEDDABLE_RANK, now_us),
        )

    def held_bytes(self, lane: Lane) -> int:
        """Bytes held on a lane, over all epochs."""
        return sum(row.held_bytes for row in self._rows.values() if row.lane is lane)

    def sheddable_bytes(self) -> int:
        """Bytes of alarm items that may be dropped, over all epochs."""
        return sum(row.sheddable_bytes for row in self._rows.values())

    def marks(self) -> list[LaneMark]:
        """Every lane of every epoch that still holds something, oldest first, and the present one's."""
        return [LaneMark(row.epoch, row.lane, row.assigned, row.cursor) for row in self._rows.values()]

    def assigned(self, lane: Lane) -> int:
        """The last number given out on a lane of the present epoch."""
        return self._rows[self.epoch, lane].assigned

    def _load(self) -> None:
        self._rows = {
            (epoch, Lane(lane)): _Row(epoch, Lane(lane), *rest)
            for epoch, lane, *rest in self._db.execute(
                "SELECT lane.* FROM lane JOIN epoch USING (epoch) ORDER BY epoch.ordinal, lane.lane"
            )
        }

    def _drop(self, lane: Lane, needed_bytes: int, min_rank: int, now_us: int) -> int:
        dropped = 0
        for row in self._rows.values():
            if needed_bytes <= 0:
                break
            if row.lane is not lane or not row.held_bytes:
                continue
            runs: list[list[int]] = []
            freed = 0
            for seq, size, rank in self._db.execute(
                "SELECT seq, LENGTH(bytes) + ?, rank FROM item"
                " WHERE epoch = ? AND lane = ? AND rank >= ? ORDER BY seq",
                (ITEM_OVERHEAD_BYTES, row.epoch, lane, min_rank),
            ):
                if runs and runs[-1][1] == seq - 1:
                    runs[-1][1] = seq
                else:
                    runs.append([seq, seq])
                freed += size
                if lane is Lane.ALARM and rank >= SHEDDABLE_RANK:
                    row.sheddable_bytes -= size
                if freed >= needed_bytes:
                    break
            row.held_bytes -= freed
            row.dirty = True
            needed_bytes -= freed
            for first, last in runs:
                self._bury(row, first, last, now_us)
                dropped += last - first + 1
        return dropped

    def _bury(self, row: _Row, first: int, last: int, now_us: int) -> None:
        """Replace items by a tombstone, joined with the one before it: dropping goes from old to new."""
        place = (row.epoch, row.lane)
        self._db.execute(
            "DELETE FROM item WHERE epoch = ? AND lane = ? AND seq BETWEEN ? AND ?", (*place, first, last)
        )
        before = self._db.execute(
            "SELECT first FROM tombstone WHERE epoch = ? AND lane = ? AND first < ? AND first + count = ? "
            "ORDER BY first DESC LIMIT 1",
            (*place, first, first),
        ).fetchone()
        if before is not None:
            first = before[0]
        self._db.execute(
            "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)",
            (*place, first, last - first + 1, DROP_REASON, now_us),
        )
