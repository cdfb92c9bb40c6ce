"""Readings by columns: binary COPY out of numpy, and the newest value of each series.

A batch becomes the bytes of a binary COPY in a few array operations, because every column but the
constant `site` has a fixed width. No row is touched in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psycopg.adapt import Dumper
from psycopg.pq import Format

from hub.domain.moment import microseconds
from hub.store.database import Connection

SeriesKey = tuple[str, str, str]
"""(device, address, point)."""

_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970: where PostgreSQL counts from."""
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
_TRAILER: Final = b"\xff\xff"
_OIDS: Final = {">i4": 23, ">i2": 21, ">f8": 701, "timestamp": 1184}
_ARRAY_OIDS: Final = {">i4": 1007, ">i2": 1005, ">f8": 1022, "timestamp": 1185}


@dataclass(frozen=True, slots=True)
class ReadingBlock:
    """Readings by columns, all of one length; `observed_at` in µs since 1970, UTC."""

    series: npt.NDArray[np.int32]
    observed_at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.series)


def join_blocks(blocks: Sequence[ReadingBlock]) -> ReadingBlock:
    """Blocks behind one another as one."""
    if len(blocks) == 1:
        return blocks[0]
    return ReadingBlock(
        np.concatenate([block.series for block in blocks]),
        np.concatenate([block.observed_at for block in blocks]),
        np.concatenate([block.value for block in blocks]),
        np.concatenate([block.quality for block in blocks]),
    )


def load_series(connection: Connection, site: str) -> dict[SeriesKey, int]:
    """The number of each (device, address, point)."""
    rows = connection.execute("SELECT device, address, point, series FROM series WHERE site = %s", (site,))
    return {(device, address, point): series for device, address, point, series in rows}


def add_series(connection: Connection, site: str, series: dict[SeriesKey, int]) -> None:
    """Store new series under the numbers that the site's worker gave them."""
    keys = list(series)
    connection.execute(
        "INSERT INTO series (site, series, device, address, point)"
        " SELECT %s, n, d, a, p FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS t(n, d, a, p)",
        (site, list(series.values()), [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys]),
    )


def copy_readings(connection: Connection, site: str, recorded_at: datetime, block: ReadingBlock) -> None:
    """Store a block; every `observed_at` must lie inside `partition.open_range`."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY readings (site, series, observed_at, recorded_at, value, quality) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.write(_SIGNATURE + binary_rows(site, recorded_at, block) + _TRAILER)


def binary_rows(site: str, recorded_at: datetime, block: ReadingBlock) -> bytes:
    """The block as rows of PostgreSQL's binary COPY format, without header and trailer."""
    name = site.encode()
    layout = np.dtype(
        [
            ("fields", ">i2"),
            ("site_length", ">i4"),
            ("site", f"S{len(name)}"),
            ("series_length", ">i4"),
            ("series", ">i4"),
            ("observed_length", ">i4"),
            ("observed_at", ">i8"),
            ("recorded_length", ">i4"),
            ("recorded_at", ">i8"),
            ("value_length", ">i4"),
            ("value", ">f8"),
            ("quality_length", ">i4"),
            ("quality", ">i2"),
        ]
    )
    row = np.zeros((), layout)
    row["fields"], row["site"], row["site_length"] = 6, name, len(name)
    for column, width in (("series", 4), ("observed", 8), ("recorded", 8), ("value", 8), ("quality", 2)):
        row[f"{column}_length"] = width
    row["recorded_at"] = microseconds(recorded_at) - _POSTGRES_EPOCH_US
    rows = np.empty(len(block), layout)
    rows[:] = row
    rows["series"] = block.series
    rows["observed_at"] = block.observed_at - _POSTGRES_EPOCH_US
    rows["value"] = block.value
    rows["quality"] = block.quality
    return rows.tobytes()


def newest_per_series(block: ReadingBlock) -> ReadingBlock:
    """The newest reading of each series; of equally old ones the one that came last."""
    order = np.lexsort((block.observed_at, block.series))
    series = block.series[order]
    last = np.empty(len(series), bool)
    last[-1:] = True
    np.not_equal(series[1:], series[:-1], out=last[:-1])
    chosen = order[last]
    return ReadingBlock(
        block.series[chosen], block.observed_at[chosen], block.value[chosen], block.quality[chosen]
    )


def save_latest(connection: Connection, site: str, recorded_at: datetime, newest: ReadingBlock) -> None:
    """Set the latest value of each series (each once in `newest`), unless a newer one stands there.

    An UPDATE takes half the time of an upsert, and only a series' first reading needs a row. Nobody else
    writes a site's latest values, so that nothing can come between the two statements.
    """
    columns = (
        _Array(">i4", newest.series),
        _Array("timestamp", newest.observed_at - _POSTGRES_EPOCH_US),
        _Array(">f8", newest.value),
        _Array(">i2", newest.quality),
    )
    updated = connection.execute(
        "UPDATE latest l SET observed_at = t.o, recorded_at = %s, value = t.v, quality = t.q"
        " FROM unnest(%s, %s, %s, %s) AS t(s, o, v, q)"
        " WHERE l.site = %s AND l.series = t.s AND l.observed_at <= t.o",
        (recorded_at, *columns, site),
    )
    if updated.rowcount < len(newest):
        connection.execute(
            "INSERT INTO latest (site, series, observed_at, recorded_at, value, quality)"
            " SELECT %s, s, o, %s, v, q FROM unnest(%s, %s, %s, %s) AS t(s, o, v, q)"
            " WHERE NOT EXISTS (SELECT FROM latest l WHERE l.site = %s AND l.series = t.s)",
            (site, recorded_at, *columns, site),
        )


@dataclass(frozen=True, slots=True)
class _Array:
    """A numpy column on its way into an array parameter; psycopg would walk a list value by value."""

    kind: str
    values: npt.NDArray[Any]


class _ArrayDumper(Dumper):
    """PostgreSQL's binary array: dimensions, null flag, element type, length, lower bound, elements."""

    format = Format.BINARY

    def get_key(self, obj: _Array, format: Any) -> Any:
        return (self.cls, obj.kind)

    def upgrade(self, obj: _Array, format: Any) -> _ArrayDumper:
        dumper = _ArrayDumper(self.cls)
        dumper.oid = _ARRAY_OIDS[obj.kind]
        return dumper

    def dump(self, obj: _Array) -> bytes:
        element = ">i8" if obj.kind == "timestamp" else obj.kind
        rows = np.empty(len(obj.values), [("length", ">i4"), ("value", element)])
        rows["length"] = rows.dtype["value"].itemsize
        rows["value"] = obj.values
        head = np.array([1, 0, _OIDS[obj.kind], len(rows), 1], ">i4")
        return head.tobytes() + rows.tobytes()


def prepare_connection(connection: Connection) -> Connection:
    """Teach a connection to take numpy columns as array parameters (needed by `save_latest`)."""
    connection.adapters.register_dumper(_Array, _ArrayDumper)
    return connection
