"""A site's recorded time under a clock that is set back: later is recorded later, and the clock catches up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.intake import held
from hub.intake.held import PACE, HeldSite

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


class Steady:
    """The steady clock, moved by the test."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    clock = Steady()
    monkeypatch.setattr(held, "steady_s", clock)
    return clock


def make_site(recorded_at: datetime, steady: Steady) -> HeldSite:
    nothing: Any = None
    return HeldSite("s", nothing, nothing, nothing, {}, {}, 0, 0, recorded_at, _asked_s=steady.now_s)


def test_it_is_the_clock_while_that_goes_forward(steady: Steady) -> None:
    site = make_site(NOON, steady)
    assert site.next_moment(NOON + timedelta(seconds=3)) == NOON + timedelta(seconds=3)
    assert site.ahead == timedelta(0)


def test_two_batches_of_one_moment_are_two_moments(steady: Steady) -> None:
    site = make_site(NOON, steady)
    assert site.next_moment(NOON) == NOON + timedelta(microseconds=1)


def test_a_clock_set_back_by_hours_keeps_the_order_and_catches_up(steady: Steady) -> None:
    ahead = timedelta(hours=8)
    site = make_site(NOON + ahead, steady)
    before = site.recorded_at
    for passed_s in (10.0, 3_600.0, 8 * 3_600.0):
        steady.now_s = passed_s
        moment = site.next_moment(NOON + timedelta(seconds=passed_s))
        assert before < moment
        assert site.ahead == ahead - timedelta(seconds=passed_s * (1 - PACE))
        before = moment
    steady.now_s = 17 * 3_600.0
    assert site.next_moment(NOON + timedelta(hours=17)) == NOON + timedelta(hours=17)
