"""Does the rate hold when the table is full? The same rows, behind one million and behind twenty million.

The table is filled by the server itself, over the seven days that a week's readings of 2 000 points a minute
lie in; what is measured goes into today's partition, as it does in a school.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Final

import psycopg

from adapters.contract.vocabulary import Lane
from edge.quota import Budget
from edge.spool import Spool
from tests.bench.baseline import copy_rate
from tests.bench.feeder import Source
from tests.bench.figures import ratio, spread
from tests.bench.ingest import append, ingest_rate
from tests.bench.school import PLAIN, SITE, School
from tests.bench.street import Street

_SERIES: Final = 2_000
_PART: Final = 1_000_000
"""Rows filled in by one statement."""


def measure_flatness(street: Street, few: int, many: int, readings: int, rounds: int) -> dict[str, Any]:
    """Rates behind `few` and behind `many` rows, and the bytes that a row takes on the disk."""
    rates: dict[int, list[float]] = {}
    copies: dict[int, list[float]] = {}
    filled = 0
    with psycopg.connect(street.dsn, autocommit=True) as connection:
        append(street, connection, 2 * _SERIES, PLAIN)
        for rows in (few, many):
            while filled < rows:
                part = min(_PART, rows - filled)
                _fill(connection, filled, part, rows_in_all=many)
                filled += part
            connection.execute("ANALYZE readings")
            connection.execute("CHECKPOINT")
            rates[rows], copies[rows] = [], []
            for _ in range(rounds):
                rates[rows].append(ingest_rate(street, connection, readings, PLAIN))
                copies[rows].append(copy_rate(connection, readings))
        bytes_per_row = _bytes_per_row(connection)
    return {
        "rows": [few, many],
        "flatness": ratio([spread(rates[many])["median"]], [spread(rates[few])["median"]]),
        "copy_flatness": ratio([spread(copies[many])["median"]], [spread(copies[few])["median"]]),
        "few": spread(rates[few], 0),
        "many": spread(rates[many], 0),
        "disk_bytes_per_reading": round(bytes_per_row, 1),
        "spool_bytes_per_reading": round(spool_bytes(), 1),
    }


def spool_bytes(items: int = 200) -> float:
    """Bytes of the spool's file for each reading in it, in full batches."""
    school = School()
    source = Source(school.series(school.edges[0])[PLAIN])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        spool = Spool(path, epoch=1, opened_at=0, budget=Budget(1 << 30))
        empty, readings = path.stat().st_size, 0
        spool.begin()
        for _ in range(items):
            data, count = source.make_item()
            spool.append(Lane.TELEMETRY, data, rank=0, mono_ms=0)
            readings += count
        spool.commit()
        spool.close()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        return (path.stat().st_size - empty) / readings


def _fill(connection: psycopg.Connection, done: int, rows: int, *, rows_in_all: int) -> None:
    """Rows of the last seven days but today, oldest first, each series once a turn."""
    connection.execute(
        "INSERT INTO readings (site, series, observed_at, recorded_at, value, quality)"
        " SELECT %(site)s, n %% %(series)s + 1, at, at, 20 + n %% 7, 0 FROM (SELECT n,"
        "  date_trunc('day', now(), 'UTC') - interval '7 days' * (1 - n::float8 / %(all)s) AS at"
        "  FROM generate_series(%(done)s::bigint, %(done)s::bigint + %(rows)s - 1) AS n) t",
        {"site": SITE, "series": _SERIES, "all": rows_in_all, "done": done, "rows": rows},
    )


def _bytes_per_row(connection: psycopg.Connection) -> float:
    """Table and indexes, over all partitions."""
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(relid)), (SELECT count(*) FROM readings)"
        " FROM pg_partition_tree('readings') WHERE isleaf"
    ).fetchone()
    if row is None or not row[1]:
        raise RuntimeError("no readings to weigh")
    return float(row[0]) / float(row[1])
