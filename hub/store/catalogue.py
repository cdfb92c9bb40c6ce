"""What the database says of its own tables: which there are, their columns, what refers to what; their text."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter
from typing import Any

from psycopg import sql

from hub.store.database import Connection, fetch_all
from hub.store.partition import TABLES, named_partitions
from hub.store.rollup import LEVELS


def tables_in_order(connection: Connection, left_out: Collection[str]) -> list[str]:
    """Our tables but those left out and partitions; what others refer to comes first."""
    names = {
        row["name"]
        for row in fetch_all(
            connection,
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
            " AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')",
        )
    } - set(left_out)
    leaving = {name for table in TABLES for name in named_partitions(connection, table)}
    leaving |= {name for level in LEVELS for name in named_partitions(connection, f"rollup_{level}")}
    graph: dict[str, set[str]] = {name: set() for name in sorted(names - leaving)}
    for row in fetch_all(
        connection,
        "SELECT a.relname AS child, b.relname AS parent FROM pg_constraint f"
        " JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid WHERE f.contype = 'f'",
    ):
        if row["child"] in graph and row["parent"] in graph and row["child"] != row["parent"]:
            graph[row["child"]].add(row["parent"])
    return list(TopologicalSorter(graph).static_order())


def columns_of(connection: Connection, table: str) -> list[str]:
    """A table's own columns, in their order; what it computes by itself is none."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (table,),
    )
    return [str(row[0]) for row in rows]


def sequences_of(connection: Connection) -> list[dict[str, Any]]:
    """Where the numbers that PostgreSQL gives stand: they go on from there, even where the last row is gone."""
    found = []
    for row in fetch_all(
        connection,
        "SELECT c.relname AS table, a.attname AS column,"
        " pg_get_serial_sequence(quote_ident(c.relname), a.attname) AS sequence FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace"
        " AND a.attidentity <> '' AND NOT c.relispartition ORDER BY 1, 2",
    ):
        last = connection.execute("SELECT pg_sequence_last_value(%s::regclass)", (row["sequence"],)).fetchone()
        found.append({"table": row["table"], "column": row["column"], "last": last[0] if last else None})
    return found


def copy_out(
    connection: Connection, table: str, columns: list[str], site: str | None = None
) -> Iterator[bytes | bytearray | memoryview]:
    """The COPY text of a table, or of one site's rows in it."""
    query = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
        list_columns(columns),
        sql.Identifier(table),
        sql.SQL("" if site is None else " WHERE site = {}").format(sql.Literal(site)),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        yield from copy


def list_columns(columns: list[str]) -> sql.Composed:
    """Their names with commas between them."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))
