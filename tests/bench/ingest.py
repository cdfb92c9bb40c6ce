"""Readings a second, durably stored from the edge's spool to the hub's commit, against binary COPY.

Two baselines over the same rows into the same table, one process, `COPY_ROWS` rows to a commit: `raw` sends
bytes that were made before the clock ran (nothing but the database works), `rows` is what a careful program
does, psycopg's binary `write_row`. The stricter one, `raw`, is what `ratio_to_copy` divides by.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from tests.bench.street import Street
from tests.waiting import wait_until

WARM_UP = 100_000
COPY_ROWS = 1_000
"""Rows of the baseline in a commit."""
_COPY = "COPY readings (site, series, observed_at, recorded_at, value, quality) FROM STDIN (FORMAT BINARY)"
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TYPES = ["text", "int4", "timestamptz", "timestamptz", "float8", "int2"]

Reading = tuple[str, int, datetime, datetime, float, int]


@dataclass(frozen=True, slots=True)
class Ingest:
    """The rates of one run over the same rows."""

    readings: int
    readings_per_s: float
    raw_per_s: float
    rows_per_s: float


def measure_ingest(street: Street, readings: int) -> Ingest:
    """Append `readings` to the spool and wait until all of them are committed; then the baselines."""
    with psycopg.connect(street.dsn, autocommit=True) as connection:
        # The first rows make series and warm the caches.
        _append(street, connection, WARM_UP)
        rows_before = _count(connection)
        begun = time.monotonic()
        appended = _append(street, connection, readings)
        took = time.monotonic() - begun
        if _count(connection) != rows_before + appended:
            raise RuntimeError(f"{appended} readings appended, {_count(connection) - rows_before} rows stored")
        rows = _fetch_rows(connection, appended)
        blocks = [rows[at : at + COPY_ROWS] for at in range(0, len(rows), COPY_ROWS)]
        raw = _rate(len(rows), lambda: _copy_raw(connection, [_encode(block) for block in blocks]))
        by_rows = _rate(len(rows), lambda: _copy_rows(connection, blocks))
    return Ingest(appended, appended / took, raw, by_rows)


def _append(street: Street, connection: psycopg.Connection, readings: int) -> int:
    """Append about so many readings and wait until the hub has committed all that was ever appended."""
    answer = street.edge.ask(f"burst {readings}")
    wait_until(lambda: _items(connection) >= answer["items"], 600.0, "all readings are committed", 0.01)
    return answer["appended"]


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM readings").fetchone()
    return int(row[0]) if row else 0


def _items(connection: psycopg.Connection) -> int:
    """Items of the telemetry lane that are committed; each is one batch of readings here."""
    row = connection.execute("SELECT coalesce(sum(position), 0) FROM cursor WHERE lane = 2").fetchone()
    return int(row[0]) if row else 0


def _fetch_rows(connection: psycopg.Connection, rows: int) -> list[Reading]:
    query = "SELECT site, series, observed_at, recorded_at, value, quality FROM readings LIMIT %s"
    return connection.execute(query, (rows,)).fetchall()


def _rate(rows: int, copy: Callable[[], Iterator[None]]) -> float:
    """Rows a second of a copy that says when it is prepared."""
    work = copy()
    next(work)
    begun = time.monotonic()
    for _ in work:
        pass
    return rows / (time.monotonic() - begun)


def _copy_raw(connection: psycopg.Connection, streams: list[bytes]) -> Iterator[None]:
    yield
    for stream in streams:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(stream)
    yield


def _copy_rows(connection: psycopg.Connection, blocks: list[list[Reading]]) -> Iterator[None]:
    yield
    for block in blocks:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in block:
                copy.write_row(row)
    yield


def _encode(block: list[Reading]) -> bytes:
    """Rows as one stream in the form of binary COPY, as PostgreSQL documents it."""
    site = block[0][0].encode()
    row = struct.Struct(f">hi{len(site)}siiiqiqidih")
    body = b"".join(
        row.pack(6, len(site), site, 4, series, 8, _ticks(observed), 8, _ticks(recorded), 8, value, 2, quality)
        for _, series, observed, recorded, value, quality in block
    )
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + body + b"\xff\xff"


def _ticks(at: datetime) -> int:
    """Microseconds since 2000."""
    return (at - _POSTGRES_EPOCH) // timedelta(microseconds=1)
