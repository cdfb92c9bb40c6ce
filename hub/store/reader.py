"""Where each reader of the journal stands, and how it fares. A reader moves its own cursor, nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.store.database import Connection, Row, fetch_all, transaction


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One reader at one site. `seq`: the last journal row that it is done with."""

    reader: str
    site: str
    seq: int
    attempts: int = 0
    """At the row after `seq`, without success."""
    failing_since: datetime | None = None
    next_at: datetime | None = None
    parked_at: datetime | None = None
    error: str = ""


def open_reader(connection: Connection, reader: str) -> None:
    """Make the reader known at every site. Where it is new it begins at the journal's present end: it tells
    what happens from now on.
    """
    with transaction(connection):
        connection.execute(
            "INSERT INTO reader_cursor (reader, site, seq)"
            " SELECT %(reader)s, s.site, coalesce(h.seq, 0) FROM site s LEFT JOIN journal_head h USING (site)"
            " WHERE NOT EXISTS (SELECT FROM reader_cursor c WHERE c.reader = %(reader)s AND c.site = s.site)"
            " ON CONFLICT DO NOTHING",
            {"reader": reader},
        )
        connection.execute(
            "INSERT INTO reader_state (reader, site) SELECT reader, site FROM reader_cursor WHERE reader = %s"
            " ON CONFLICT DO NOTHING",
            (reader,),
        )


def readers_behind(connection: Connection, reader: str) -> list[ReaderState]:
    """The sites at which the reader is not at the journal's end, by site. Read anew each time: what a restored
    backup says counts, and nothing in memory.
    """
    rows = fetch_all(
        connection,
        "SELECT c.reader, c.site, c.seq, s.attempts, s.failing_since, s.next_at, s.parked_at, s.error"
        " FROM reader_cursor c JOIN reader_state s USING (reader, site) JOIN journal_head h USING (site)"
        " WHERE c.reader = %s AND c.seq < h.seq ORDER BY c.site",
        (reader,),
    )
    return [ReaderState(**row) for row in rows]


def pass_rows(connection: Connection, state: ReaderState) -> None:
    """Move the cursor to `state.seq` over rows that the reader does not want."""
    connection.execute(
        "UPDATE reader_cursor SET seq = %s WHERE reader = %s AND site = %s",
        (state.seq, state.reader, state.site),
    )


def save_delivery(connection: Connection, state: ReaderState, at: datetime) -> None:
    """The row `state.seq` was delivered: cursor and state in one transaction."""
    with transaction(connection):
        pass_rows(connection, state)
        connection.execute(
            "UPDATE reader_state SET attempts = 0, failing_since = NULL, next_at = NULL, parked_at = NULL,"
            " error = '', delivered = delivered + 1, delivered_at = %s WHERE reader = %s AND site = %s",
            (at, state.reader, state.site),
        )


def save_failure(connection: Connection, state: ReaderState) -> None:
    """Keep how the reader fares, so that a restart does not begin to count anew."""
    connection.execute(
        "UPDATE reader_state SET attempts = %s, failing_since = %s, next_at = %s, parked_at = %s, error = %s"
        " WHERE reader = %s AND site = %s",
        (
            state.attempts,
            state.failing_since,
            state.next_at,
            state.parked_at,
            state.error,
            state.reader,
            state.site,
        ),
    )


def add_dead_letter(
    connection: Connection, state: ReaderState, *, attempts: int, error: str, at: datetime
) -> None:
    """The row `state.seq` is passed over and kept here; cursor, state and letter in one transaction."""
    with transaction(connection):
        pass_rows(connection, state)
        save_failure(connection, state)
        connection.execute(
            "INSERT INTO dead_letter (site, reader, seq, at, attempts, error) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (site, reader, seq) DO UPDATE SET at = EXCLUDED.at, attempts = EXCLUDED.attempts,"
            " error = EXCLUDED.error",
            (state.site, state.reader, state.seq, at, attempts, error),
        )


def reader_rows(connection: Connection, site: str) -> list[Row]:
    """Every reader of a site: reader, seq, head, failing_since, next_at, parked_at, error, attempts,
    delivered, delivered_at, dead; `oldest_at` is the time of the first row that it is not done with.
    """
    return fetch_all(
        connection,
        "SELECT c.reader, c.seq, coalesce(h.seq, 0) AS head, s.attempts, s.failing_since, s.next_at,"
        " s.parked_at, coalesce(s.error, '') AS error, coalesce(s.delivered, 0) AS delivered, s.delivered_at,"
        " (SELECT count(*) FROM dead_letter d WHERE d.site = c.site AND d.reader = c.reader) AS dead,"
        " (SELECT j.at FROM journal j WHERE j.site = c.site AND j.seq > c.seq ORDER BY j.seq LIMIT 1)"
        " AS oldest_at"
        " FROM reader_cursor c LEFT JOIN reader_state s USING (reader, site)"
        " LEFT JOIN journal_head h USING (site) WHERE c.site = %s ORDER BY c.reader",
        (site,),
    )


def reader_lags(connection: Connection) -> dict[str, tuple[int, datetime | None]]:
    """How far each reader is behind over all sites of the connection's area: journal rows, and when the oldest
    of them was written (None: it is at the end everywhere).
    """
    rows = connection.execute(
        "SELECT c.reader, sum(greatest(h.seq - c.seq, 0)), min(o.at) FROM reader_cursor c"
        " JOIN journal_head h USING (site) LEFT JOIN LATERAL (SELECT j.at FROM journal j WHERE j.site = c.site"
        " AND j.seq > c.seq AND c.seq < h.seq ORDER BY j.seq LIMIT 1) o ON true GROUP BY c.reader"
    )
    return {reader: (int(behind), oldest_at) for reader, behind, oldest_at in rows}


def dead_letters(connection: Connection, site: str, *, limit: int) -> list[Row]:
    """What was passed over, the newest first: reader, seq, at, attempts, error, the row's subject and kind."""
    return fetch_all(
        connection,
        "SELECT d.reader, d.seq, d.at, d.attempts, d.error, j.subject, j.kind FROM dead_letter d"
        " LEFT JOIN journal j USING (site, seq) WHERE d.site = %s ORDER BY d.at DESC, d.seq DESC LIMIT %s",
        (site, limit),
    )
