"""Buckets of time: widths, local days, why one is empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.bucket import (
    WIDTHS_S,
    Outage,
    choose_width,
    empty_runs,
    explain_gap,
    kept_since,
    lay_buckets,
    pair_outages,
)
from hub.domain.error import InvalidAct
from hub.domain.retention import DEFAULT

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("hours", "points", "width"),
    [
        (1, 500, "1m"),
        (24, 500, "5m"),
        (24, 100, "15m"),
        (24 * 7, 500, "30m"),
        (24 * 365, 500, "1d"),
        (8766, 9, "1d"),
    ],
)
def test_auto_is_the_finest_that_fits(hours: int, points: int, width: str) -> None:
    assert choose_width(NOON - hours * HOUR, NOON, points) == width


def test_auto_takes_no_roll_up_that_is_gone() -> None:
    since = kept_since({**DEFAULT, "rollup_hour": None}, NOON)
    assert set(since) == {60, 900}
    for days, width in ((1, "1m"), (91, "15m"), (367, "1h"), (9999, "1h")):
        begin = NOON - timedelta(days=days)
        assert choose_width(begin, begin + HOUR, 500, since) == width
    assert choose_width(since[60], since[60] + HOUR, 500, since) == "1m"
    assert choose_width(NOON - timedelta(days=9999), NOON, 500, kept_since(DEFAULT, NOON)) == "1d"


@pytest.mark.parametrize(
    ("zone", "first", "level_s"),
    [
        ("UTC", 0, 86_400),
        ("Asia/Shanghai", 16, 3_600),
        ("Asia/Kolkata", 18.5, 900),
        ("Asia/Kathmandu", 18.25, 900),
    ],
)
def test_a_day_is_the_schools_day_out_of_the_coarsest_roll_up_that_fits(
    zone: str, first: float, level_s: int
) -> None:
    buckets = lay_buckets("1d", NOON, NOON + 3 * 24 * HOUR, ZoneInfo(zone))
    begin = buckets.edges[0]
    assert (begin.hour + begin.minute / 60, buckets.level_s) == (first, level_s)
    assert {later - sooner for sooner, later in pairwise(buckets.edges)} == {24 * HOUR}


def test_a_day_of_23_hours_is_one_bucket() -> None:
    begin = datetime(2026, 3, 28, 12, tzinfo=UTC)
    buckets = lay_buckets("1d", begin, begin + 48 * HOUR, ZoneInfo("Europe/Berlin"))
    lengths = [later - sooner for sooner, later in pairwise(buckets.edges)]
    assert lengths == [24 * HOUR, 23 * HOUR, 24 * HOUR]
    assert lay_buckets("6h", begin, begin + HOUR, ZoneInfo("Europe/Berlin")).level_s == 3_600


@given(
    st.sampled_from(sorted(WIDTHS_S)),
    st.integers(31_536_000, 4_102_444_800),
    st.integers(1, 400_000_000),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_buckets_cover_the_time_without_hole_or_overlap(name: str, begin: int, span_ms: int, zone: str) -> None:
    since = datetime.fromtimestamp(begin, UTC)
    until = since + timedelta(milliseconds=span_ms)
    try:
        buckets = lay_buckets(name, since, until, ZoneInfo(zone))
    except InvalidAct as error:
        assert str(error).startswith("bucket: ")
        return
    edges = buckets.edges
    assert edges[0] <= since < edges[1]
    assert edges[-2] < until <= edges[-1]
    assert all(sooner < later for sooner, later in pairwise(edges))
    assert all(edge.timestamp() % buckets.level_s == 0 for edge in edges)


def test_too_many_buckets_are_refused_with_the_cure() -> None:
    with pytest.raises(InvalidAct, match=r"^bucket: 1m makes 10080 buckets .* choose a wider one"):
        lay_buckets("1m", NOON, NOON + 7 * 24 * HOUR, UTC)


def test_runs_of_empty_buckets() -> None:
    assert empty_runs([True, False, False, True, False]) == [(1, 2), (4, 4)]
    assert empty_runs([]) == []


def test_a_gap_is_explained_by_what_covered_most_of_it() -> None:
    offline = pair_outages([(NOON, True), (NOON + HOUR, False), (NOON + 5 * HOUR, True)], "device_offline")
    assert offline == [
        Outage(NOON, NOON + HOUR, "device_offline"),
        Outage(NOON + 5 * HOUR, None, "device_offline"),
    ]
    assert explain_gap(NOON, NOON + HOUR, offline) == "device_offline"
    assert explain_gap(NOON, NOON + 2 * HOUR, offline) == "device_offline"
    assert explain_gap(NOON, NOON + 3 * HOUR, offline) == "no_data"
    assert explain_gap(NOON + 9 * HOUR, NOON + 10 * HOUR, offline) == "device_offline"
    expired = Outage(NOON - HOUR, NOON + HOUR, "expired")
    assert explain_gap(NOON, NOON + HOUR, [*offline, expired]) == "expired"
    dropped = Outage(NOON, NOON + HOUR, "dropped")
    assert explain_gap(NOON, NOON + HOUR, [*offline, dropped]) == "dropped"
    assert explain_gap(NOON, NOON + HOUR, []) == "no_data"
