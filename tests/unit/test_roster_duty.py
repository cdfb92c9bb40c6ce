"""Who is at a post at a minute: over midnight, by weekday, on the site's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from adapters.contract.vocabulary import Priority
from hub.domain.escalation import EscalationPolicy, read_escalation
from hub.domain.roster import Duty, Shift, on_duty

SHANGHAI = ZoneInfo("Asia/Shanghai")
EVERY_DAY = frozenset(range(1, 8))
SHIFTS = (
    Shift("guard", "day", EVERY_DAY, time(7), time(19)),
    Shift("guard", "night", EVERY_DAY, time(19), time(7)),
    Shift("leader", "friday-night", frozenset({5}), time(22), time(6)),
    Shift("always", "anna", EVERY_DAY, time(0), time(0)),
)


@pytest.mark.parametrize(
    ("local", "post", "wanted"),
    [
        ("2026-11-23 06:59:59", "guard", ("night",)),
        ("2026-11-23 07:00:00", "guard", ("day",)),
        ("2026-11-23 18:59:59", "guard", ("day",)),
        ("2026-11-23 19:00:00", "guard", ("night",)),
        ("2026-11-24 00:00:00", "guard", ("night",)),
        ("2026-11-27 23:00:00", "leader", ("friday-night",)),  # a Friday
        ("2026-11-28 05:59:59", "leader", ("friday-night",)),  # still Friday's shift
        ("2026-11-28 06:00:00", "leader", ()),
        ("2026-11-28 23:00:00", "leader", ()),  # Saturday has none
        ("2026-11-27 05:00:00", "leader", ()),  # Thursday's night is not Friday's
        ("2026-11-23 12:00:00", "always", ("anna",)),
        ("2026-11-23 00:00:00", "always", ("anna",)),
        ("2026-11-23 12:00:00", "nobody", ()),
    ],
)
def test_on_duty(local: str, post: str, wanted: tuple[str, ...]) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).astimezone(UTC)
    assert on_duty(SHIFTS, post, at, SHANGHAI) == wanted


def test_wall_clock_is_the_sites_own() -> None:
    at = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # 07:30 of the next day in Shanghai
    assert Duty(SHIFTS, SHANGHAI).person("guard", at) == "day"
    assert Duty(SHIFTS, ZoneInfo("UTC")).person("guard", at) == "night"


def test_a_person_with_two_shifts_counts_once() -> None:
    twice = (*SHIFTS, Shift("guard", "day", EVERY_DAY, time(8), time(12)))
    at = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert on_duty(twice, "guard", at, SHANGHAI) == ("day",)


def test_escalation_levels_and_their_times() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    policy = read_escalation({"posts": ["leader", "vice", "principal"]})
    seconds = []
    for priority in (Priority.CRITICAL, Priority.HIGH):
        reached, level = at, 0
        while (due := policy.due_at(priority, reached, level)) is not None:
            seconds.append(int((due - at).total_seconds()))
            reached, level = due, level + 1
        assert policy.next_post(level) is None
    assert seconds == [30, 60, 120, 90, 180, 300]


def test_without_posts_nothing_escalates() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    assert EscalationPolicy().due_at(Priority.CRITICAL, at, 0) is None
    assert EscalationPolicy(posts=("a",)).due_at(Priority.CRITICAL, at, 1) is None
