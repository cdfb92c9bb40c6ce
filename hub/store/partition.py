"""Time partitions: `readings` (by observed time) and `events` (by recorded time) by day, roll-ups by level.

TimescaleDB makes the chunks of readings and events itself; natively they get their days ahead of time
from here. A reading outside the open days is quarantined alone (design §5), so the range kept open is
stated: `DAYS_BEHIND` for what returns after a week's outage, `DAYS_AHEAD` so that a night without chores
does no harm. Roll-ups are native partitions on both layouts.

Nothing here waits behind a long query, nor lets intake wait behind itself: a partition is made aside and
attached, and detached concurrently before it is dropped; neither takes the parent's exclusive lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from psycopg import sql

from hub.store.database import Connection, lock_number, transaction

DAYS_BEHIND: Final = 9
DAYS_AHEAD: Final = 7
TABLES: Final = ("readings", "events")
"""What is partitioned by day, or is a hypertable with chunks of a day."""


@dataclass(frozen=True, slots=True)
class Span:
    """A partition to be: its name and the days [begin, end) that it takes."""

    name: str
    begin: date
    end: date


def open_range(now: datetime) -> tuple[datetime, datetime]:
    """The times [from, to) that can be stored, the same for both layouts."""
    today = now.astimezone(UTC).date()
    return midnight(today - timedelta(days=DAYS_BEHIND)), midnight(today + timedelta(days=DAYS_AHEAD + 1))


def make_partitions(connection: Connection, layout: str, now: datetime | None = None) -> list[str]:
    """Make the missing partitions of the open range; returns their names. Nothing to do on TimescaleDB."""
    if layout != "native":
        return []
    begin, end = open_range(now or _database_now(connection))
    days = [begin.date() + timedelta(days=number) for number in range((end - begin).days)]
    return [name for table in TABLES for name in attach(connection, table, [day_span(table, d) for d in days])]


def open_partitions(connection: Connection, layout: str, now: datetime | None = None) -> list[str]:
    """The same in a transaction that one process at a time has (worker and chores both care)."""
    with transaction(connection):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("partitions"),))
        return make_partitions(connection, layout, now)


def day_span(table: str, day: date) -> Span:
    """A table's partition of one UTC day."""
    return Span(f"{table}_{day:%Y%m%d}", day, day + timedelta(days=1))


def attach(connection: Connection, parent: str, spans: Iterable[Span]) -> list[str]:
    """Make the missing ones of these partitions of a native table; returns their names."""
    known = set(partitions_of(connection, parent))
    made = []
    for span in spans:
        if span.name in known:
            continue
        with transaction(connection):
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS)").format(
                    sql.Identifier(span.name), sql.Identifier(parent)
                )
            )
            connection.execute(
                sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(parent),
                    sql.Identifier(span.name),
                    sql.Literal(midnight(span.begin).isoformat()),
                    sql.Literal(midnight(span.end).isoformat()),
                )
            )
        known.add(span.name)
        made.append(span.name)
    return made


def partitions_of(connection: Connection, parent: str) -> list[str]:
    """The native partitions of a table, also those on their way out, by name; chunks have no such names."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = to_regclass(%s) AND c.relispartition ORDER BY c.relname",
        (parent,),
    )
    return [str(row[0]) for row in rows]


def named_partitions(connection: Connection, parent: str) -> list[str]:
    """Every table named as a partition of it by time, also one that is detached and not yet dropped."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND relname ~ %s ORDER BY relname",
        (f"^{parent}_[0-9]{{8}}$",),
    )
    return [str(row[0]) for row in rows]


def drop_partition(connection: Connection, parent: str, name: str) -> None:
    """Drop a native partition. Outside a transaction; cut off anywhere, it goes on when called again."""
    pending = connection.execute(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)", (name,)
    ).fetchone()
    if pending is not None:
        how = sql.SQL("FINALIZE" if pending[0] else "CONCURRENTLY")
        connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(
                sql.Identifier(parent), sql.Identifier(name), how
            )
        )
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def held_days(connection: Connection, layout: str, table: str) -> list[date]:
    """The UTC days for which a table has a partition or chunk, in order."""
    if table not in TABLES:
        raise ValueError(f"{table} has no days")
    if layout == "timescale":
        rows = connection.execute(
            "SELECT range_start FROM timescaledb_information.chunks WHERE hypertable_name = %s ORDER BY 1",
            (table,),
        )
        return [row[0].astimezone(UTC).date() for row in rows]
    return [day_of(name) for name in named_partitions(connection, table)]


def drop_day(connection: Connection, layout: str, table: str, day: date) -> None:
    """Drop one day of readings or events. Outside a transaction."""
    if layout == "timescale":
        connection.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s, newer_than => %s)",
            (table, midnight(day + timedelta(days=1)), midnight(day)),
        )
        return
    drop_partition(connection, table, day_span(table, day).name)


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_of(name: str) -> date:
    """The first day of a partition, from its name."""
    return datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC).date()


def _database_now(connection: Connection) -> datetime:
    # A server whose clock was never set gets no partitions of 1970.
    row = connection.execute("SELECT greatest(now(), '2026-01-01+00')").fetchone()
    if row is None:
        raise AssertionError("SELECT now() gives a row")
    moment: datetime = row[0]
    return moment
