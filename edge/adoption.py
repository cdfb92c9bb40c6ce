"""From one spool into another: all of what memory held, or what waits on a disk that can only be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from edge.quota import ITEM_OVERHEAD_BYTES, SHEDDABLE_RANK

_BEFORE_OURS: Final = 2**40
"""Taken off the ordinals of borrowed epochs, so that they come before our own."""


def copy_epochs(ours: sqlite3.Connection, theirs: sqlite3.Connection, epochs: Iterable[int]) -> None:
    """Copy the lanes, items and tombstones of these epochs."""
    for epoch in epochs:
        ours.executemany(
            "INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?)",
            theirs.execute("SELECT * FROM lane WHERE epoch = ?", (epoch,)),
        )
        ours.executemany(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
            theirs.execute("SELECT * FROM item WHERE epoch = ?", (epoch,)),
        )
        ours.executemany(
            "INSERT INTO tombstone VALUES (?, ?, ?, ?, ?, ?, ?)",
            theirs.execute("SELECT * FROM tombstone WHERE epoch = ?", (epoch,)),
        )


def borrow_alarms(ours: sqlite3.Connection, disk: sqlite3.Connection, most_bytes: int) -> set[int]:
    """Copy what waits on the alarm lanes, oldest first, as far as it fits; returns the epochs."""
    borrowed: set[int] = set()
    lanes = disk.execute(
        "SELECT epoch, ordinal, opened_at, assigned, cursor FROM lane JOIN epoch USING (epoch)"
        " WHERE lane = 1 AND cursor < assigned ORDER BY ordinal"
    )
    for epoch, ordinal, opened_at, assigned, cursor in lanes.fetchall():
        last, held, sheddable = assigned, 0, 0
        for item in disk.execute("SELECT * FROM item WHERE epoch = ? AND lane = 1 ORDER BY seq", (epoch,)):
            size = len(item[5]) + ITEM_OVERHEAD_BYTES
            if held + size > most_bytes:
                last = item[2] - 1
                break
            held += size
            sheddable += size if item[4] >= SHEDDABLE_RANK else 0
            ours.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", item)
        ours.executemany(
            "INSERT INTO tombstone VALUES (?, ?, ?, ?, ?, ?, ?)",
            disk.execute("SELECT * FROM tombstone WHERE epoch = ? AND lane = 1", (epoch,)),
        )
        ours.execute(
            "INSERT INTO epoch (ordinal, epoch, opened_at, began_mono_ms, began_aged_ms)"
            " VALUES (?, ?, ?, 0, 0)",
            (ordinal - _BEFORE_OURS, epoch, opened_at),
        )
        ours.executemany(
            "INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?)",
            [(epoch, 1, last, cursor, held, sheddable), (epoch, 2, 0, 0, 0, 0)],
        )
        borrowed.add(epoch)
        most_bytes -= held
        if last < assigned:
            break
    return borrowed
