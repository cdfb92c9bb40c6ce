"""Readings asked by series: added up in buckets out of roll-ups and what is not rolled up yet, or one by one.

What was recorded up to the site's `rollup_mark` is in the roll-ups, whatever time it was observed; what
came later is added from `readings`. Both are seen at one moment, so nothing is counted twice and the newest
minute is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hub.domain.bucket import Bucketing
from hub.domain.moment import microseconds, moment_of
from hub.store.database import Connection, Row, fetch_all, reading

Series = tuple[int, str, str, str]
"""(number, device, address, point)."""
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
_HEAD_BYTES: Final = 19


def choose_series(
    connection: Connection,
    site: str,
    *,
    devices: Collection[str] | None,
    points: Collection[str] | None,
    addresses: Collection[str] | None,
    limit: int,
) -> list[Series]:
    """The series that fit every condition that is given, by device, address and point; `limit` at most."""
    rows = connection.execute(
        "SELECT series, device, address, point FROM series WHERE site = %(site)s"
        " AND (%(devices)s::text[] IS NULL OR device = ANY(%(devices)s))"
        " AND (%(points)s::text[] IS NULL OR point = ANY(%(points)s))"
        " AND (%(addresses)s::text[] IS NULL OR address = ANY(%(addresses)s))"
        " ORDER BY device, address, point LIMIT %(limit)s",
        {
            "site": site,
            "devices": None if devices is None else list(devices),
            "points": None if points is None else list(points),
            "addresses": None if addresses is None else list(addresses),
            "limit": limit,
        },
    )
    return rows.fetchall()


def add_up(connection: Connection, site: str, series: Sequence[int], buckets: Bucketing) -> list[Row]:
    """The buckets in which something is: series, slot (from 0), count, good, min, max, mean, last, last_at.

    count: all readings; good: those of quality good; the rest over usable values (good or uncertain), null
    where there is none. `mean` weighs each usable value alike.
    """
    with reading(connection):
        # By its value: with it the planner sees that little is newer, and need not look at every reading.
        mark = rolled_up_to(connection, site)
        return fetch_all(
            connection,
            "WITH part AS ("
            "  SELECT series, width_bucket(at, %(edges)s::timestamptz[]) - 1 AS slot,"
            "   count, good, usable, min, max, mean * usable AS total, last, last_at"
            "  FROM rollup WHERE site = %(site)s AND series = ANY(%(series)s) AND bucket_s = %(level)s"
            "   AND at >= %(begin)s AND at < %(end)s"
            "  UNION ALL"
            "  SELECT series, width_bucket(observed_at, %(edges)s::timestamptz[]) - 1,"
            "   count(*), count(*) FILTER (WHERE quality = 0), count(*) FILTER (WHERE quality <= 1),"
            "   min(value) FILTER (WHERE quality <= 1), max(value) FILTER (WHERE quality <= 1),"
            "   sum(value) FILTER (WHERE quality <= 1),"
            "   (array_agg(value ORDER BY observed_at DESC, recorded_at DESC) FILTER (WHERE quality <= 1))[1],"
            "   max(observed_at) FILTER (WHERE quality <= 1)"
            "  FROM readings WHERE site = %(site)s AND series = ANY(%(series)s)"
            "   AND observed_at >= %(begin)s AND observed_at < %(end)s AND recorded_at > %(mark)s"
            "  GROUP BY 1, 2)"
            " SELECT series, slot, sum(count)::bigint AS count, sum(good)::bigint AS good, min(min) AS min,"
            "  max(max) AS max, sum(total) / nullif(sum(usable), 0)::float8 AS mean,"
            "  (array_agg(last ORDER BY last_at DESC) FILTER (WHERE last_at IS NOT NULL))[1] AS last,"
            "  max(last_at) AS last_at"
            " FROM part GROUP BY series, slot ORDER BY series, slot",
            {
                "site": site,
                "series": list(series),
                "edges": list(buckets.edges),
                "level": buckets.level_s,
                "begin": buckets.edges[0],
                "end": buckets.edges[-1],
                "mark": mark or "-infinity",
            },
        )


def rolled_up_to(connection: Connection, site: str) -> datetime | None:
    """Up to which recorded time the roll-ups hold a site's readings; None: nothing was rolled up yet."""
    row = connection.execute("SELECT recorded_at FROM rollup_mark WHERE site = %s", (site,)).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Page:
    """Readings of one series by columns, in order of observed time; times in µs since 1970, UTC."""

    observed_at: npt.NDArray[np.int64]
    recorded_at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.value)


_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
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


def read_page(
    connection: Connection,
    site: str,
    series: int,
    *,
    begin: datetime,
    end: datetime,
    recorded_until: datetime,
    limit: int,
    skip: int = 0,
) -> Page:
    """The first readings observed in [begin, end) and recorded by `recorded_until`, which keeps pages that
    are asked for one after another from moving; `limit` at most, after the first `skip`.
    """
    query = (
        "COPY (SELECT observed_at, recorded_at, value, quality FROM readings WHERE site = %(site)s"
        " AND series = %(series)s AND observed_at >= %(begin)s AND observed_at < %(end)s"
        " AND recorded_at <= %(until)s ORDER BY observed_at, recorded_at, value, quality"
        " LIMIT %(limit)s OFFSET %(skip)s) TO STDOUT (FORMAT BINARY)"
    )
    parameters: dict[str, Any] = {
        "site": site,
        "series": series,
        "begin": begin,
        "end": end,
        "until": recorded_until,
        "limit": limit,
        "skip": skip,
    }
    with connection.cursor() as cursor, cursor.copy(query, parameters) as copy:
        data = b"".join(copy)
    # Every column has a fixed width: signature and header, rows, two bytes of trailer.
    rows = np.frombuffer(data, _ROW, count=(len(data) - _HEAD_BYTES - 2) // _ROW.itemsize, offset=_HEAD_BYTES)
    return Page(
        rows["observed_at"].astype(np.int64) + _POSTGRES_EPOCH_US,
        rows["recorded_at"].astype(np.int64) + _POSTGRES_EPOCH_US,
        rows["value"].astype(np.float64),
        rows["quality"].astype(np.int16),
    )


def next_place(page: Page, begin: datetime, skip: int) -> tuple[datetime, int]:
    """Where the page after a full one begins: (begin, skip) for `read_page`. Pure.

    Readings of one moment may be cut between two pages; so many of them were given already.
    """
    last = int(page.observed_at[-1])
    given = int(np.count_nonzero(page.observed_at == last))
    return moment_of(last), given + (skip if microseconds(begin) == last else 0)


def newest_values(
    connection: Connection,
    site: str,
    *,
    devices: Collection[str] | None,
    points: Collection[str] | None,
    limit: int,
) -> list[Row]:
    """The newest value of each series: device, address, point, value, quality, observed_at, recorded_at;
    the last four are null where none ever came.
    """
    return fetch_all(
        connection,
        "SELECT s.device, s.address, s.point, l.value, l.quality, l.observed_at, l.recorded_at"
        " FROM series s LEFT JOIN latest l USING (site, series) WHERE s.site = %(site)s"
        " AND (%(devices)s::text[] IS NULL OR s.device = ANY(%(devices)s))"
        " AND (%(points)s::text[] IS NULL OR s.point = ANY(%(points)s))"
        " ORDER BY s.device, s.address, s.point LIMIT %(limit)s",
        {
            "site": site,
            "devices": None if devices is None else list(devices),
            "points": None if points is None else list(points),
            "limit": limit,
        },
    )


def expected_intervals(connection: Connection, site: str) -> dict[tuple[str, str], float]:
    """How often a point is asked for, in seconds, by (device, point), where the device's profile says so:
    the poll class of a Modbus reading. What speaks by itself has no interval.
    """
    rows = connection.execute(
        "SELECT d.device, reading->>'point', min((m.modbus->'polls'->>(reading->>'poll'))::float8) / 1000"
        " FROM device d JOIN edge e ON e.site = d.site AND e.edge = d.edge"
        " CROSS JOIN LATERAL (SELECT e.settings->'profiles'->d.profile->'modbus' AS modbus) m"
        " CROSS JOIN LATERAL jsonb_array_elements(m.modbus->'readings') AS reading"
        " WHERE d.site = %s AND jsonb_typeof(m.modbus->'readings') = 'array'"
        "  AND m.modbus->'polls' ? (reading->>'poll') GROUP BY 1, 2",
        (site,),
    )
    return {(device, point): seconds for device, point, seconds in rows}
