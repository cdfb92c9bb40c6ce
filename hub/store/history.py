"""The order in which a site's rules were fed: one row per input, written by the site's worker alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.store.database import Connection
from hub.store.journal import jsonb

READER: Final = "worker"
"""The worker's name among the journal's readers."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One input. `source` is alarm, telemetry, act, configuration, tick or listening."""

    position: int
    at: datetime
    source: str
    ref: Mapping[str, Any]


def append_history(connection: Connection, site: str, rows: Sequence[HistoryRow]) -> None:
    """Add rows in the order in which they were fed."""
    connection.cursor().executemany(
        "INSERT INTO history (site, position, at, source, ref) VALUES (%s, %s, %s, %s, %s)",
        [(site, row.position, row.at, row.source, jsonb(row.ref)) for row in rows],
    )


def last_position(connection: Connection, site: str) -> tuple[int, datetime | None]:
    """The newest position and its time; (0, None) for a site without history."""
    row = connection.execute(
        "SELECT position, at FROM history WHERE site = %s ORDER BY position DESC LIMIT 1", (site,)
    ).fetchone()
    return (int(row[0]), row[1]) if row else (0, None)


def load_consumed(connection: Connection, site: str) -> int:
    """Up to which journal row the rules have been fed. A site whose worker never ran begins at the
    journal's present end: what people did before there was a rule state means nothing to it.
    """
    row = connection.execute(
        "INSERT INTO reader_cursor (reader, site, seq) SELECT %s, %s,"
        " coalesce((SELECT seq FROM journal_head WHERE site = %s), 0)"
        " ON CONFLICT (reader, site) DO UPDATE SET seq = reader_cursor.seq RETURNING seq",
        (READER, site, site),
    ).fetchone()
    if row is None:
        raise AssertionError("an upsert with RETURNING gives a row")
    return int(row[0])


def save_consumed(connection: Connection, site: str) -> int:
    """Move the worker's reader to the journal's end, inside the turn in which it wrote its own rows:
    nobody else can have written since it read. Returns that end.
    """
    row = connection.execute(
        "UPDATE reader_cursor SET seq = coalesce((SELECT h.seq FROM journal_head h WHERE h.site = %s), 0)"
        " WHERE reader = %s AND site = %s RETURNING seq",
        (site, READER, site),
    ).fetchone()
    return int(row[0]) if row else 0


def note_consumed(connection: Connection, site: str, seq: int) -> None:
    """The worker's reader has had the journal up to this row. In the site's turn."""
    connection.execute("UPDATE reader_cursor SET seq = %s WHERE reader = %s AND site = %s", (seq, READER, site))


def journal_heads(connection: Connection, sites: Sequence[str]) -> dict[str, int]:
    """The newest journal row of each site, to see whether there is something to consume."""
    rows = connection.execute("SELECT site, seq FROM journal_head WHERE site = ANY(%s)", (list(sites),))
    return dict(rows.fetchall())
