"""What the database is like: schema, layout, sizes, days, how far the roll-ups are. For `sanfang db status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import sql

from hub.store.database import Connection, fetch_all, fetch_one, reading
from hub.store.migration import applied_migrations, layout_of, load_migrations
from hub.store.partition import TABLES, day_span, held_days, midnight
from hub.store.rollup import Standing, rollup_standings


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its partitions or chunks and its indexes; `rows` is the planner's estimate."""

    table: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Days:
    """The days for which a table has a partition or chunk, and the first and last of them with a row in it."""

    held: int
    oldest: date | None
    newest: date | None


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it, of one moment."""

    schema: int
    newest_schema: int
    layout: str
    sizes: list[TableSize]
    days: Mapping[str, Days]
    rollups: list[Standing]
    store: Mapping[str, Any] | None
    """The row of `store`: made_at, restored_at, restored_from, backed_up_at, backed_up_bytes."""
    journal: Mapping[str, tuple[int, datetime]]
    """Site -> how many rows were ever written, and when the oldest that is kept was."""


def survey(connection: Connection) -> Survey:
    """Look at a database of the newest schema, or of none or an older one: then at its schema only."""
    applied = applied_migrations(connection)
    layout = layout_of(connection)
    newest = load_migrations()[-1].number
    if not applied or max(applied) < newest:
        return Survey(max(applied, default=0), newest, layout, [], {}, [], None, {})
    with reading(connection):
        return Survey(
            schema=max(applied),
            newest_schema=newest,
            layout=layout,
            sizes=_sizes(connection, layout),
            days={table: _days(connection, layout, table) for table in TABLES},
            rollups=rollup_standings(connection),
            store=fetch_one(connection, "SELECT * FROM store"),
            journal=_journal(connection),
        )


def _sizes(connection: Connection, layout: str) -> list[TableSize]:
    found = [
        TableSize(row["name"], int(row["size"]), int(row["rows"]))
        for row in fetch_all(
            connection,
            "SELECT t.relname AS name, sum(pg_total_relation_size(p.relid)) AS size,"
            " sum(greatest(c.reltuples, 0)) AS rows FROM pg_class t, pg_partition_tree(t.oid) p"
            " JOIN pg_class c ON c.oid = p.relid AND p.isleaf"
            " WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'p' AND NOT t.relispartition"
            " GROUP BY 1 UNION ALL"
            " SELECT relname, pg_total_relation_size(oid), greatest(reltuples, 0) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition",
        )
    ]
    if layout == "timescale":
        for table in TABLES:
            row = connection.execute(
                "SELECT hypertable_size(%s::regclass), approximate_row_count(%s::regclass)", (table, table)
            ).fetchone()
            if row is not None:
                found = [each for each in found if each.table != table]
                found.append(TableSize(table, int(row[0] or 0), int(row[1] or 0)))
    return sorted(found, key=lambda each: -each.size_bytes)


def _days(connection: Connection, layout: str, table: str) -> Days:
    column = {"readings": "observed_at", "events": "recorded_at"}[table]
    days = held_days(connection, layout, table)

    def has_rows(day: date) -> bool:
        span = day_span(table, day)
        found = connection.execute(
            sql.SQL("SELECT 1 FROM {} WHERE {} >= %s AND {} < %s LIMIT 1").format(
                sql.Identifier(table), sql.Identifier(column), sql.Identifier(column)
            ),
            (midnight(span.begin), midnight(span.end)),
        )
        return found.fetchone() is not None

    oldest = next((day for day in days if has_rows(day)), None)
    newest = next((day for day in reversed(days) if has_rows(day)), None)
    return Days(len(days), oldest, newest)


def _journal(connection: Connection) -> dict[str, tuple[int, datetime]]:
    rows = connection.execute(
        "SELECT h.site, h.seq, (SELECT j.at FROM journal j WHERE j.site = h.site ORDER BY j.seq LIMIT 1)"
        " FROM journal_head h ORDER BY 1"
    )
    return {site: (seq, at) for site, seq, at in rows if at is not None}
