"""What readings are measured against: binary COPY into the same table, 1 000 rows to a commit, one process.

The bytes are made before the clock runs, so that nothing but the database works: the strictest baseline there
is.
"""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

COPY_ROWS: Final = 1_000
"""Rows of the baseline in a commit."""
_COPY: Final = (
    "COPY readings (site, series, observed_at, recorded_at, value, quality) FROM STDIN (FORMAT BINARY)"
)
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

Reading = tuple[str, int, datetime, datetime, float, int]


def copy_rate(connection: psycopg.Connection, rows: int) -> float:
    """Rows a second of COPYing again the rows that were stored last."""
    query = (
        "SELECT site, series, observed_at, recorded_at, value, quality FROM readings"
        " WHERE observed_at > now() - interval '30 minutes' LIMIT %s"
    )
    stored: list[Reading] = connection.execute(query, (rows,)).fetchall()
    streams = [_encode(stored[at : at + COPY_ROWS]) for at in range(0, len(stored), COPY_ROWS)]
    begun = time.monotonic()
    for stream in streams:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(stream)
    return len(stored) / (time.monotonic() - begun)


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
