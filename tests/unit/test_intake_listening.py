"""What counts as listened time: no jump of the hub's own clock does (invariant 12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.domain.judgement import ListeningInput
from hub.intake.listening import Listening, recover_listening

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def begun() -> Listening:
    listening = Listening()
    listening.begin(NOON, 100.0)
    return listening


def test_time_that_passed_counts_once() -> None:
    listening = begun()
    assert listening.feed(after(10), 110.0) == [ListeningInput(NOON, after(10))]
    assert listening.feed(after(10), 110.0) == []
    assert listening.end(after(15), 115.0) == [ListeningInput(after(10), after(15))]
    assert listening.feed(after(20), 120.0) == []


def test_hours_by_which_the_clock_was_set_forward_do_not_count() -> None:
    jumped = after(8 * 3_600 + 10)
    assert begun().feed(jumped, 110.0) == [ListeningInput(jumped - timedelta(seconds=10), jumped)]


def test_nor_do_they_after_a_crash() -> None:
    jumped = after(8 * 3_600 + 10)
    row = {"at": jumped, "detail": begun().told(jumped, 110.0)}
    assert recover_listening(row) == [ListeningInput(jumped - timedelta(seconds=10), jumped)]


def test_who_had_not_listened_recovers_nothing() -> None:
    assert recover_listening(None) == []
    assert recover_listening({"at": NOON, "detail": Listening().told(NOON, 100.0)}) == []


def test_a_clock_that_was_set_back_counts_nothing_twice() -> None:
    listening = begun()
    listening.feed(after(10), 110.0)
    assert listening.feed(after(-3_600), 120.0) == []
    assert listening.feed(after(12), 125.0) == [ListeningInput(after(10), after(12))]


def test_what_was_listened_to_before_a_step_keeps_its_dates() -> None:
    """Whoever spoke then is dated by them; an interval that was moved as a whole would miss him."""
    listening = begun()
    assert listening.look(after(10), 110.0) == []
    set_forward = after(8 * 3_600 + 12)
    spans = [
        ListeningInput(NOON, after(10)),
        ListeningInput(set_forward - timedelta(seconds=2), set_forward),
    ]
    assert listening.unfed(set_forward, 112.0) == spans
    assert listening.look(set_forward, 112.0) == spans
    later = set_forward + timedelta(seconds=5)
    assert listening.unfed(later, 117.0) == [ListeningInput(set_forward, later)]
