"""The hub's time goes forward only: a machine's clock that is set back stops no deadline and no order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.clock import ForwardClock

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_it_is_the_machines_clock_while_that_goes_forward() -> None:
    clock = ForwardClock()
    assert clock.read(NOON, 0.0) == NOON
    assert clock.read(NOON + seconds(10), 9.0) == NOON + seconds(10)
    assert clock.read(NOON + timedelta(hours=8), 10.0) == NOON + timedelta(hours=8), "a step ahead is believed"


def test_small_corrections_are_the_machines_own_business() -> None:
    clock = ForwardClock()
    clock.read(NOON, 0.0)
    assert clock.read(NOON - seconds(0.5), 0.1) == NOON - seconds(0.5)


def test_set_back_it_goes_on_at_the_steady_pace_until_the_machine_has_caught_up() -> None:
    clock = ForwardClock()
    ahead = NOON + timedelta(hours=8)
    clock.read(ahead, 100.0)
    assert clock.read(NOON, 101.0) == ahead + seconds(1)
    assert clock.read(NOON + seconds(59), 160.0) == ahead + seconds(60)
    assert clock.read(ahead + seconds(120), 170.0) == ahead + seconds(120)
