"""Roll-ups equal what the raw readings say, whatever the order of arrival and however often the job ran, was
killed, or began anew."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.moment import microseconds
from hub.jobs import rollup as job
from hub.jobs.rollup import Rollups, next_length, next_windows
from hub.store.cursor import save_cursors
from hub.store.database import Connection, connect, transaction
from hub.store.reading import ReadingBlock, copy_readings
from hub.store.rollup import LEVELS, Window, full_minute, roll_up, rollup_spans, rollup_standings
from tests.intake_scene import SITE, furnish

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=30)
VALUES = st.one_of(
    st.integers(-50, 50).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([5e-324, -1e-200, 1.7e308, -1.7e308, 1e99, math.nan, math.inf, -0.0]),
)
READING = st.tuples(
    st.integers(1, 3),
    st.one_of(st.integers(0, 200), st.integers(0, 7 * 86_400), st.sampled_from([60, 3600, 86_400])),
    VALUES,
    st.integers(0, 4),
)
BATCH = st.tuples(st.just("batch"), st.integers(1, 4_000), st.lists(READING, min_size=1, max_size=12))
STEPS = st.lists(st.one_of(BATCH, st.just(("run", 0, [])), st.just(("killed", 0, []))), max_size=8)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    furnish(any_database)
    opened = connect(any_database, application="test")
    yield opened
    opened.close()


def store(connection: Connection, recorded_at: datetime, readings: list[Any], epoch: int = 1) -> None:
    """Readings as intake stores them: with their cursor, in one transaction. Times are seconds before."""
    block = ReadingBlock(
        np.array([each[0] for each in readings], np.int32),
        np.array([microseconds(recorded_at) - each[1] * 1_000_000 for each in readings], np.int64),
        np.array([each[2] for each in readings], np.float64),
        np.array([each[3] if math.isfinite(each[2]) else 3 for each in readings], np.uint8),
    )
    with transaction(connection):
        copy_readings(connection, SITE, recorded_at, block)
        save_cursors(connection, SITE, {("test-edge", epoch, 1): 1}, recorded_at)


def run(connection: Connection) -> None:
    """The chore of a process that has just begun, until nothing is left to do."""
    rollups = Rollups()
    rollups.work(connection, [SITE], START)
    while rollups.behind:
        rollups.work(connection, [SITE], START)


def rolled(connection: Connection) -> dict[tuple[int, int, datetime], tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT series, bucket_s, at, count, good, usable, min, max, mean, last, last_at FROM rollup"
    )
    return {row[:3]: row[3:] for row in rows}


def recomputed(connection: Connection) -> dict[tuple[int, int, datetime], tuple[Any, ...]]:
    """The same from the raw readings, in another language."""
    buckets = defaultdict(list)
    for series, observed_at, recorded_at, value, quality in connection.execute(
        "SELECT series, observed_at, recorded_at, value, quality FROM readings"
    ):
        for bucket_s in LEVELS:
            at = datetime.fromtimestamp(observed_at.timestamp() // bucket_s * bucket_s, UTC)
            buckets[series, bucket_s, at].append((observed_at, recorded_at, value, quality))
    found = {}
    for key, rows in buckets.items():
        usable = sorted(row for row in rows if row[3] <= 1 and abs(row[2]) <= 1e100)
        values = [row[2] for row in usable]
        told: tuple[Any, ...] = (None,) * 5
        if usable:
            mean = math.fsum(values) / len(values)
            told = (min(values), max(values), mean, usable[-1][2], usable[-1][0])
        found[key] = (len(rows), sum(row[3] == 0 for row in rows), len(usable), *told)
    return found


def compare(connection: Connection) -> None:
    ours, raw = rolled(connection), recomputed(connection)
    assert ours.keys() == raw.keys()
    for key, expected in raw.items():
        told = ours[key]
        assert (*told[:5], *told[6:]) == (*expected[:5], *expected[6:]), key
        assert (told[5] is None) == (expected[5] is None)
        if expected[5] is not None:
            scale = max(abs(expected[3]), abs(expected[4]))
            assert math.isclose(told[5], expected[5], rel_tol=1e-9, abs_tol=1e-12 * scale + 1e-90), key


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_rollups_are_what_the_raw_readings_say(connection: Connection, steps: list[Any]) -> None:
    connection.execute("TRUNCATE readings, rollup, rollup_mark, cursor")
    at = START
    for what, later_s, readings in steps:
        if what == "batch":
            at += timedelta(seconds=later_s)
            store(connection, at, readings)
        elif what == "run":
            run(connection)
        else:
            _killed(connection)
    # Time goes on, and so everything recorded so far is due.
    store(connection, at + timedelta(minutes=2), [(9, 0, 1.0, 0)])
    store(connection, at + timedelta(minutes=4), [(9, 0, 1.0, 0)])
    run(connection)
    connection.execute(
        "DELETE FROM readings WHERE recorded_at > (SELECT recorded_at FROM rollup_mark WHERE site = %s)",
        (SITE,),
    )
    compare(connection)


def _killed(connection: Connection) -> None:
    """A run that ends in the middle of its transaction."""
    for standing in rollup_standings(connection):
        if standing.rolled is None or standing.recorded is None or standing.rolled >= standing.recorded:
            continue
        with pytest.raises(KeyboardInterrupt), transaction(connection):
            roll_up(connection, [Window(SITE, standing.rolled, standing.recorded)])
            raise KeyboardInterrupt


def test_late_readings_repair_buckets_whose_raw_readings_are_gone(connection: Connection) -> None:
    store(connection, START, [(1, 30, 10.0, 0), (1, 20, 20.0, 0)])
    store(connection, START + timedelta(minutes=2), [(2, 0, 1.0, 0)])
    run(connection)
    before = rolled(connection)
    connection.execute("TRUNCATE readings")
    at = START + timedelta(hours=1)
    store(connection, at, [(1, 3600 + 40, 60.0, 1)])
    store(connection, at + timedelta(minutes=2), [(2, 0, 1.0, 0)])
    run(connection)
    for key, told in rolled(connection).items():
        if key[0] == 1 and key in before and told != before[key]:
            assert told[0] == before[key][0] + 1
            assert told[4] == 60.0 and told[6] == before[key][6]
    day = START.replace(hour=0, minute=0, second=0)
    if START.hour or START.minute:
        assert rolled(connection)[1, 86_400, day][:6] == (3, 2, 3, 10.0, 60.0, 30.0)


def test_two_processes_at_once_count_nothing_twice(connection: Connection) -> None:
    store(connection, START, [(1, 0, 1.0, 0)])
    store(connection, START + timedelta(minutes=2), [(1, 0, 1.0, 0)])
    run(connection)
    mark = rollup_standings(connection)[0].rolled
    assert mark is not None
    before = rolled(connection)
    assert roll_up(connection, [Window(SITE, mark - timedelta(days=1), mark)]) == 0
    assert rolled(connection) == before


def test_what_is_too_much_for_one_statement_goes_in_shorter_windows(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(40):
        store(connection, START + timedelta(minutes=minute), [(1, second, 1.0, 0) for second in range(60)])
    real, tried = job.roll_up, []

    def slow(connection: Connection, windows: list[Window]) -> int:
        (window,) = windows
        tried.append(window.end - window.begin)
        if window.end - window.begin > timedelta(minutes=3):
            with transaction(connection):
                connection.execute("SET LOCAL statement_timeout = 5")
                connection.execute("SELECT pg_sleep(1)")
        return real(connection, windows)

    monkeypatch.setattr(job, "roll_up", slow)
    monkeypatch.setattr(job, "_FIRST", timedelta(days=1))
    mark = START - timedelta(minutes=10)
    connection.execute("INSERT INTO rollup_mark (site, recorded_at) VALUES (%s, %s)", (SITE, mark))
    run(connection)
    assert tried[0] > timedelta(minutes=3)
    connection.execute("DELETE FROM readings WHERE recorded_at > (SELECT recorded_at FROM rollup_mark)")
    compare(connection)


def test_a_window_grows_and_shrinks_towards_its_aim() -> None:
    minute = timedelta(minutes=1)
    assert next_length(minute, 0.0) == 2 * minute
    assert next_length(minute, 1.5) == minute / 10
    assert next_length(timedelta(days=1), 0.0) == timedelta(days=1)
    assert next_length(timedelta(microseconds=1), 9.0) == timedelta(microseconds=1)


def test_sites_go_forward_together_and_each_from_its_own_mark() -> None:
    at, hour = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
    behind = [
        Window("a", at, at + 3 * hour),
        Window("b", at + hour / 2, at + hour),
        Window("c", at + hour, at + 2 * hour),
    ]
    now, later = next_windows(behind, hour)
    assert now == [Window("a", at, at + hour), Window("b", at + hour / 2, at + hour)]
    assert later == [Window("a", at + hour, at + 3 * hour), Window("c", at + hour, at + 2 * hour)]
    now, later = next_windows(later, 2 * hour)
    assert (len(now), later) == (2, [])


def test_a_minute_is_due_some_seconds_after_its_end() -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert full_minute(at + timedelta(seconds=4), 5) == at - timedelta(seconds=55)
    assert full_minute(at + timedelta(seconds=5), 5) == at + timedelta(seconds=5)


@pytest.mark.parametrize("bucket_s", sorted(LEVELS))
def test_partitions_of_a_level_leave_no_hole(bucket_s: int) -> None:
    first, last = datetime(2023, 12, 30, tzinfo=UTC).date(), datetime(2025, 3, 2, tzinfo=UTC).date()
    spans = rollup_spans(bucket_s, first, last)
    if bucket_s == 86_400:
        assert spans == []
        return
    assert spans[0].begin <= first and spans[-1].end > last
    assert all(one.end == two.begin for one, two in pairwise(spans))
    assert len({span.name for span in spans}) == len(spans)
