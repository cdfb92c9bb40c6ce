"""A series out of roll-ups and what is not rolled up yet: exactly what the readings say, whatever the mix."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from hub.domain.bucket import lay_buckets
from hub.store.database import Connection, connect
from hub.store.migration import layout_of
from hub.store.rollup import Window, begin_rollups
from hub.store.rollup import roll_up as roll_up_window
from hub.store.series import add_up, next_place, read_page
from tests.reading_scene import HOUR, SITE, name_series, roll_up, store, this_hour

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    opened = connect(any_database, application="test")
    name_series(opened, [("meter", "", "voltage_v"), ("meter", "", "current_a")])
    yield opened
    opened.close()


@pytest.mark.parametrize("width", ["1m", "5m", "15m", "30m", "1h", "6h", "1d"])
@pytest.mark.parametrize("seed", [1, 2])
def test_any_mix_of_rolled_up_and_new_is_what_the_readings_say(
    connection: Connection, width: str, seed: int
) -> None:
    """The model is plain Python over the same readings, of every quality, early, late and of equal time."""
    dice = random.Random(seed)
    begin = this_hour(30)
    spread = 3_600 if width == "1m" else 90_000
    readings = [
        (
            begin + timedelta(seconds=dice.randrange(spread)),
            dice.uniform(-5, 5),
            dice.choice([0, 0, 0, 1, 2, 3, 4]),
        )
        for _ in range(400)
    ]
    recorded = datetime.now(UTC) - HOUR
    half = len(readings) // 2
    store(connection, 1, readings[:half], recorded_at=recorded)
    roll_up(connection, recorded + MINUTE)
    store(connection, 1, readings[half:], recorded_at=recorded + 2 * MINUTE)
    store(connection, 2, [(begin, 1.0)], recorded_at=recorded)
    buckets = lay_buckets(width, begin, begin + timedelta(seconds=spread), SHANGHAI)
    rows = {row["slot"]: row for row in add_up(connection, SITE, [1], buckets)}
    for slot, (since, until) in enumerate(pairwise(buckets.edges)):
        inside = [each for each in readings if since <= each[0] < until]
        if not inside:
            assert slot not in rows
            continue
        row, usable = rows[slot], [each for each in inside if each[2] <= 1]
        assert row["count"] == len(inside)
        assert row["good"] == sum(each[2] == 0 for each in inside)
        if not usable:
            assert (row["min"], row["max"], row["mean"], row["last"]) == (None, None, None, None)
            continue
        assert row["min"] == min(each[1] for each in usable)
        assert row["max"] == max(each[1] for each in usable)
        assert row["mean"] == pytest.approx(sum(each[1] for each in usable) / len(usable))
        assert row["last_at"] == max(each[0] for each in usable)
        assert row["last"] in [each[1] for each in usable if each[0] == row["last_at"]]
    assert sum(row["count"] for row in rows.values()) == len(readings)


def test_without_any_roll_up_the_readings_themselves_are_added_up(connection: Connection) -> None:
    begin = this_hour(2)
    store(connection, 1, [(begin, 1.0), (begin + MINUTE, 3.0)])
    (row,) = add_up(connection, SITE, [1], lay_buckets("1h", begin, begin + HOUR, UTC))
    assert (row["count"], row["mean"], row["last"]) == (2, 2.0, 3.0)


def test_pages_hold_every_reading_once_even_of_one_moment(connection: Connection) -> None:
    begin = this_hour(2)
    same = begin + MINUTE
    readings = [(begin, 0.0), *[(same, float(n)) for n in range(1, 8)], (same + MINUTE, 8.0)]
    store(connection, 1, readings)
    until = datetime.now(UTC)
    store(connection, 1, [(begin + timedelta(seconds=1), 99.0)], recorded_at=until + HOUR)
    for limit in (1, 2, 3, 4, 100):
        found: list[float] = []
        place, skip = begin, 0
        for _ in range(20):
            page = read_page(
                connection,
                SITE,
                1,
                begin=place,
                end=begin + HOUR,
                recorded_until=until,
                limit=limit,
                skip=skip,
            )
            found += page.value.tolist()
            if len(page) < limit:
                break
            place, skip = next_place(page, place, skip)
        assert found == [float(n) for n in range(9)], limit


def test_the_hub_s_own_roll_ups_and_the_newest_readings_are_one(connection: Connection) -> None:
    """The same over the job's roll-ups, moved forward while readings of every hour go on coming in late."""
    begin = this_hour(4)
    buckets = lay_buckets("1h", begin, begin + 3 * HOUR, UTC)
    mark = begin_rollups(connection, layout_of(connection), SITE, begin)
    told: list[tuple[datetime, float]] = []
    for turn in range(4):
        recorded = begin + (turn + 1) * MINUTE
        news = [(begin + hour * HOUR + turn * MINUTE, float(10 * turn + hour)) for hour in range(3)]
        store(connection, 1, news, recorded_at=recorded)
        told += news
        if turn % 2:
            roll_up_window(connection, [Window(SITE, mark, recorded)])
            mark = recorded
        rows = add_up(connection, SITE, [1], buckets)
        assert [row["count"] for row in rows] == [turn + 1] * 3
        for row in rows:
            inside = [
                value for at, value in told if at >= begin + row["slot"] * HOUR and value % 10 == row["slot"]
            ]
            assert row["mean"] == pytest.approx(sum(inside) / len(inside))
            assert (row["min"], row["max"], row["last"]) == (min(inside), max(inside), inside[-1])
