"""A wrong clock is told, a message that only waited is not (found by killing the broker under the demo)."""

from __future__ import annotations

from hub.intake.drift import ClockWatch

SECOND = 1_000_000
HOUR = 3_600 * SECOND


def test_the_future_and_the_far_past_prove_a_wrong_clock_at_once() -> None:
    assert ClockWatch().judge("door", -8 * HOUR, 0) is True
    assert ClockWatch().judge("door", 8 * HOUR, 0) is True
    assert ClockWatch().judge("door", -6 * SECOND, 0) is True


def test_what_waited_in_a_device_proves_nothing_however_much_comes() -> None:
    watch = ClockWatch()
    for number in range(20):
        assert watch.judge("button", (60 - number) * SECOND, number * 100_000) is None
    assert watch.judge("button", 0, 30 * SECOND) is False


def test_the_same_offset_again_later_is_a_wrong_clock() -> None:
    watch = ClockWatch()
    assert watch.judge("button", 40 * SECOND, 0) is None
    assert watch.judge("button", 41 * SECOND, 2 * SECOND) is None, "one delivery of what had waited"
    assert watch.judge("button", 41 * SECOND, 20 * SECOND) is True


def test_a_good_message_between_clears_the_suspicion() -> None:
    watch = ClockWatch()
    assert watch.judge("button", 40 * SECOND, 0) is None
    assert watch.judge("button", 0, 15 * SECOND) is False
    assert watch.judge("button", 40 * SECOND, 30 * SECOND) is None
