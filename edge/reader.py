"""The uplink's side of the spool file: read-only, on a connection of its own, never behind a commit."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from adapters.contract.vocabulary import Lane
from edge.schema import Place, open_readable

MISSING_REASON: Final = "missing in the spool"


@dataclass(frozen=True, slots=True)
class Batch:
    """Items `first`, `first+1`, … with the monotonic time (ms) at which each was stored."""

    first: int
    mono_ms: list[int]
    items: list[bytes]

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """Items `first … first+count-1` are no longer there, with the reason; `readings`: two bytes for each item,
    as in the contract's Tombstone.
    """

    first: int
    count: int
    reason: str
    dropped_at: int
    readings: bytes = b""

    @property
    def last(self) -> int:
        return self.first + self.count - 1


class SpoolReader:
    """Reads runs of items in order. One thread."""

    def __init__(self, place: Place) -> None:
        self._db: sqlite3.Connection = open_readable(place)

    def read(
        self, epoch: int, lane: Lane, first: int, *, max_items: int, max_bytes: int
    ) -> Batch | Dropped | None:
        """The run that begins at `first`: at least one item and at most the limits, or a dropped range.

        None where nothing at or above `first` is stored. A hole that no tombstone explains (a damaged
        file) is returned as dropped, because a lane must never stand still for it.
        """
        mono_ms: list[int] = []
        items: list[bytes] = []
        size = 0
        upcoming: int | None = None
        for seq, mono, data in self._db.execute(
            "SELECT seq, mono_ms, bytes FROM item WHERE epoch = ? AND lane = ? AND seq >= ? "
            "ORDER BY seq LIMIT ?",
            (epoch, lane, first, max_items),
        ):
            upcoming = seq
            if seq != first + len(items) or (items and size + len(data) > max_bytes):
                break
            mono_ms.append(mono)
            items.append(data)
            size += len(data)
        if items:
            return Batch(first, mono_ms, items)
        return self._read_tombstone(epoch, lane, first, upcoming)

    def close(self) -> None:
        self._db.close()

    def _read_tombstone(self, epoch: int, lane: Lane, first: int, upcoming: int | None) -> Dropped | None:
        row = self._db.execute(
            "SELECT first, count, reason, dropped_at, readings FROM tombstone "
            "WHERE epoch = ? AND lane = ? AND first + count > ? ORDER BY first LIMIT 1",
            (epoch, lane, first),
        ).fetchone()
        if row is not None:
            start, count, reason, dropped_at, readings = row
            if start <= first:
                skip = first - start
                return Dropped(first, count - skip, reason, dropped_at, readings[2 * skip :])
            upcoming = start if upcoming is None else min(upcoming, start)
        if upcoming is None:
            return None
        return Dropped(first, upcoming - first, MISSING_REASON, 0)
