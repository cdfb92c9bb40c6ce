"""Readings a second, durably stored from the edge's spool to the hub's commit, against raw binary COPY."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from tests.bench.street import Street
from tests.waiting import wait_until

COPY_ROWS = 1_000
"""Rows of the baseline in a commit."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """Both rates of one run, and the rows that both stored."""

    readings: int
    readings_per_s: float
    copy_rows_per_s: float

    @property
    def ratio(self) -> float:
        return self.readings_per_s / self.copy_rows_per_s


def measure_ingest(street: Street, readings: int) -> Ingest:
    """Append `readings` to the spool and wait until all of them are committed; then COPY the same rows
    into the same table, one process, `COPY_ROWS` to a commit.
    """
    with psycopg.connect(street.dsn, autocommit=True) as connection:
        before = _count(connection)
        begun = time.monotonic()
        appended = street.edge.ask(f"burst {readings}")["appended"]
        wait_until(
            lambda: _count_at_least(connection, before + appended), 600.0, "all readings are stored", 0.05
        )
        took = time.monotonic() - begun
        copied = _measure_copy(connection, street.dsn, appended)
    return Ingest(appended, appended / took, copied)


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM readings").fetchone()
    return int(row[0]) if row else 0


def _count_at_least(connection: psycopg.Connection, wanted: int) -> bool:
    """Cheap while it is not there yet: the statistics' estimate would lag, so count only near the end."""
    row = connection.execute(
        "SELECT max(position) FROM cursor WHERE lane = 2 AND updated_at > now() - interval '1 hour'"
    ).fetchone()
    return bool(row and row[0]) and _count(connection) >= wanted


def _measure_copy(connection: psycopg.Connection, dsn: str, rows: int) -> float:
    """The newest rows of the table, held in memory in COPY's own binary form, go into it again."""
    blocks: list[bytes] = []
    with psycopg.connect(dsn) as reader:
        cursor = reader.cursor(name="rows")
        cursor.itersize = COPY_ROWS
        cursor.execute(
            "SELECT site, series, observed_at, recorded_at, value, quality FROM readings LIMIT %s", (rows,)
        )
        total = 0
        while batch := cursor.fetchmany(COPY_ROWS):
            blocks.append(_binary(reader, batch))
            total += len(batch)
    begun = time.monotonic()
    for block in blocks:
        with connection.transaction(), connection.cursor() as writer, writer.copy(_COPY) as copy:
            copy.write(block)
    return total / (time.monotonic() - begun)


_COPY = "COPY readings (site, series, observed_at, recorded_at, value, quality) FROM STDIN (FORMAT BINARY)"


def _binary(connection: psycopg.Connection, rows: list[tuple[object, ...]]) -> bytes:
    """Rows as one binary COPY stream, made by psycopg itself."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["text", "int4", "timestamptz", "timestamptz", "float8", "int2"])
        stream = b"".join(bytes(copy.formatter.write_row(row)) for row in rows)
        return stream + bytes(copy.formatter.end() or b"")
