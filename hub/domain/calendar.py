"""A school's calendar: what kind of day it is, and what part of the day. Pure; one object for rules, roster,
inspections and drills.

A day's kind is the first of these that says something: the school's own edit of that day; an exam; a statutory
holiday; a vacation (entered, or between the terms); a statutory make-up working day; the week. What was not
known is never guessed in silence: `Day.doubts` says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from hub.domain.judgement import Text
from hub.domain.statutory import NOTHING, Statutory

_DAY: Final = timedelta(days=1)
_MOST_DAYS: Final = 800
"""So far is looked for the next day with school."""
_MONDAY: Final = 1
_WEEKDAYS: Final = frozenset({1, 2, 3, 4, 5})


class DayKind(StrEnum):
    """What kind of day it is. `makeup`: a working day on what would be free, by the state or by the school."""

    SCHOOL = "school"
    MAKEUP = "makeup"
    EXAM = "exam"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    VACATION = "vacation"


WORKING: Final = frozenset({DayKind.SCHOOL, DayKind.MAKEUP, DayKind.EXAM})
"""Days on which school is held."""


class Period(StrEnum):
    """What part of the day it is. `closed`: no school, and not night. `unknown`: school is held, and no
    timetable says when.
    """

    ARRIVAL = "arrival"
    LESSON = "lesson"
    BREAK = "break"
    LEAVING = "leaving"
    AFTER_SCHOOL = "after_school"
    NIGHT = "night"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """What a day's kind rests on that nobody has said."""

    STATUTORY_UNPUBLISHED = "statutory_unpublished"
    """The state's notice for that time is not known to this program."""
    NO_TERM = "no_term"
    """No term is entered for that time; before the first term or after the last it counts as vacation."""
    TIMETABLE_ASSUMED = "timetable_assumed"
    """School is held on a day of the week that has no timetable: Monday's is taken."""
    NO_TIMETABLE = "no_timetable"


class SpanKind(StrEnum):
    TERM = "term"
    VACATION = "vacation"
    EXAM = "exam"


@dataclass(frozen=True, slots=True)
class Span:
    """Days in a row, the first and the last included."""

    kind: SpanKind
    begins: date
    ends: date
    name: Text = field(default_factory=dict)

    def __contains__(self, day: date) -> bool:
        return self.begins <= day <= self.ends


@dataclass(frozen=True, slots=True)
class Bell:
    """A part of a school day by the wall clock; `ends` itself no longer belongs to it. `period` is arrival,
    lesson or leaving: the rest follows from these.
    """

    period: Period
    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class Timetable:
    """The bells of some days of the week (ISO: 1 Monday … 7 Sunday), for some months where `begins` or `ends`
    is given (summer and winter time-tables).
    """

    weekdays: frozenset[int]
    bells: tuple[Bell, ...]
    begins: date | None = None
    ends: date | None = None
    name: Text = field(default_factory=dict)

    def applies(self, day: date) -> bool:
        """Whether it is in use on that date, whatever day of the week it is."""
        return (self.begins is None or self.begins <= day) and (self.ends is None or day <= self.ends)


@dataclass(frozen=True, slots=True)
class Edit:
    """What the school itself says of one date. `follows`: by which weekday's timetable; None: its own."""

    kind: DayKind
    follows: int | None = None
    name: Text = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Day:
    """A date with its kind. `follows` is the ISO weekday whose timetable is in use; None without school.
    `source`: edit, exam, statutory, vacation, term or week.
    """

    day: date
    kind: DayKind
    source: str
    name: Text
    follows: int | None
    doubts: tuple[Doubt, ...] = ()

    @property
    def provisional(self) -> bool:
        """Whether it may turn out otherwise."""
        return bool(self.doubts)


@dataclass(frozen=True, slots=True)
class SchoolCalendar:
    """One school's calendar. Empty it still answers: the week, every doubt named."""

    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    spans: tuple[Span, ...] = ()
    edits: Mapping[date, Edit] = field(default_factory=dict)
    timetables: tuple[Timetable, ...] = ()
    night_begins: time = time(22, 0)
    night_ends: time = time(6, 0)
    statutory: Statutory = NOTHING

    def date_at(self, at: datetime) -> date:
        """The school's date at a moment (aware)."""
        return at.astimezone(self.time_zone).date()

    def day(self, day: date) -> Day:
        """What kind of day a date is, and why."""
        kind, source, name, follows, doubts = self._judge(day)
        if kind not in WORKING:
            return Day(day, kind, source, name, None, doubts)
        if not self.timetables:
            return Day(day, kind, source, name, follows or day.isoweekday(), (*doubts, Doubt.NO_TIMETABLE))
        wanted = follows or day.isoweekday()
        if self._timetable(day, wanted) is None and follows is None:
            return Day(day, kind, source, name, _MONDAY, (*doubts, Doubt.TIMETABLE_ASSUMED))
        return Day(day, kind, source, name, wanted, doubts)

    def working(self, day: date) -> bool:
        """Whether school is held: school, make-up and exam days."""
        return self._judge(day)[0] in WORKING

    def next_working(self, after: date) -> date | None:
        """The first day with school after a date; None where there is none within two years."""
        day = after
        for _ in range(_MOST_DAYS):
            if day == date.max:
                return None
            day += _DAY
            if self.working(day):
                return day
        return None

    def bells(self, day: date) -> tuple[Bell, ...]:
        """The bells of a date in order; empty without school or without a timetable."""
        follows = self.day(day).follows
        table = None if follows is None else self._timetable(day, follows)
        return () if table is None else tuple(sorted(table.bells, key=lambda bell: (bell.begins, bell.ends)))

    def period(self, at: datetime) -> Period:
        """What part of the day it is at a moment (aware), by the school's wall clock."""
        local = at.astimezone(self.time_zone)
        day, clock = local.date(), local.time()
        bells = self.bells(day)
        ringing = {bell.period for bell in bells if bell.begins <= clock < bell.ends}
        # Where the gate is open while others sit in class, what happens at the gate counts.
        for period in (Period.ARRIVAL, Period.LEAVING, Period.LESSON):
            if period in ringing:
                return period
        if self._is_night(clock):
            return Period.NIGHT
        if not bells:
            return Period.UNKNOWN if self.working(day) else Period.CLOSED
        before = [bell for bell in bells if bell.ends <= clock]
        if not before:
            return Period.CLOSED
        last = max(before, key=lambda bell: bell.ends)
        # After the last bell, and after a leaving at noon, those who stayed are on their own.
        is_over = last.period is Period.LEAVING or all(bell.ends <= clock for bell in bells)
        return Period.AFTER_SCHOOL if is_over else Period.BREAK

    def _is_night(self, clock: time) -> bool:
        if self.night_begins <= self.night_ends:
            return self.night_begins <= clock < self.night_ends
        return clock >= self.night_begins or clock < self.night_ends

    def _timetable(self, day: date, weekday: int) -> Timetable | None:
        for table in self.timetables:
            if weekday in table.weekdays and table.applies(day):
                return table
        return None

    def _judge(self, day: date) -> tuple[DayKind, str, Text, int | None, tuple[Doubt, ...]]:
        """Kind, source, name, whose timetable where somebody said it, doubts."""
        edit = self.edits.get(day)
        if edit is not None:
            return edit.kind, "edit", edit.name, edit.follows, ()
        exam = self._span(SpanKind.EXAM, day)
        if exam is not None:
            return DayKind.EXAM, "exam", exam.name, None, ()
        ordered = self.statutory.day(day)
        if ordered is not None and ordered.off:
            return DayKind.HOLIDAY, "statutory", ordered.name, None, ()
        doubts = () if self.statutory.is_published(day) else (Doubt.STATUTORY_UNPUBLISHED,)
        vacation = self._span(SpanKind.VACATION, day)
        if vacation is not None:
            return DayKind.VACATION, "vacation", vacation.name, None, ()
        terms = [span for span in self.spans if span.kind is SpanKind.TERM]
        if not terms:
            doubts = (*doubts, Doubt.NO_TERM)
        elif not any(day in term for term in terms):
            outside = day < min(term.begins for term in terms) or day > max(term.ends for term in terms)
            return DayKind.VACATION, "term", {}, None, (*doubts, Doubt.NO_TERM) if outside else ()
        if ordered is not None:
            return DayKind.MAKEUP, "statutory", ordered.name, None, doubts
        kind = DayKind.SCHOOL if day.isoweekday() in self._school_days(day) else DayKind.WEEKEND
        return kind, "week", {}, None, doubts

    def _school_days(self, day: date) -> frozenset[int]:
        found = frozenset[int]().union(*(table.weekdays for table in self.timetables if table.applies(day)))
        return found or _WEEKDAYS

    def _span(self, kind: SpanKind, day: date) -> Span | None:
        return next((span for span in self.spans if span.kind is kind and day in span), None)
