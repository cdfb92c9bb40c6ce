"""The roster against a slow, obvious oracle: minute by minute, each minute asking every shift of every day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.calendar import DayKind, Edit, SchoolCalendar
from hub.domain.coverage import blocks, gaps
from hub.domain.roster import Absence, Cycle, Duty, Shift, Substitution

ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
PEOPLE = st.sampled_from("abcd")
MINUTE = timedelta(minutes=1)
# The last days of March and October, where clocks change, and one where they do not.
FIRST_DAYS = st.sampled_from(
    [date(2026, 3, 28), date(2026, 10, 24), date(2026, 3, 7), date(2026, 4, 4), date(2026, 11, 24)]
)
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
CYCLES = st.integers(1, 6).flatmap(
    lambda length: st.builds(
        Cycle,
        st.just(length),
        st.frozensets(st.integers(0, length - 1), min_size=1),
        st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    )
)


@st.composite
def rosters(draw: st.DrawFn) -> tuple[Duty, datetime, datetime]:
    zone, first = ZoneInfo(draw(ZONES)), draw(FIRST_DAYS)
    begin = datetime.combine(first, time(), tzinfo=zone).astimezone(UTC)
    moments = st.integers(-600, 3600).map(lambda minutes: begin + minutes * MINUTE)
    spans = st.tuples(moments, moments).filter(lambda two: two[0] < two[1])
    days = st.none() | st.dates(first - timedelta(days=1), first + timedelta(days=2))
    shifts = draw(
        st.lists(
            st.builds(
                Shift,
                st.just("post"),
                PEOPLE,
                st.frozensets(st.integers(1, 7), min_size=1),
                CLOCKS,
                CLOCKS,
                kinds=st.just(frozenset[DayKind]()) | st.frozensets(st.sampled_from(DayKind), min_size=1),
                cycle=st.none() | CYCLES,
                valid_from=days,
                valid_to=days,
            ),
            max_size=4,
        )
    )
    edits = draw(
        st.dictionaries(
            st.dates(first - timedelta(days=1), first + timedelta(days=2)),
            st.builds(Edit, st.sampled_from(DayKind), st.none() | st.integers(1, 5)),
            max_size=3,
        )
    )
    absences = draw(st.lists(st.builds(lambda who, two: Absence(who, *two), PEOPLE, spans), max_size=3))
    substitutions = draw(
        st.lists(
            st.builds(
                lambda post, who, by, two: Substitution(post, who, by, *two),
                st.sampled_from([None, "post", "other"]),
                PEOPLE,
                PEOPLE,
                spans,
            ).filter(lambda each: each.person != each.substitute),
            max_size=4,
        )
    )
    calendar = SchoolCalendar(time_zone=zone, edits=edits)
    duty = Duty(tuple(shifts), zone, calendar, tuple(absences), tuple(substitutions))
    return duty, begin, begin + timedelta(hours=draw(st.integers(1, 50)))


def works_on(shift: Shift, day: date, calendar: SchoolCalendar) -> bool:
    if shift.valid_from is not None and day < shift.valid_from:
        return False
    if shift.valid_to is not None and day > shift.valid_to:
        return False
    said = calendar.day(day)
    if shift.kinds and said.kind not in shift.kinds:
        return False
    if shift.cycle is not None:
        passed = shift.cycle.since
        number = 0
        step = 1 if day >= passed else -1
        while passed != day:
            passed += timedelta(days=step)
            number = (number + step) % shift.cycle.length
        return number in shift.cycle.on
    if shift.kinds and said.kind is DayKind.MAKEUP:
        return True  # these calendars have no timetables: nobody knows whose day it makes up
    return day.isoweekday() in shift.days


def walk(duty: Duty, begin: datetime, end: datetime) -> list[tuple[datetime, tuple[str, ...]]]:
    """Minute by minute from three days before: a shift is on from the first minute at which the wall has come
    to its beginning until the first at which it has come to its end.
    """
    came: dict[datetime, datetime] = {}
    wanted = {
        datetime.combine(begin.astimezone(duty.time_zone).date() + timedelta(days=n), clock)
        for n in range(-3, 6)
        for shift in duty.shifts
        for clock in (shift.begins, shift.ends)
    }
    minute = begin - timedelta(days=4)
    waiting = sorted(wanted)
    while waiting:
        wall = minute.astimezone(duty.time_zone).replace(tzinfo=None)
        while waiting and waiting[0] <= wall:
            came[waiting.pop(0)] = minute
        minute += MINUTE
    found = []
    minute = begin
    while minute < end:
        persons: list[str] = []
        for shift in duty.shifts:
            for n in range(-2, 4):
                day = begin.astimezone(duty.time_zone).date() + timedelta(days=n)
                if not works_on(shift, day, duty.calendar):
                    continue
                over = day if shift.begins < shift.ends else day + timedelta(days=1)
                starts, stops = (
                    came[datetime.combine(day, shift.begins)],
                    came[datetime.combine(over, shift.ends)],
                )
                if starts <= minute < stops:
                    who = stands(duty, shift.person, minute)
                    if who is not None and who not in persons:
                        persons.append(who)
        found.append((minute, tuple(persons)))
        minute += MINUTE
    return found


def stands(duty: Duty, person: str, minute: datetime) -> str | None:
    seen = [person]
    while True:
        ways = [
            each.substitute
            for each in duty.substitutions
            if each.person == seen[-1] and each.post != "other" and each.begins <= minute < each.ends
        ]
        if not ways:
            break
        if ways[-1] in seen:
            return None
        seen.append(ways[-1])
    away = any(each.person == seen[-1] and each.begins <= minute < each.ends for each in duty.absences)
    return None if away else seen[-1]


@settings(max_examples=60, deadline=None)
@given(rosters())
def test_the_roster_is_what_walking_through_the_minutes_finds(drawn: tuple[Duty, datetime, datetime]) -> None:
    duty, begin, end = drawn
    truth = walk(duty, begin, end)
    week = blocks(duty, "post", begin, end)
    assert week[0].begins == begin and week[-1].ends == end
    holes = gaps(duty, "post", begin, end)
    number = 0
    for minute, persons in truth:
        while week[number].ends <= minute:
            assert week[number].ends == week[number + 1].begins
            number += 1
        assert week[number].persons == persons, minute
        assert any(hole.begins <= minute < hole.ends for hole in holes) == (not persons), minute
        if minute.minute % 15 == 0:
            assert duty.persons("post", minute) == persons, minute
