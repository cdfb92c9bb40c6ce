"""Readings for tests, stored as intake stores them, and roll-ups made by the hub's own job's rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from hub.domain.moment import microseconds
from hub.store.database import Connection
from hub.store.partition import Span, attach
from hub.store.reading import ReadingBlock, SeriesKey, add_series, copy_readings

SITE = "demo"
HOUR = timedelta(hours=1)


def this_hour(hours_ago: int = 0) -> datetime:
    """The beginning of an hour of the recent past, so that partitions are there."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours_ago * HOUR


def name_series(connection: Connection, keys: list[SeriesKey], site: str = SITE) -> None:
    """Number the series from 1."""
    add_series(connection, site, {key: number for number, key in enumerate(keys, 1)})


def store(
    connection: Connection,
    series: int,
    readings: Sequence[tuple[datetime, float] | tuple[datetime, float, int]],
    *,
    recorded_at: datetime | None = None,
    site: str = SITE,
) -> None:
    """Store (observed_at, value[, quality])."""
    copy_readings(connection, site, recorded_at or datetime.now(UTC), block_of(series, readings))


def block_of(
    series: int, readings: Sequence[tuple[datetime, float] | tuple[datetime, float, int]]
) -> ReadingBlock:
    """Readings of one series as a block."""
    return ReadingBlock(
        np.full(len(readings), series, np.int32),
        np.array([microseconds(each[0]) for each in readings], np.int64),
        np.array([each[1] for each in readings], np.float64),
        np.array([each[2] if len(each) > 2 else 0 for each in readings], np.uint8),
    )


def roll_up(connection: Connection, until: datetime, site: str = SITE) -> None:
    """Put everything recorded up to `until` into the roll-ups of every level, and say so. Plain SQL of the
    test's own, so that the query is measured against what a roll-up must be, not against the job.
    """
    for name in ("rollup_60", "rollup_900", "rollup_3600"):
        attach(connection, name, [Span(f"{name}_20200101", date(2020, 1, 1), date(2090, 1, 1))])
    connection.execute("DELETE FROM rollup WHERE site = %s", (site,))
    for level in (60, 900, 3600, 86400):
        connection.execute(
            "INSERT INTO rollup (site, series, bucket_s, at, count, good, usable, min, max, mean, last,"
            " last_at) SELECT site, series, %(level)s,"
            " date_bin(make_interval(secs => %(level)s), observed_at, 'epoch'), count(*),"
            " count(*) FILTER (WHERE quality = 0), count(*) FILTER (WHERE quality <= 1),"
            " min(value) FILTER (WHERE quality <= 1), max(value) FILTER (WHERE quality <= 1),"
            " avg(value) FILTER (WHERE quality <= 1),"
            " (array_agg(value ORDER BY observed_at DESC) FILTER (WHERE quality <= 1))[1],"
            " max(observed_at) FILTER (WHERE quality <= 1)"
            " FROM readings WHERE site = %(site)s AND recorded_at <= %(until)s GROUP BY 1, 2, 3, 4",
            {"level": level, "site": site, "until": until},
        )
    connection.execute(
        "INSERT INTO rollup_mark (site, recorded_at) VALUES (%s, %s)"
        " ON CONFLICT (site) DO UPDATE SET recorded_at = EXCLUDED.recorded_at",
        (site, until),
    )
