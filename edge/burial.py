"""Tombstones: dropped items are replaced, in their place, by how many there were, why, and what they held."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.contract.vocabulary import Lane

JOINED_ITEMS: Final = 1_000
"""Tombstones side by side become one up to so many items."""


class _Shape(msgspec.Struct, array_like=True, tag=2):
    """A readings item, of which only the last column is looked at: one byte for each reading."""

    edge_at: int
    series: msgspec.Raw
    index: msgspec.Raw
    observed_at: msgspec.Raw
    value: msgspec.Raw
    quality: bytes


_shapes: Final = msgspec.msgpack.Decoder(_Shape)


def count_readings(item: bytes) -> int:
    """How many readings an encoded item holds; 0 for one of events."""
    try:
        return min(len(_shapes.decode(item).quality), 0xFFFF)
    except msgspec.MsgspecError:
        return 0


def bury(
    db: sqlite3.Connection,
    place: tuple[int, Lane],
    first: int,
    readings: Sequence[int],
    reason: str,
    now_us: int,
) -> None:
    """Replace the items from `first` on, which held so many readings each, by a tombstone. It is joined with
    the one before it: dropping goes from old to new.
    """
    count = len(readings)
    packed = struct.pack(f"<{count}H", *readings) if any(readings) else b""
    db.execute(
        "DELETE FROM item WHERE epoch = ? AND lane = ? AND seq BETWEEN ? AND ?",
        (*place, first, first + count - 1),
    )
    before = db.execute(
        "SELECT first, count, readings FROM tombstone"
        " WHERE epoch = ? AND lane = ? AND first < ? AND first + count = ? AND reason = ? AND count + ? <= ?"
        " ORDER BY first DESC LIMIT 1",
        (*place, first, first, reason, count, JOINED_ITEMS),
    ).fetchone()
    if before is not None:
        first, earlier, packed_before = before
        if packed or packed_before:
            packed = (packed_before or bytes(2 * earlier)) + (packed or bytes(2 * count))
        count += earlier
    db.execute(
        "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*place, first, count, reason, now_us, packed),
    )
