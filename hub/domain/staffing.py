"""How many guards a school needs, and whether its fire control room is staffed. Pure.

The head-count follows GB/T 29315-2022 as second-hand sources quote it: a day school with fewer than 100 pupils
at least one guard; with 1 000 or more at least three, and one more for each further 500. What lies between, and
what a boarding school needs, was not found in a source: those figures are ours, marked "to be verified", and a
school sets its own. A fire control room is staffed around the clock by two certified operators at least per
shift (GB 25201-2010 and the certificate's own rules; quoted second-hand as well).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from hub.domain.error import InvalidAct
from hub.domain.roster import Duty, instant

GUARD_LICENCE: Final = "guard_licence"
FIRE_CONTROL: Final = "fire_control_operator"
QUALIFICATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    GUARD_LICENCE: {"zh": "保安员证", "en": "guard licence"},
    FIRE_CONTROL: {"zh": "消防设施操作员证", "en": "fire-control operator certificate"},
    "first_aid": {"zh": "急救证", "en": "first-aid certificate"},
    "school_doctor": {"zh": "医师资格证", "en": "physician's licence"},
    "electrician": {"zh": "电工作业证", "en": "electrician's licence"},
    "special_equipment": {"zh": "特种设备作业证", "en": "special-equipment licence"},
    "health": {"zh": "健康证", "en": "health certificate"},
    "safety_manager": {"zh": "安全管理培训合格证", "en": "safety management training"},
}


@dataclass(frozen=True, slots=True)
class StaffingRule:
    """The figures of the head-count check. Those in `TO_BE_VERIFIED` are ours until somebody has the text."""

    small_below_pupils: int = 100
    small_guards: int = 1
    middle_guards: int = 2
    large_from_pupils: int = 1_000
    large_guards: int = 3
    step_pupils: int = 500
    boarding_extra_guards: int = 1
    control_room_certified: int = 2


TO_BE_VERIFIED: Final = frozenset({"middle_guards", "boarding_extra_guards"})


@dataclass(frozen=True, slots=True)
class SchoolFigures:
    """What a school is: its pupils, whether some live in, which posts are guards' and the fire control
    room's.
    """

    pupils: int
    boarding: bool
    guard_posts: tuple[str, ...]
    control_posts: tuple[str, ...]
    rule: StaffingRule = StaffingRule()
    set_by_school: frozenset[str] = frozenset()
    """Figures of the rule that the school set itself: no longer to be verified."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """How many guards, and the figures of the rule behind it; `to_be_verified`: those nobody has verified."""

    guards: int
    figures: tuple[str, ...]
    to_be_verified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeadCount:
    """Required against there: persons who hold a guards' post, and those of them whose licence is good."""

    requirement: Requirement
    guards: tuple[str, ...]
    licensed: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.requirement.guards - len(self.licensed))


@dataclass(frozen=True, slots=True)
class Qualified:
    """A person's certificate: good from `issued_on` to `expires_on`, both included; None: no limit."""

    person: str
    kind: str
    issued_on: date | None = None
    expires_on: date | None = None

    def good_on(self, day: date) -> bool:
        return (self.issued_on is None or self.issued_on <= day) and (
            self.expires_on is None or day <= self.expires_on
        )


@dataclass(frozen=True, slots=True)
class Shortage:
    """From `begins` until `ends` fewer certified operators than wanted are on duty; `persons` are all there."""

    begins: datetime
    ends: datetime
    certified: tuple[str, ...]
    persons: tuple[str, ...]
    wanted: int


def read_rule(document: Mapping[str, Any]) -> StaffingRule:
    """A rule from the figures that differ; raises InvalidAct with the figure and the cure."""
    known = {each.name for each in fields(StaffingRule)}
    for name, value in document.items():
        if name not in known:
            raise InvalidAct(f"rule.{name}: is no figure of the rule; use {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
            raise InvalidAct(f"rule.{name}: {value!r} is no whole number from 0 to 100000")
    rule = StaffingRule(**document)
    if rule.step_pupils < 1:
        raise InvalidAct("rule.step_pupils: is 0; write how many further pupils need one guard more")
    if rule.small_below_pupils > rule.large_from_pupils:
        raise InvalidAct("rule.small_below_pupils: is above large_from_pupils; lower it")
    return rule


def required_guards(school: SchoolFigures) -> Requirement:
    """How many guards the school needs at least."""
    rule, pupils = school.rule, school.pupils
    if pupils < rule.small_below_pupils:
        guards, figures = rule.small_guards, ["small_guards"]
    elif pupils < rule.large_from_pupils:
        guards, figures = rule.middle_guards, ["middle_guards"]
    else:
        guards = rule.large_guards + (pupils - rule.large_from_pupils) // rule.step_pupils
        figures = ["large_guards", "step_pupils"]
    if school.boarding:
        guards, figures = guards + rule.boarding_extra_guards, [*figures, "boarding_extra_guards"]
    doubtful = tuple(each for each in figures if each in TO_BE_VERIFIED - school.set_by_school)
    return Requirement(guards, tuple(figures), doubtful)


def count_heads(
    school: SchoolFigures,
    holders: Mapping[str, Sequence[str]],
    qualified: Iterable[Qualified],
    on: date,
) -> HeadCount:
    """`holders`: post -> the persons who hold it. Each counts once, however many posts he holds."""
    guards = tuple(dict.fromkeys(person for post in school.guard_posts for person in holders.get(post, ())))
    licences = {each.person for each in qualified if each.kind == GUARD_LICENCE and each.good_on(on)}
    return HeadCount(required_guards(school), guards, tuple(each for each in guards if each in licences))


def shortages(
    duty: Duty, school: SchoolFigures, qualified: Iterable[Qualified], begin: datetime, end: datetime
) -> tuple[Shortage, ...]:
    """When, between `begin` and `end`, the fire control room has fewer certified operators than its rule
    wants.
    """
    certificates: dict[str, list[Qualified]] = {}
    for each in qualified:
        if each.kind == FIRE_CONTROL:
            certificates.setdefault(each.person, []).append(each)
    wanted, posts = school.rule.control_room_certified, list(school.control_posts)
    if not posts:
        return ()
    changes = {
        instant(datetime.combine(day, time()), duty.time_zone)
        for several in certificates.values()
        for each in several
        for day in (each.issued_on, None if each.expires_on is None else each.expires_on + timedelta(days=1))
        if day is not None
    }
    inside = sorted({*duty.moments(posts, begin, end), *(each for each in changes if begin < each < end)})
    moments = [begin, *inside, end]
    found: list[Shortage] = []
    for here, there in itertools.pairwise(moments):
        day = here.astimezone(duty.time_zone).date()
        persons = tuple(dict.fromkeys(person for post in posts for person in duty.persons(post, here)))
        certified = tuple(
            person for person in persons if any(each.good_on(day) for each in certificates.get(person, ()))
        )
        if len(certified) >= wanted or here == there:
            continue
        last = found[-1] if found else None
        if last and last.ends == here and (last.certified, last.persons) == (certified, persons):
            found[-1] = Shortage(last.begins, there, certified, persons, wanted)
        else:
            found.append(Shortage(here, there, certified, persons, wanted))
    return tuple(found)
