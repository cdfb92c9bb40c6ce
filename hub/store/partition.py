"""Time partitions of `readings` (by observed time) and `events` (by recorded time), one a day.

TimescaleDB makes its chunks itself; the native layout gets its days ahead of time from here. A
reading outside the open days is quarantined alone (design §5), so the range kept open is stated:
`DAYS_BEHIND` for what returns after a week's outage, `DAYS_AHEAD` so that a night without chores
does no harm.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from psycopg import sql

from hub.store.database import Connection, lock_number, transaction

DAYS_BEHIND: Final = 9
DAYS_AHEAD: Final = 7
_TABLES: Final = ("readings", "events")


def open_range(now: datetime) -> tuple[datetime, datetime]:
    """The times [from, to) that can be stored, the same for both layouts."""
    today = now.astimezone(UTC).date()
    return _midnight(today - timedelta(days=DAYS_BEHIND)), _midnight(today + timedelta(days=DAYS_AHEAD + 1))


def make_partitions(connection: Connection, layout: str, now: datetime | None = None) -> list[str]:
    """Make the missing partitions of the open range; returns their names. Nothing to do on TimescaleDB."""
    if layout != "native":
        return []
    begin, end = open_range(now or _database_now(connection))
    made = []
    for table in _TABLES:
        known = {
            row[0]
            for row in connection.execute(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = %s",
                (table,),
            )
        }
        day = begin.date()
        while _midnight(day) < end:
            name = f"{table}_{day:%Y%m%d}"
            if name not in known:
                connection.execute(
                    sql.SQL(
                        "CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})"
                    ).format(
                        sql.Identifier(name),
                        sql.Identifier(table),
                        sql.Literal(_midnight(day).isoformat()),
                        sql.Literal(_midnight(day + timedelta(days=1)).isoformat()),
                    )
                )
                made.append(name)
            day += timedelta(days=1)
    return made


def open_partitions(connection: Connection, layout: str, now: datetime | None = None) -> list[str]:
    """The same in a transaction that one process at a time has (worker and chores both care)."""
    with transaction(connection):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("partitions"),))
        return make_partitions(connection, layout, now)


def drop_before(connection: Connection, layout: str, table: str, before: date) -> list[str]:
    """Drop the days of a table that lie wholly before a date; returns what was dropped."""
    if table not in _TABLES:
        raise ValueError(f"{table} has no partitions")
    if layout == "timescale":
        rows = connection.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s)", (table, _midnight(before))
        )
        return [str(row[0]) for row in rows]
    rows = connection.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = %s AND c.relname < %s ORDER BY c.relname",
        (table, f"{table}_{before:%Y%m%d}"),
    )
    old = [str(row[0]) for row in rows]
    for name in old:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return old


def _database_now(connection: Connection) -> datetime:
    row = connection.execute("SELECT now()").fetchone()
    if row is None:
        raise AssertionError("SELECT now() gives a row")
    moment: datetime = row[0]
    return moment


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
