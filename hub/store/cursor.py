"""Where each lane of each edge's epochs stands, and the holes that edges said they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.database import Connection

LaneKey = tuple[str, int, int]
"""(edge, epoch, lane)."""


@dataclass(frozen=True, slots=True)
class TombstoneRow:
    """Items `first … first+count-1` of a lane, which held so many readings, were dropped at the edge."""

    edge: str
    epoch: int
    lane: int
    first: int
    count: int
    reason: str
    readings: int


def load_cursors(connection: Connection, site: str) -> dict[LaneKey, int]:
    """Every lane's position; a lane that is absent stands at 0. Never pruned: one row per edge start."""
    rows = connection.execute("SELECT edge, epoch, lane, position FROM cursor WHERE site = %s", (site,))
    return {(edge, epoch, lane): position for edge, epoch, lane, position in rows}


def last_recorded(connection: Connection, site: str) -> datetime | None:
    """When the newest items of a site were recorded; None before the first."""
    row = connection.execute("SELECT max(updated_at) FROM cursor WHERE site = %s", (site,)).fetchone()
    return row[0] if row else None


def newest_cursors(connection: Connection, site: str) -> dict[LaneKey, int]:
    """Where each edge's lanes stand in the epoch that moved last."""
    rows = connection.execute(
        "SELECT DISTINCT ON (edge, lane) edge, epoch, lane, position FROM cursor WHERE site = %s"
        " ORDER BY edge, lane, updated_at DESC",
        (site,),
    )
    return {(edge, epoch, lane): position for edge, epoch, lane, position in rows}


def save_cursors(connection: Connection, site: str, cursors: Mapping[LaneKey, int], at: datetime) -> None:
    """Set positions, in the transaction that stores the items up to them."""
    keys = sorted(cursors)
    connection.execute(
        "INSERT INTO cursor (site, edge, epoch, lane, position, updated_at)"
        " SELECT %s, edge, epoch, lane, position, %s FROM"
        " unnest(%s::text[], %s::bigint[], %s::smallint[], %s::bigint[]) AS t(edge, epoch, lane, position)"
        " ON CONFLICT (site, edge, epoch, lane) DO UPDATE"
        " SET position = EXCLUDED.position, updated_at = EXCLUDED.updated_at",
        (
            site,
            at,
            [key[0] for key in keys],
            [key[1] for key in keys],
            [key[2] for key in keys],
            [cursors[key] for key in keys],
        ),
    )


def add_tombstones(connection: Connection, site: str, rows: Sequence[TombstoneRow], at: datetime) -> None:
    """Keep what was dropped: a part of the record, not a hole in it."""
    for row in rows:
        connection.execute(
            "INSERT INTO tombstone (site, edge, epoch, lane, first, count, reason, readings, recorded_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (site, row.edge, row.epoch, row.lane, row.first, row.count, row.reason, row.readings, at),
        )
