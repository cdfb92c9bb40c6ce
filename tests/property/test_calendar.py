"""A calendar answers for every date and moment, in every zone: midnight, changes of the clock, year ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.calendar import (
    WORKING,
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
from hub.domain.statutory import NOTHING, chinese_statutory

# With a change of the clock, at another hour each, one of 30 minutes, and one that skipped a whole day.
ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
]
DATES = st.dates(date(2003, 1, 1), date(2031, 12, 31))
MOMENTS = st.builds(
    lambda day, clock: datetime.combine(day, clock, UTC),
    st.dates(date(2003, 1, 1), date(2031, 12, 31)),
    st.times(),
)
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@st.composite
def bells(draw: st.DrawFn) -> tuple[Bell, ...]:
    clocks = sorted(draw(st.sets(CLOCKS, min_size=2, max_size=10)))
    periods = st.sampled_from([Period.ARRIVAL, Period.LESSON, Period.LEAVING])
    return tuple(
        Bell(draw(periods), begins, ends) for begins, ends in zip(clocks[::2], clocks[1::2], strict=False)
    )


@st.composite
def spans(draw: st.DrawFn) -> Span:
    begins = draw(DATES)
    return Span(draw(st.sampled_from(SpanKind)), begins, begins + timedelta(days=draw(st.integers(0, 200))))


@st.composite
def calendars(draw: st.DrawFn) -> SchoolCalendar:
    edit = st.builds(Edit, st.sampled_from(DayKind), st.none() | st.integers(1, 7))
    table = st.builds(Timetable, st.frozensets(st.integers(1, 7), min_size=1), bells())
    return SchoolCalendar(
        time_zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        spans=tuple(draw(st.lists(spans(), max_size=4))),
        edits=draw(st.dictionaries(DATES, edit, max_size=4)),
        timetables=tuple(draw(st.lists(table, max_size=2))),
        night_begins=draw(CLOCKS),
        night_ends=draw(CLOCKS),
        statutory=draw(st.sampled_from([NOTHING, chinese_statutory()])),
    )


@given(calendars(), DATES)
def test_every_date_has_one_kind_and_says_what_it_rests_on(calendar: SchoolCalendar, day: date) -> None:
    found = calendar.day(day)
    assert calendar.working(day) is (found.kind in WORKING) is (found.follows is not None)
    if found.kind not in WORKING:
        assert calendar.bells(day) == ()
    if day in calendar.edits:
        assert (found.kind, found.source) == (calendar.edits[day].kind, "edit")
    elif found.source == "week" and not calendar.statutory.is_published(day):
        assert Doubt.STATUTORY_UNPUBLISHED in found.doubts
    following = calendar.next_working(day)
    if following is not None:
        assert following > day and calendar.working(following)
        assert not any(calendar.working(day + timedelta(days=n)) for n in range(1, (following - day).days))


@given(calendars(), MOMENTS)
def test_a_moment_has_the_period_of_its_wall_clock_and_nothing_else(
    calendar: SchoolCalendar, at: datetime
) -> None:
    """The same wall clock on the same date is the same part of the day, also in the hour that comes twice."""
    local = at.astimezone(calendar.time_zone)
    assert calendar.date_at(at) == local.date()
    period = calendar.period(at)
    assert period is calendar.period(local)
    twin = local.replace(fold=1 - local.fold)
    if twin.astimezone(UTC).astimezone(calendar.time_zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        assert calendar.period(twin) is period
    rings = {bell.period for bell in calendar.bells(local.date()) if bell.begins <= local.time() < bell.ends}
    assert (period in rings) is bool(rings)
    if not calendar.working(local.date()):
        assert period in (Period.NIGHT, Period.CLOSED)


@given(calendars(), DATES)
def test_midnight_belongs_to_the_new_date(calendar: SchoolCalendar, day: date) -> None:
    midnight = datetime.combine(day, time(0), calendar.time_zone)
    there = midnight.astimezone(UTC).astimezone(calendar.time_zone)
    if there.replace(tzinfo=None) != midnight.replace(tzinfo=None):
        return  # the clock went over midnight, or the date did not exist
    assert calendar.date_at(midnight) == day
    assert calendar.date_at(midnight.astimezone(UTC) - timedelta(microseconds=1)) < day


@given(DATES)
def test_the_states_calendar_alone_decides_what_is_free_in_a_term(day: date) -> None:
    """Against the library itself, in every year that it knows; year ends included."""
    import chinese_calendar

    school = SchoolCalendar(
        spans=(Span(SpanKind.TERM, date(2000, 1, 1), date(2040, 1, 1)),), statutory=chinese_statutory()
    )
    if not school.statutory.is_published(day):
        assert Doubt.STATUTORY_UNPUBLISHED in school.day(day).doubts
        return
    assert school.working(day) is chinese_calendar.is_workday(day)
    assert Doubt.STATUTORY_UNPUBLISHED not in school.day(day).doubts
