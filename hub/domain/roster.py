"""Who stands at which post at a moment. Pure: shifts over the school calendar, leave, substitution.

A shift begins on days by the school's wall clock: on weekdays, or on some days of a cycle, and either way only
on the kinds of day that it names. It belongs to the day on which it begins: a night shift of the last school
day goes on into the holiday. A wall-clock time that a clock change repeats means its first; one that it leaves
out means the moment of the change; so neighbouring shifts neither overlap nor leave a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from hub.domain.calendar import DayKind, Doubt, SchoolCalendar

EVERY_DAY: Final = frozenset(range(1, 8))
_DAY: Final = timedelta(days=1)
_UNTIMED: Final = frozenset({Doubt.NO_TIMETABLE, Doubt.TIMETABLE_ASSUMED})


@dataclass(frozen=True, slots=True)
class Cycle:
    """A rotation: of every `length` days counted from `since`, those numbered in `on` (0 is `since` itself)."""

    length: int
    on: frozenset[int]
    since: date

    def __contains__(self, day: date) -> bool:
        return (day - self.since).days % self.length in self.on


@dataclass(frozen=True, slots=True)
class Shift:
    """A person at a post from `begins` to `ends`; at or before `begins` means the next day, and `ends` itself
    no longer belongs to it.

    `days` are ISO weekdays (1 Monday … 7 Sunday); where there is a `cycle`, it counts instead. `kinds`: only on
    such days of the calendar; none: on any. On a make-up day that `kinds` names, the weekday is the one whose
    timetable the calendar follows, and where it says none, a weekly shift is on.
    """

    post: str
    person: str
    days: frozenset[int]
    begins: time
    ends: time
    zone: str | None = None
    kinds: frozenset[DayKind] = frozenset()
    cycle: Cycle | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """The last day on which it begins."""
    shift: int = 0

    def begins_on(self, day: date, calendar: SchoolCalendar) -> bool:
        """Whether it begins on that date."""
        if (self.valid_from and day < self.valid_from) or (self.valid_to and day > self.valid_to):
            return False
        if not self.kinds:
            return day in self.cycle if self.cycle else day.isoweekday() in self.days
        said = calendar.day(day)
        if said.kind not in self.kinds:
            return False
        if self.cycle is not None:
            return day in self.cycle
        if said.kind is not DayKind.MAKEUP:
            return day.isoweekday() in self.days
        return said.follows in self.days or bool(_UNTIMED & set(said.doubts))


@dataclass(frozen=True, slots=True)
class Absence:
    """A person is away from `begins` until `ends` (aware); why does not belong here."""

    person: str
    begins: datetime
    ends: datetime
    absence: int = 0


@dataclass(frozen=True, slots=True)
class Substitution:
    """From `begins` until `ends` (aware) `substitute` stands where `person` would, at `post` or (None)
    anywhere. Of several, the last entered counts; a substitute may have one in his turn.
    """

    post: str | None
    person: str
    substitute: str
    begins: datetime
    ends: datetime
    substitution: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stands at a post, by which shift, in whose place (None: his own)."""

    person: str
    shift: Shift
    instead_of: str | None


@dataclass(frozen=True)
class Duty:
    """A site's roster."""

    shifts: tuple[Shift, ...] = ()
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    calendar: SchoolCalendar = field(default_factory=SchoolCalendar)
    absences: tuple[Absence, ...] = ()
    substitutions: tuple[Substitution, ...] = ()
    """In the order of their entering."""

    def persons(self, post: str, at: datetime) -> tuple[str, ...]:
        """Everyone at the post at that moment (aware), in the shifts' order. Empty: nobody."""
        return tuple(standing.person for standing in self.standings(post, at))

    def person(self, post: str, at: datetime) -> str | None:
        """The first at the post at that moment; None: nobody."""
        persons = self.persons(post, at)
        return persons[0] if persons else None

    def standings(self, post: str, at: datetime) -> tuple[Standing, ...]:
        """Everyone at the post at that moment, each once, with the shift that says so."""
        found: dict[str, Standing] = {}
        today = at.astimezone(self.time_zone).date()
        for shift in self._by_post.get(post, ()):
            if not any(begins <= at < ends for begins, ends in self.occurrences(shift, today - _DAY, today)):
                continue
            person = self._stands(shift.person, post, at)
            if person is not None and person not in found:
                found[person] = Standing(person, shift, None if person == shift.person else shift.person)
        return tuple(found.values())

    def is_away(self, person: str, at: datetime) -> bool:
        """Whether the person is on leave at that moment."""
        return any(each.begins <= at < each.ends for each in self._absences.get(person, ()))

    def occurrences(self, shift: Shift, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """When a shift that begins on one of these dates begins and ends, in UTC. What a clock change swallows
        whole is left out.
        """
        day = first
        while day <= last:
            if shift.begins_on(day, self.calendar):
                over = day if shift.begins < shift.ends else day + _DAY
                begins = instant(datetime.combine(day, shift.begins), self.time_zone)
                ends = instant(datetime.combine(over, shift.ends), self.time_zone)
                if begins < ends:
                    yield begins, ends
            day += _DAY

    def moments(self, posts: Sequence[str], begin: datetime, end: datetime) -> list[datetime]:
        """The moments inside (begin, end) at which who stands at these posts may change, in order."""
        found: set[datetime] = set()
        first = begin.astimezone(self.time_zone).date() - _DAY
        last = end.astimezone(self.time_zone).date()
        for post in posts:
            for shift in self._by_post.get(post, ()):
                for occurrence in self.occurrences(shift, first, last):
                    found.update(occurrence)
        away = [(each.begins, each.ends) for each in self.absences]
        for begins, ends in (*away, *((each.begins, each.ends) for each in self.substitutions)):
            found.update((begins.astimezone(UTC), ends.astimezone(UTC)))
        return sorted(moment for moment in found if begin < moment < end)

    def _stands(self, person: str, post: str, at: datetime) -> str | None:
        """Who stands in this person's place: he himself, the end of a chain of substitutes, or nobody."""
        passed = {person}
        while True:
            substitute = next(
                (
                    each.substitute
                    for each in reversed(self._substitutions.get(person, ()))
                    if each.post in (None, post) and each.begins <= at < each.ends
                ),
                None,
            )
            if substitute is None:
                return None if self.is_away(person, at) else person
            if substitute in passed:
                return None
            passed.add(substitute)
            person = substitute

    @cached_property
    def _by_post(self) -> Mapping[str, list[Shift]]:
        found: dict[str, list[Shift]] = {}
        for shift in self.shifts:
            found.setdefault(shift.post, []).append(shift)
        return found

    @cached_property
    def _absences(self) -> Mapping[str, list[Absence]]:
        found: dict[str, list[Absence]] = {}
        for absence in self.absences:
            found.setdefault(absence.person, []).append(absence)
        return found

    @cached_property
    def _substitutions(self) -> Mapping[str, list[Substitution]]:
        found: dict[str, list[Substitution]] = {}
        for substitution in self.substitutions:
            found.setdefault(substitution.person, []).append(substitution)
        return found


@lru_cache(maxsize=8192)
def instant(local: datetime, time_zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which the wall clock of the zone has reached a naive local time."""
    later = local.replace(tzinfo=time_zone).astimezone(UTC)
    if later.astimezone(time_zone).replace(tzinfo=None) == local:
        return later
    # The clock leaps over it: between its reading by the new offset and by the old one lies the change.
    earlier = local.replace(tzinfo=time_zone, fold=1).astimezone(UTC)
    before = earlier.astimezone(time_zone).utcoffset()
    while later - earlier > timedelta(seconds=1):
        middle = (earlier + (later - earlier) / 2).replace(microsecond=0)
        if middle.astimezone(time_zone).utcoffset() == before:
            earlier = middle
        else:
            later = middle
    return later.replace(microsecond=0)
