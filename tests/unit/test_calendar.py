"""A school's calendar, day by day: what wins over what, what is doubted, what part of the day it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from hub.domain.calendar import (
    Bell,
    DayKind,
    Doubt,
    Edit,
    Period,
    SchoolCalendar,
    Span,
    SpanKind,
    Timetable,
)
from hub.domain.statutory import chinese_statutory

SHANGHAI = ZoneInfo("Asia/Shanghai")
BELLS = (
    Bell(Period.ARRIVAL, time(7, 0), time(8, 0)),
    Bell(Period.LESSON, time(8, 0), time(8, 45)),
    Bell(Period.LESSON, time(8, 55), time(9, 40)),
    Bell(Period.LEAVING, time(11, 40), time(12, 10)),
    Bell(Period.ARRIVAL, time(13, 30), time(14, 0)),
    Bell(Period.LESSON, time(14, 0), time(17, 0)),
    Bell(Period.LEAVING, time(16, 50), time(17, 30)),
)
WEEK = frozenset({1, 2, 3, 4, 5})
SCHOOL = SchoolCalendar(
    spans=(
        Span(SpanKind.TERM, date(2026, 3, 2), date(2026, 7, 3)),
        Span(SpanKind.TERM, date(2026, 9, 1), date(2027, 1, 15)),
        Span(SpanKind.VACATION, date(2026, 4, 27), date(2026, 4, 30), {"zh": "春假", "en": "spring break"}),
        Span(SpanKind.EXAM, date(2026, 6, 19), date(2026, 6, 22), {"zh": "中考", "en": "exam"}),
    ),
    edits={
        date(2026, 5, 9): Edit(DayKind.MAKEUP, follows=2),
        date(2026, 5, 25): Edit(DayKind.HOLIDAY, name={"zh": "运动会补休", "en": "day off"}),
        date(2026, 10, 1): Edit(DayKind.SCHOOL, follows=4),
    },
    timetables=(Timetable(WEEK, BELLS),),
    statutory=chinese_statutory(),
)


@pytest.mark.parametrize(
    ("day", "kind", "source", "follows"),
    [
        (date(2026, 3, 2), DayKind.SCHOOL, "week", 1),
        (date(2026, 3, 7), DayKind.WEEKEND, "week", None),
        # Labour Day is five days long and lies in the term; Saturday the 9th is worked, by Tuesday's lessons.
        (date(2026, 5, 1), DayKind.HOLIDAY, "statutory", None),
        (date(2026, 5, 5), DayKind.HOLIDAY, "statutory", None),
        (date(2026, 5, 9), DayKind.MAKEUP, "edit", 2),
        # The state's make-up Sunday: nobody said by which timetable.
        (date(2026, 9, 20), DayKind.MAKEUP, "statutory", 1),
        # A make-up day of the state in the vacation is none of the school's.
        (date(2026, 2, 28), DayKind.VACATION, "term", None),
        (date(2026, 4, 28), DayKind.VACATION, "vacation", None),
        (date(2026, 8, 3), DayKind.VACATION, "term", None),
        (date(2026, 6, 20), DayKind.EXAM, "exam", 1),
        (date(2026, 5, 25), DayKind.HOLIDAY, "edit", None),
        (date(2026, 10, 1), DayKind.SCHOOL, "edit", 4),
        (date(2026, 10, 2), DayKind.HOLIDAY, "statutory", None),
    ],
)
def test_the_first_that_says_something_decides(
    day: date, kind: DayKind, source: str, follows: int | None
) -> None:
    found = SCHOOL.day(day)
    assert (found.kind, found.source, found.follows) == (kind, source, follows)


def test_what_nobody_said_is_doubted_and_never_silent() -> None:
    assert not SCHOOL.day(date(2026, 12, 24)).provisional
    for day in (date(2026, 12, 25), date(2027, 1, 1), date(2003, 5, 1)):
        assert Doubt.STATUTORY_UNPUBLISHED in SCHOOL.day(day).doubts
    assert SCHOOL.day(date(2026, 9, 20)).doubts == (Doubt.TIMETABLE_ASSUMED,)
    assert SCHOOL.day(date(2026, 5, 9)).doubts == ()
    late = SCHOOL.day(date(2027, 3, 1))
    assert late.kind is DayKind.VACATION
    assert late.doubts == (Doubt.STATUTORY_UNPUBLISHED, Doubt.NO_TERM)
    assert SCHOOL.day(date(2026, 2, 2)).doubts == (Doubt.NO_TERM,)
    assert SCHOOL.day(date(2026, 8, 3)).doubts == ()
    empty = SchoolCalendar(statutory=chinese_statutory())
    assert empty.day(date(2026, 3, 2)).doubts == (Doubt.NO_TERM, Doubt.NO_TIMETABLE)


@pytest.mark.parametrize(
    ("clock", "period"),
    [
        ("05:59", Period.NIGHT),
        ("06:00", Period.CLOSED),
        ("07:00", Period.ARRIVAL),
        ("08:00", Period.LESSON),
        ("08:45", Period.BREAK),
        ("08:55", Period.LESSON),
        ("09:40", Period.BREAK),
        ("11:40", Period.LEAVING),
        ("12:10", Period.AFTER_SCHOOL),
        ("13:59", Period.ARRIVAL),
        ("16:50", Period.LEAVING),
        ("17:30", Period.AFTER_SCHOOL),
        ("21:59", Period.AFTER_SCHOOL),
        ("22:00", Period.NIGHT),
    ],
)
def test_parts_of_a_school_day(clock: str, period: Period) -> None:
    at = datetime.fromisoformat(f"2026-03-02T{clock}").replace(tzinfo=SHANGHAI)
    assert SCHOOL.period(at) is period
    assert SCHOOL.period(at.astimezone(UTC)) is period


def test_a_free_day_is_closed_and_a_day_without_timetable_unknown() -> None:
    at = datetime(2026, 3, 7, 9, 0, tzinfo=SHANGHAI)
    assert SCHOOL.period(at) is Period.CLOSED
    assert SchoolCalendar().period(at) is Period.CLOSED
    assert SchoolCalendar().period(datetime(2026, 3, 2, 9, 0, tzinfo=SHANGHAI)) is Period.UNKNOWN
    # By Tuesday's lessons, on a Saturday.
    assert SCHOOL.period(datetime(2026, 5, 9, 8, 0, tzinfo=SHANGHAI)) is Period.LESSON


def test_summer_and_winter_have_their_bells() -> None:
    winter = Timetable(WEEK, (Bell(Period.LESSON, time(8, 30), time(16, 0)),), ends=date(2026, 4, 30))
    summer = Timetable(WEEK, (Bell(Period.LESSON, time(8, 0), time(16, 0)),), begins=date(2026, 5, 1))
    school = SchoolCalendar(timetables=(winter, summer))
    assert school.period(datetime(2026, 4, 30, 8, 15, tzinfo=SHANGHAI)) is Period.CLOSED
    assert school.period(datetime(2026, 5, 4, 8, 15, tzinfo=SHANGHAI)) is Period.LESSON


def test_next_working_goes_over_holidays_and_stops_where_there_is_none() -> None:
    assert SCHOOL.next_working(date(2026, 4, 30)) == date(2026, 5, 6)
    assert SCHOOL.next_working(date(2026, 5, 8)) == date(2026, 5, 9)
    assert SCHOOL.next_working(date(2027, 1, 15)) is None
    assert SCHOOL.next_working(date.max) is None
