"""Who is at a post at a minute: over midnight, by weekday and cycle, over holidays and make-up days, leave and
substitution, on the site's own clock; and what that means for gaps, head-counts and responsibility."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.contract.vocabulary import Priority
from hub.domain.calendar import DayKind, Edit, SchoolCalendar, Span, SpanKind
from hub.domain.coverage import COMMANDER, ESCALATION, Need, blocks, gaps, needs_of, uncovered
from hub.domain.escalation import EscalationPolicy, read_escalation
from hub.domain.incident import Level
from hub.domain.plan import Plan, PlanStep
from hub.domain.roster import EVERY_DAY, Absence, Cycle, Duty, Shift, Substitution, instant

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = frozenset(range(1, 6))
SCHOOL_DAYS = frozenset({DayKind.SCHOOL, DayKind.MAKEUP, DayKind.EXAM})
CALENDAR = SchoolCalendar(
    time_zone=SHANGHAI,
    spans=(Span(SpanKind.TERM, date(2026, 9, 1), date(2027, 1, 20)),),
    edits={
        date(2026, 11, 26): Edit(DayKind.HOLIDAY),  # a Thursday
        date(2026, 11, 29): Edit(DayKind.MAKEUP, 4),  # a Sunday, by Thursday's timetable
        date(2026, 12, 5): Edit(DayKind.MAKEUP),  # a Saturday; nobody said whose
        date(2026, 12, 7): Edit(DayKind.EXAM),  # a Monday
    },
)
SHIFTS = (
    Shift("guard", "day", EVERY_DAY, time(7), time(19)),
    Shift("guard", "night", EVERY_DAY, time(19), time(7)),
    Shift("leader", "friday-night", frozenset({5}), time(22), time(6)),
    Shift("always", "anna", EVERY_DAY, time(0), time(0)),
    Shift("porter", "thursday", frozenset({4}), time(7), time(8), kinds=SCHOOL_DAYS),
    Shift("keeper", "school-night", WORKDAYS, time(21), time(7), kinds=SCHOOL_DAYS),
    Shift("keeper", "free-night", EVERY_DAY, time(21), time(7), kinds=frozenset(DayKind) - SCHOOL_DAYS),
    Shift("invigilator", "exam", EVERY_DAY, time(8), time(12), kinds=frozenset({DayKind.EXAM})),
    *(
        Shift("engine", who, EVERY_DAY, time(8), time(8), cycle=Cycle(3, frozenset({n}), date(2026, 11, 23)))
        for n, who in enumerate(("first", "second", "third"))
    ),
    Shift(
        "guest", "bounded", EVERY_DAY, time(20), time(4),
        valid_from=date(2026, 11, 24), valid_to=date(2026, 11, 25),
    ),
)  # fmt: skip
ROSTER = Duty(SHIFTS, SHANGHAI, CALENDAR)


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "post", "wanted"),
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
        # over the calendar
        ("2026-11-19 07:30:00", "porter", ("thursday",)),
        ("2026-11-26 07:30:00", "porter", ()),  # the holiday
        ("2026-11-29 07:30:00", "porter", ("thursday",)),  # made up on Sunday, by Thursday's timetable
        ("2026-12-05 07:30:00", "porter", ("thursday",)),  # a make-up day of no known timetable: everybody's
        ("2026-11-25 23:00:00", "keeper", ("school-night",)),
        ("2026-11-26 06:59:00", "keeper", ("school-night",)),  # begun on the school day, ends in the holiday
        ("2026-11-26 23:00:00", "keeper", ("free-night",)),
        ("2026-11-27 06:59:00", "keeper", ("free-night",)),
        ("2026-12-07 09:00:00", "invigilator", ("exam",)),
        ("2026-12-08 09:00:00", "invigilator", ()),
        # 24 h on, 48 h off
        ("2026-11-23 07:59:59", "engine", ("third",)),
        ("2026-11-23 08:00:00", "engine", ("first",)),
        ("2026-11-24 07:59:59", "engine", ("first",)),
        ("2026-11-24 08:00:00", "engine", ("second",)),
        ("2026-11-26 08:00:00", "engine", ("first",)),
        ("2025-11-23 08:00:00", "engine", ("second",)),  # it counts backwards, too
        # from a day to a day
        ("2026-11-23 21:00:00", "guest", ()),
        ("2026-11-24 21:00:00", "guest", ("bounded",)),
        ("2026-11-26 03:59:00", "guest", ("bounded",)),
        ("2026-11-26 21:00:00", "guest", ()),
    ],
)
def test_who_is_on_duty(at: str, post: str, wanted: tuple[str, ...]) -> None:
    assert ROSTER.persons(post, local(at)) == wanted


def test_the_wall_clock_is_the_sites_own() -> None:
    at = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # 07:30 of the next day in Shanghai
    assert Duty(SHIFTS, SHANGHAI).person("guard", at) == "day"
    assert Duty(SHIFTS, ZoneInfo("UTC")).person("guard", at) == "night"


def test_a_person_with_two_shifts_counts_once() -> None:
    twice = Duty((*SHIFTS, Shift("guard", "day", EVERY_DAY, time(8), time(12))), SHANGHAI)
    assert twice.persons("guard", local("2026-11-23 09:00")) == ("day",)


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        ("2026-03-29 00:59:59+00:00", "early"),  # 01:59:59 by the wall, then 03:00
        ("2026-03-29 01:00:00+00:00", "late"),  # 02:30 is left out: the change itself
        ("2026-10-25 00:29:59+00:00", "early"),
        ("2026-10-25 00:30:00+00:00", "late"),  # 02:30 for the first time
        ("2026-10-25 01:15:00+00:00", "late"),  # 02:15 once more, and still the late shift
    ],
)
def test_a_clock_change_leaves_no_hole_and_no_overlap(at: str, wanted: str) -> None:
    shifts = (
        Shift("p", "early", EVERY_DAY, time(20), time(2, 30)),
        Shift("p", "late", EVERY_DAY, time(2, 30), time(20)),
    )
    assert Duty(shifts, BERLIN).persons("p", datetime.fromisoformat(at)) == (wanted,)
    gone = Duty((Shift("p", "short", EVERY_DAY, time(2, 5), time(2, 55)),), BERLIN)
    assert gone.persons("p", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == ()
    walls = [datetime.combine(date(2026, 3, 29), time(2, minute)) for minute in (5, 55)]
    assert instant(walls[0], BERLIN) == instant(walls[1], BERLIN)


def test_leave_and_substitution() -> None:
    begin, end = local("2026-11-23 00:00"), local("2026-11-24 00:00")
    duty = Duty(SHIFTS, SHANGHAI, CALENDAR, absences=(Absence("day", begin, end),))
    noon, evening = local("2026-11-23 12:00"), local("2026-11-23 20:00")
    assert duty.persons("guard", noon) == () and duty.persons("guard", evening) == ("night",)
    assert duty.persons("guard", noon + timedelta(days=1)) == ("day",)
    by = Substitution("guard", "day", "max", begin, end)
    stood_in = replace(duty, substitutions=(by,))
    assert stood_in.persons("guard", noon) == ("max",)
    (standing,) = stood_in.standings("guard", noon)
    assert (standing.person, standing.instead_of) == ("max", "day")
    # The last entered counts; whoever stands in may be away or have a substitute in his turn; a circle is
    # nobody.
    later = Substitution(None, "day", "eva", begin, end)
    assert replace(duty, substitutions=(by, later)).persons("guard", noon) == ("eva",)
    onward = Substitution(None, "max", "eva", begin, end)
    assert replace(duty, substitutions=(by, onward)).persons("guard", noon) == ("eva",)
    circle = Substitution(None, "max", "day", begin, end)
    assert replace(duty, substitutions=(by, circle)).persons("guard", noon) == ()
    away = replace(stood_in, absences=(*duty.absences, Absence("max", begin, end)))
    assert away.persons("guard", noon) == ()
    elsewhere = replace(duty, substitutions=(replace(by, post="leader"),))
    assert elsewhere.persons("guard", noon) == ()


def test_gaps_and_blocks_meet_without_a_hole() -> None:
    begin, end = local("2026-11-23 00:00"), local("2026-11-30 00:00")
    absence = Absence("day", local("2026-11-25 10:00"), local("2026-11-25 12:00"))
    duty = Duty(SHIFTS, SHANGHAI, CALENDAR, absences=(absence,))
    (gap,) = gaps(duty, "guard", begin, end)
    assert (gap.begins, gap.ends) == (absence.begins, absence.ends)
    week = blocks(duty, "guard", begin, end)
    assert week[0].begins == begin and week[-1].ends == end
    assert all(one.ends == two.begins and one.persons != two.persons for one, two in itertools.pairwise(week))
    assert [gap.ends - gap.begins for gap in gaps(duty, "nobody", begin, end)] == [end - begin]


def test_which_post_of_which_plan_has_nobody() -> None:
    title = {"zh": "步骤", "en": "step"}
    steps = (PlanStep(1, title, "guard", 60), PlanStep(2, title, "leader", 60), PlanStep(3, title, "guard", 60))
    plan = Plan("fire", 1, title, Level.II, "leader", steps)
    needs = needs_of([plan], ["always", "guard"])
    assert needs["guard"] == (Need(ESCALATION, ()), Need("fire", (1, 3)))
    assert needs["leader"] == (Need("fire", (COMMANDER, 2)),)
    begin = local("2026-11-27 12:00")  # a Friday: the leader comes at 22:00 and goes at 06:00
    found = uncovered(ROSTER, needs, begin, begin + timedelta(hours=24))
    assert [(each.post, each.begins, each.ends) for each in found] == [
        ("leader", begin, local("2026-11-27 22:00")),
        ("leader", local("2026-11-28 06:00"), begin + timedelta(hours=24)),
    ]


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
