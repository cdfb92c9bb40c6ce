"""Who stands at which post at a minute; shifts may go over midnight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Shift:
    """A person at a post on those ISO weekdays (1 Monday … 7 Sunday), by the site's wall clock.

    `ends` at or before `begins` ends on the next day; `ends` itself no longer belongs to it.
    """

    post: str
    person: str
    days: frozenset[int]
    begins: time
    ends: time


def on_duty(shifts: Sequence[Shift], post: str, at: datetime, time_zone: ZoneInfo) -> tuple[str, ...]:
    """The persons at a post at that moment, in the shifts' order. Empty: nobody."""
    local = at.astimezone(time_zone)
    clock, today = local.time(), local.isoweekday()
    yesterday = (local - timedelta(days=1)).isoweekday()
    persons: list[str] = []
    for shift in shifts:
        if shift.post != post or shift.person in persons:
            continue
        if shift.begins < shift.ends:
            there = today in shift.days and shift.begins <= clock < shift.ends
        else:
            there = (today in shift.days and clock >= shift.begins) or (
                yesterday in shift.days and clock < shift.ends
            )
        if there:
            persons.append(shift.person)
    return tuple(persons)


@dataclass(frozen=True, slots=True)
class Duty:
    """A site's roster."""

    shifts: tuple[Shift, ...] = field(default_factory=tuple)
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))

    def persons(self, post: str, at: datetime) -> tuple[str, ...]:
        """Everyone at the post at that moment."""
        return on_duty(self.shifts, post, at, self.time_zone)

    def person(self, post: str, at: datetime) -> str | None:
        """The first at the post at that moment; None: nobody."""
        persons = self.persons(post, at)
        return persons[0] if persons else None
