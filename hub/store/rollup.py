"""Roll-ups: what a series did in each minute, quarter of an hour, hour and UTC day.

What is new is found by the time of recording: a site has one writer, whose recorded times rise from commit to
commit, so that `rollup_mark` parts what is in the roll-ups from what is not, whatever time it was observed.
Late readings are new readings. A window of recorded time becomes one delta, and the same delta is merged into
all four levels in the transaction that moves the mark: nothing is read again, so a bucket whose raw readings or
finer buckets have gone takes what comes late, too, and stays right.

`min`, `max`, `mean` and `last` are over usable values: quality good or uncertain, and not beyond ±1e100 (no
quantity is; their sums would end in PostgreSQL's overflow error). Of readings observed at the same time the one
recorded last is `last`, of those recorded at the same time the greatest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from hub.store.database import Connection, fetch_all, transaction, watched
from hub.store.partition import DAYS_AHEAD, Span, attach, held_days, midnight, open_range

MINUTE_S: Final = 60
QUARTER_S: Final = 900
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {MINUTE_S: "day", QUARTER_S: "month", HOUR_S: "year", DAY_S: ""}
)
"""Bucket in seconds -> how much time one partition of that level holds (empty: all of it in one)."""

_ROLL_UP: Final = """
WITH fresh AS MATERIALIZED (
    SELECT site, series, date_bin('1 minute', observed_at, '2000-01-01+00') AS minute, count(*) AS count,
        count(*) FILTER (WHERE quality = 0) AS good, count(*) FILTER (WHERE usable) AS usable,
        min(value) FILTER (WHERE usable) AS min, max(value) FILTER (WHERE usable) AS max,
        sum(CASE WHEN abs(value) < 1e-100 THEN 0 ELSE value END) FILTER (WHERE usable) AS total,
        max(ARRAY[date_part('epoch', observed_at), date_part('epoch', recorded_at), value])
            FILTER (WHERE usable) AS newest,
        max(observed_at) FILTER (WHERE usable) AS last_at
    FROM (SELECT r.*, r.quality <= 1 AND abs(r.value) <= 1e100 AS usable FROM readings AS r
        JOIN unnest(%(sites)s::text[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
            AS new (site, begins, ends)
        -- Only the time of recording may lead to the rows: by site and observed time they are a whole day's.
        ON r.site || '' = new.site AND r.recorded_at > new.begins AND r.recorded_at <= new.ends
        WHERE r.recorded_at > %(begin)s AND r.recorded_at <= %(end)s
        AND r.observed_at >= %(oldest)s AND r.observed_at < %(newest)s) AS rows
    GROUP BY 1, 2, 3
), merged AS (
    INSERT INTO rollup (site, series, bucket_s, at, count, good, usable, min, max, mean, last, last_at)
    SELECT site, series, bucket_s, date_bin(make_interval(secs => bucket_s), minute, '2000-01-01+00'),
        sum(count), sum(good), sum(usable), min(min), max(max), sum(total) / nullif(sum(usable), 0)::float8,
        (max(newest))[3], max(last_at)
    FROM fresh CROSS JOIN (VALUES (60), (900), (3600), (86400)) AS level (bucket_s)
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (site, series, bucket_s, at) DO UPDATE SET
        count = rollup.count + EXCLUDED.count,
        good = rollup.good + EXCLUDED.good,
        usable = rollup.usable + EXCLUDED.usable,
        min = least(rollup.min, EXCLUDED.min),
        max = greatest(rollup.max, EXCLUDED.max),
        mean = CASE WHEN EXCLUDED.usable = 0 THEN rollup.mean WHEN rollup.usable = 0 THEN EXCLUDED.mean
            ELSE (rollup.mean * rollup.usable + EXCLUDED.mean * EXCLUDED.usable)
                / (rollup.usable + EXCLUDED.usable) END,
        last = CASE WHEN EXCLUDED.last_at >= coalesce(rollup.last_at, EXCLUDED.last_at) THEN EXCLUDED.last
            ELSE rollup.last END,
        last_at = greatest(rollup.last_at, EXCLUDED.last_at)
)
SELECT coalesce(sum(count), 0) FROM fresh
"""


@dataclass(frozen=True, slots=True)
class Window:
    """What was recorded at a site in (begin, end]."""

    site: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a site's roll-ups are: `rolled` up to this time of recording, of what is `recorded`."""

    site: str
    rolled: datetime | None
    recorded: datetime | None


def rollup_standings(connection: Connection) -> list[Standing]:
    """Every site's. `recorded` is a time up to which everything recorded is committed: the site's one writer
    says it in the transactions of its items and inputs.
    """
    rows = fetch_all(
        connection,
        "SELECT s.site, m.recorded_at AS rolled, greatest("
        " (SELECT max(c.updated_at) FROM cursor c WHERE c.site = s.site),"
        " (SELECT h.at FROM history h WHERE h.site = s.site ORDER BY h.position DESC LIMIT 1)) AS recorded"
        " FROM site s LEFT JOIN rollup_mark m USING (site) ORDER BY s.site",
    )
    return [Standing(row["site"], row["rolled"], row["recorded"]) for row in rows]


def begin_rollups(connection: Connection, layout: str, site: str, recorded: datetime) -> datetime:
    """Set a site's first mark, before anything that the database holds of it; returns it."""
    days = held_days(connection, layout, "readings")
    oldest = midnight(days[0]) if days else recorded
    # What was observed on a day was recorded then or later, or at most so many days before.
    mark = min(oldest, recorded) - timedelta(days=DAYS_AHEAD + 1)
    connection.execute(
        "INSERT INTO rollup_mark (site, recorded_at) VALUES (%s, %s) ON CONFLICT DO NOTHING", (site, mark)
    )
    return mark


def roll_up(connection: Connection, windows: Sequence[Window]) -> int:
    """Take windows of different sites into the roll-ups, in one statement: what is recorded at the same time
    lies in the same place. Returns the number of readings. Leaves out a site whose mark does not stand at its
    window's beginning (another process was here). Raises StoreUnavailable, also where it takes longer than a
    statement may: then nothing changed, and shorter windows are to be asked for.
    """
    begin, end = min(each.begin for each in windows), max(each.end for each in windows)
    oldest, newest = open_range(begin)[0], open_range(end)[1]
    make_rollup_partitions(connection, oldest, newest)
    with transaction(connection):
        moved = connection.execute(
            "UPDATE rollup_mark AS m SET recorded_at = w.ends"
            " FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS w (site, begins, ends)"
            " WHERE m.site = w.site AND m.recorded_at = w.begins RETURNING m.site, w.begins, w.ends",
            (
                [each.site for each in windows],
                [each.begin for each in windows],
                [each.end for each in windows],
            ),
        ).fetchall()
        if not moved:
            return 0
        # Without statistics of a new day the planner would read the day; and it would sort the readings, by
        # a text, on the disk, to group them: more work than all the rest.
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")
        row = connection.execute(
            _ROLL_UP,
            {
                "sites": [site for site, _, _ in moved],
                "begins": [begins for _, begins, _ in moved],
                "ends": [ends for _, _, ends in moved],
                "begin": begin,
                "end": end,
                "oldest": oldest,
                "newest": newest,
            },
        ).fetchone()
        return int(row[0]) if row else 0


def summarize_new(connection: Connection) -> None:
    """Let the index by time of recording know the newest rows; what it does not know is read whole for every
    window. PostgreSQL would do it by itself, but only when its vacuum comes by. Hinders no writer.
    """
    with watched(connection):
        indexes = connection.execute(
            "SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'"
            " WHERE c.relkind = 'i'"
        ).fetchall()
        for (index,) in indexes:
            connection.execute("SELECT brin_summarize_new_values(%s::oid::regclass)", (index,))


def make_rollup_partitions(connection: Connection, begin: datetime, end: datetime) -> list[str]:
    """Make the missing partitions of all levels for the times [begin, end); returns their names."""
    made = []
    for bucket_s in LEVELS:
        made += attach(connection, f"rollup_{bucket_s}", rollup_spans(bucket_s, begin.date(), end.date()))
    return made


def rollup_spans(bucket_s: int, first: date, last: date) -> list[Span]:
    """The partitions of a level that hold the days first … last. Pure."""
    width = LEVELS[bucket_s]
    if not width:
        return []
    spans: list[Span] = []
    day = _floor(first, width)
    while day <= last:
        end = _after(day, width)
        spans.append(Span(f"rollup_{bucket_s}_{day:%Y%m%d}", day, end))
        day = end
    return spans


def _floor(day: date, width: str) -> date:
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[width]


def _after(day: date, width: str) -> date:
    return _floor(day + timedelta(days={"day": 1, "month": 31, "year": 366}[width]), width)


def full_minute(recorded: datetime, settled_s: float) -> datetime:
    """The last moment `settled_s` after a full minute. Windows end there, so that a minute's readings, which
    come within so many seconds, are written into their bucket once. Pure.
    """
    settled = timedelta(seconds=settled_s)
    return (recorded.astimezone(UTC) - settled).replace(second=0, microsecond=0) + settled
