"""Rows for exports, page by page: each page is a short statement of its own that holds no lock between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from hub.store.database import Connection, Row, fetch_all

Place = tuple[datetime, str]
"""Behind which row a page begins: its time, and what tells rows of one time apart."""


def limit_export(connection: Connection) -> Connection:
    """An export's connection: it only reads, and no statement of it takes longer than 5 s."""
    connection.execute(
        "SELECT set_config('statement_timeout', '5000', false), set_config('lock_timeout', '2000', false),"
        " set_config('default_transaction_read_only', 'on', false)"
    )
    return connection


@contextmanager
def one_view(connection: Connection) -> Iterator[None]:
    """All that is read inside is of one moment, however long the reader takes between two pages."""
    connection.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', false)")
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def page_alarms(
    connection: Connection, site: str, *, begin: datetime, end: datetime, after: Place | None, limit: int
) -> tuple[list[Row], Place | None]:
    """Alarms raised in [begin, end), in order; and where the next page begins, None after the last."""
    rows = fetch_all(
        connection,
        "SELECT * FROM alarm WHERE site = %(site)s AND raised_at >= %(begin)s AND raised_at < %(end)s"
        " AND (raised_at, alarm) > (%(at)s, %(last)s) ORDER BY raised_at, alarm LIMIT %(limit)s",
        {
            "site": site,
            "begin": begin if after is None else after[0],
            "end": end,
            "at": begin if after is None else after[0],
            "last": -1 if after is None else int(after[1]),
            "limit": limit,
        },
    )
    more = len(rows) == limit
    return rows, (rows[-1]["raised_at"], str(rows[-1]["alarm"])) if more else None


def page_events(
    connection: Connection, site: str, *, begin: datetime, end: datetime, after: Place | None, limit: int
) -> tuple[list[Row], Place | None]:
    """Events recorded in [begin, end), in order; and where the next page begins, None after the last."""
    rows = fetch_all(
        connection,
        "SELECT event, recorded_at, observed_at, device_at, edge_at, edge, device, address, zone, kind, active,"
        " late, quality, attributes::text AS attributes FROM events WHERE site = %(site)s"
        " AND recorded_at >= %(begin)s AND recorded_at < %(end)s"
        " AND (recorded_at, event) > (%(at)s, %(last)s) ORDER BY recorded_at, event LIMIT %(limit)s",
        {
            "site": site,
            "begin": begin if after is None else after[0],
            "end": end,
            "at": begin if after is None else after[0],
            "last": "" if after is None else after[1],
            "limit": limit,
        },
    )
    more = len(rows) == limit
    return rows, (rows[-1]["recorded_at"], rows[-1]["event"]) if more else None
