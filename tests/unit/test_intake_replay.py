"""A retained message is old by nature: its age proves no wrong clock (found in the demo: 26 false hazards)."""

from __future__ import annotations

import numpy as np

from hub.intake.clock import EdgeTime, reading_times

NOW = 1_800_000_000_000_000
EDGE = EdgeTime(NOW, 0, False)
OLD = np.array([NOW - 3_600_000_000], np.int64)
AHEAD = np.array([NOW + 3_600_000_000], np.int64)


def test_an_old_reading_out_of_a_memory_keeps_its_time_and_proves_no_drift() -> None:
    times = reading_times(OLD, EDGE, replayed=True)
    assert times.observed_at[0] == OLD[0]
    assert not times.drift.any()


def test_an_old_reading_that_is_news_proves_a_wrong_clock() -> None:
    times = reading_times(OLD, EDGE)
    assert times.observed_at[0] == NOW
    assert times.drift.all()


def test_a_memory_cannot_be_of_the_future() -> None:
    times = reading_times(AHEAD, EDGE, replayed=True)
    assert times.observed_at[0] == NOW
    assert times.drift.all()
