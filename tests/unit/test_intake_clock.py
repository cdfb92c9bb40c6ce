"""Three clocks: whose word is used, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from adapters.contract.message import AGE_UNKNOWN
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.domain.moment import microseconds
from hub.intake.clerk import Clerk
from hub.intake.clock import (
    ClockSight,
    edge_time,
    event_time,
    is_late,
    moment,
    moment_or_none,
    offset_at,
    reading_times,
)
from hub.intake.held import HeldSite
from hub.intake.run import Run

NOTHING: Any = None

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
YEAR_1970, YEAR_2106 = 5 * SECOND, 4_294_967_295 * SECOND


@pytest.mark.parametrize(("age_ms", "late"), [(0, False), (60_000, False), (60_001, True), (AGE_UNKNOWN, True)])
def test_late_is_over_a_minute_or_unknown(age_ms: int, late: bool) -> None:
    assert is_late(age_ms) is late


def test_an_edge_whose_clock_is_right_is_believed() -> None:
    assert edge_time(NOW - 90 * SECOND, 90_000, NOW, 5 * SECOND).at == NOW - 90 * SECOND
    assert edge_time(NOW, 0, NOW, None).at == NOW


@pytest.mark.parametrize("offset", [-3600 * SECOND, 6 * SECOND])
def test_an_edge_whose_clock_is_off_is_corrected_by_age(offset: int) -> None:
    corrected = edge_time(NOW - 2 * SECOND + offset, 2_000, NOW, offset)
    assert (corrected.at, corrected.uncertain) == (NOW - 2 * SECOND, False)


@pytest.mark.parametrize("step_s", [-7200, -20, 20, 7200])
@pytest.mark.parametrize("delay_s", [0, 40])
def test_a_clock_set_since_the_heartbeat_is_seen_and_a_delay_is_not_taken_for_it(
    step_s: int, delay_s: int
) -> None:
    heartbeat = ClockSight(SECOND, 100_000, NOW)
    sent = NOW + 8 * SECOND  # by the hub's clock
    for step in (0, step_s * SECOND):
        arrived = sent + delay_s * SECOND
        message = ClockSight(sent + SECOND + step - arrived, 108_000, arrived)
        assert offset_at(heartbeat, message) == SECOND + step


def test_an_edge_begun_anew_or_never_heard_is_known_by_its_message_alone() -> None:
    message = ClockSight(-3600 * SECOND, 2_000, NOW + 8 * SECOND)
    assert offset_at(ClockSight(0, 500_000, NOW), message) == -3600 * SECOND
    assert offset_at(None, message) == -3600 * SECOND
    assert offset_at(ClockSight(7, 500_000, NOW), ClockSight(-40 * SECOND, -1, NOW)) == 7


def test_what_is_dated_in_the_future_goes_by_its_age_though_the_clock_was_put_right_since() -> None:
    assert edge_time(NOW + 3600 * SECOND, 2_000, NOW, 0).at == NOW - 2 * SECOND
    assert edge_time(NOW + 5 * SECOND, 2_000, NOW, 0).at == NOW + 5 * SECOND


def test_nothing_is_in_the_future_when_neither_clock_nor_age_can_be_believed() -> None:
    corrected = edge_time(YEAR_2106, AGE_UNKNOWN, NOW, 3600 * SECOND)
    assert (corrected.at, corrected.uncertain) == (NOW, True)


@pytest.mark.parametrize("device", [YEAR_1970, YEAR_2106, -(2**63), 2**63 - 1, NOW - 5 * SECOND - 1])
def test_a_device_that_is_off_gives_way_to_the_edge(device: int) -> None:
    time = event_time(device, False, edge_time(NOW, 0, NOW, 0))
    assert (time.observed_at, time.uncertain, time.drift) == (NOW, True, True)


def test_a_device_within_five_seconds_is_believed() -> None:
    time = event_time(NOW - 5 * SECOND, False, edge_time(NOW, 0, NOW, 0))
    assert (time.observed_at, time.uncertain, time.drift) == (NOW - 5 * SECOND, False, False)


def test_a_replay_keeps_its_time_unless_it_lies_in_the_future() -> None:
    edge = edge_time(NOW, 0, NOW, 0)
    assert event_time(NOW - 3600 * SECOND, True, edge).observed_at == NOW - 3600 * SECOND
    assert event_time(YEAR_2106, True, edge).observed_at == NOW


def test_a_device_that_goes_by_its_edges_wrong_clock_has_no_drift_of_its_own() -> None:
    edge = edge_time(NOW + 3600 * SECOND, 1_000, NOW, 3600 * SECOND)
    time = event_time(NOW + 3600 * SECOND - SECOND, False, edge)
    assert (time.observed_at, time.drift) == (NOW - 2 * SECOND, False)


def test_without_a_word_of_the_device_the_edges_time_is_used() -> None:
    assert event_time(None, False, edge_time(NOW, 0, NOW, 0)).drift is None


def test_readings_follow_the_same_rules_row_by_row() -> None:
    said = np.array([NOW, NOW - 6 * SECOND, YEAR_1970, YEAR_2106, -(2**63), 2**63 - 1], "i8")
    edge = edge_time(NOW, 0, NOW, 0)
    times = reading_times(said, edge)
    assert times.observed_at.tolist() == [NOW] * 6
    assert times.drift.tolist() == [False, True, True, True, True, True]
    for row, at in enumerate(said.tolist()):
        alone = event_time(at, False, edge)
        assert (alone.observed_at, alone.drift) == (times.observed_at[row], times.drift[row])


def test_any_number_becomes_a_time_of_some_calendar() -> None:
    assert moment(2**63).year == 9999
    assert moment(-(2**63)).year == 1
    assert moment(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert moment_or_none(2**63) is None
    assert moment_or_none(None) is None


@pytest.mark.parametrize("device_lag_ms", [0, 300, 2_000])
@pytest.mark.parametrize("set_by_s", [-3_600, -40, -20, -4, 4, 20, 40])
def test_what_a_device_says_later_is_dated_later_however_the_hubs_clock_is_set(
    set_by_s: int, device_lag_ms: int
) -> None:
    """The clock is set at 10 s and put right at 40 s; edge and device go by the true time, and the site's
    recorded time by half of it while it is ahead. A time that jumped back would make a change history.
    """
    held = HeldSite("s", NOTHING, NOTHING, NOTHING, {}, {}, 0, 0, moment(NOW))
    clerk = Clerk(NOTHING, NOTHING, lambda sender: None)
    clerk.sites["site"] = held
    before = 0
    with pytest.MonkeyPatch.context() as patch:
        for tenth in range(1, 1_200):
            true_us = NOW + tenth * 100_000
            set_us = set_by_s * SECOND if 100 <= tenth < 400 else 0
            hub = moment(true_us + set_us)
            patch.setattr("hub.intake.held.steady_s", lambda tenth=tenth: tenth / 10)
            recorded_at = held.next_moment(hub)
            run = Run(Sender("site", "edge"), Lane.ALARM, 7, tenth, 1, -set_us, hub, uptime_ms=tenth * 100)
            edge = edge_time(true_us, 0, microseconds(recorded_at), clerk.offset(run))
            said = true_us - device_lag_ms * 1_000
            used = event_time(said, False, edge).observed_at
            if used != said:
                used = max(used, before)  # a time that is the hub's own measure keeps to the lane's order
            assert used >= before - 11_000, f"at {tenth / 10} s"
            before = used
