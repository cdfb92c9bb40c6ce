"""Fills every table of a database of any schema with rows that fit its columns, so that an upgrade or a
restore can be shown to keep them. Knows the catalogue, not the tables: a new table is filled as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from typing import Any

from psycopg import sql

from hub.store.database import Connection, fetch_all
from hub.store.rollup import make_rollup_partitions

OURS = (
    "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
    " AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('migration', 'store')"
    " ORDER BY 1"
)
_CHOICES: Mapping[tuple[str, str], list[Any]] = {
    ("person", "contacts"): [f'[{{"kind": "phone", "value": "{number}"}}]' for number in range(3)],
    ("substitution", "substitute"): ["person-0", "person-1", "person-2"],
    ("mode", "kind"): ["threat_level"] * 3,
    ("mode", "state"): ["ended"] * 3,
    ("rollup", "bucket_s"): [60, 900, 86400],
    ("rollup", "at"): [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
}
_ONE_OF = re.compile(r"\((\w+) = ANY \(ARRAY\['([^']+)'")
"""A check that a column is one of some words."""
ROWS = 3


def tables(connection: Connection) -> list[str]:
    """The tables that hold data, those that others refer to first."""
    names = [row["name"] for row in fetch_all(connection, OURS)]
    graph: dict[str, set[str]] = {name: set() for name in names}
    for row in fetch_all(
        connection,
        "SELECT a.relname AS child, b.relname AS parent FROM pg_constraint f"
        " JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid WHERE f.contype = 'f'",
    ):
        if row["child"] in graph and row["parent"] in graph:
            graph[row["child"]].add(row["parent"])
    return list(TopologicalSorter(graph).static_order())


def fill_every_table(connection: Connection) -> dict[str, int]:
    """Put three rows into each table; returns how many each holds then."""
    with connection.transaction():
        if connection.execute("SELECT to_regclass('rollup')").fetchone() != (None,):
            make_rollup_partitions(
                connection, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
            )
        for table in tables(connection):
            _fill(connection, table)
    return count_rows(connection)


def count_rows(connection: Connection) -> dict[str, int]:
    """How many rows each table holds."""
    counts = {}
    for table in tables(connection):
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        assert row is not None
        counts[table] = int(row[0])
    return counts


def read_everything(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table as text, in a stable order."""
    rows = {}
    for table in tables(connection):
        query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
        rows[table] = [row[0] for row in connection.execute(query)]
    return rows


def _fill(connection: Connection, table: str) -> None:
    columns = fetch_all(
        connection,
        "SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attidentity AS identity"
        " FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY a.attnum",
        (f'"{table}"',),
    )
    words = {
        match[1]: match[2]
        for row in fetch_all(
            connection,
            "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint"
            " WHERE contype = 'c' AND conrelid = %s::regclass",
            (f'"{table}"',),
        )
        if (match := _ONE_OF.search(row["text"]))
    }
    named = [column for column in columns if not column["identity"]]
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(column["name"]) for column in named),
        sql.SQL(", ").join(
            sql.SQL("%s::{}").format(sql.SQL(column["type"]))  # type: ignore[arg-type]
            for column in named
        ),
    )
    for number in range(ROWS):
        connection.execute(statement, [_value(table, column, number, words) for column in named])


def _value(table: str, column: Mapping[str, Any], number: int, words: Mapping[str, str]) -> Any:
    name, kind = column["name"], column["type"]
    if (table, name) in _CHOICES:
        return _CHOICES[table, name][number]
    at = datetime.now(UTC) - timedelta(days=number, hours=1)
    if kind == "text":
        return words.get(name, f"{name}-{number}")
    if kind in ("json", "jsonb"):
        return '{"zh": "校\\t\\\\", "en": "a"}' if name != "evidence" else '[{"id": "x"}]'
    if kind == "bytea":
        return bytes([number, 0, 255, 92, 10])
    if kind in ("smallint", "integer", "bigint"):
        return number + 1
    if kind == "double precision":
        return 0.1 + number if number else 1e-300
    if kind == "boolean":
        return bool(number % 2)
    if kind == "timestamp with time zone":
        return at
    if kind == "date":
        return at.date()
    if kind == "time without time zone":
        return at.time()
    if kind == "text[]":
        return ["a,b", 'c"d']
    if kind == "interval":
        return timedelta(seconds=number)
    if kind == "integer[]":
        return [1, 2]
    raise AssertionError(f"{table}.{name}: no value for {kind}")
