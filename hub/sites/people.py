"""The people in a site.yaml: whom a site begins with. Where it has people already, the file changes none of
them.

A day is a date, or `+9d`: so many days after the file was first applied, for samples and the demo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from adapters.contract.topic import NAME
from hub.document import StrictModel, check_unique, fault
from hub.domain.calendar import DayKind
from hub.domain.error import InvalidAct
from hub.domain.responsibility import DUTIES, Rank, Responsibility
from hub.domain.roster import EVERY_DAY, Absence, Cycle, Shift, Substitution, instant
from hub.domain.staffing import SchoolFigures, read_rule
from hub.store.person import PersonSheet
from hub.store.seed import CommitteeSheet, PeopleTables

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_RELATIVE: Final = re.compile(r"[+-][0-9]{1,4}d")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("is not a name; use a-z 0-9 _ . - (63 at most, beginning with a letter or digit)")
    return value


def _clock(value: Any) -> Any:
    # A number here is YAML's reading of an unquoted 19:00 (sexagesimal 1140).
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError('is not a time of day; write "HH:MM" in quotes')
    return time(int(value[:2]), int(value[3:]))


def _day(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = str(value)
    if _RELATIVE.fullmatch(text):
        return timedelta(days=int(text[:-1]))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day; write 2026-09-01, or +9d for a sample") from None


def _text_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, AfterValidator(_name)]
Clock = Annotated[time, BeforeValidator(_clock)]
Day = Annotated[date | timedelta, BeforeValidator(_day)]
Words = Annotated[str, Field(min_length=1, max_length=200)]


class ContactConfiguration(StrictModel):
    kind: Name
    value: Annotated[str, BeforeValidator(_text_number), Field(min_length=1, max_length=200)]


class QualificationConfiguration(StrictModel):
    kind: Name
    number: Annotated[str, BeforeValidator(_text_number), Field(max_length=200)] = ""
    issued: Day | None = None
    expires: Day | None = None


class PersonConfiguration(StrictModel):
    """`contacts` in the order of use; `posts`: those that the person holds."""

    person: Name
    name: Words
    contacts: tuple[ContactConfiguration, ...] = ()
    posts: tuple[Name, ...] = ()
    qualifications: tuple[QualificationConfiguration, ...] = ()


class CycleConfiguration(StrictModel):
    """Of every `days` days counted from `since`, those numbered in `on` (0 is `since` itself)."""

    days: Annotated[int, Field(ge=1, le=366)]
    on: Annotated[tuple[Annotated[int, Field(ge=0, le=365)], ...], Field(min_length=1)]
    since: Day

    @model_validator(mode="after")
    def _inside(self) -> CycleConfiguration:
        if max(self.on) >= self.days:
            raise ValueError(f"on: {max(self.on)} lies outside a cycle of {self.days} days; it counts from 0")
        return self


class ShiftConfiguration(StrictModel):
    """`days` are weekdays; a `cycle` counts in place of them. `kinds`: only on such days of the calendar."""

    post: Name
    person: Name
    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)
    begins: Clock
    ends: Clock
    zone: Name | None = None
    kinds: tuple[DayKind, ...] = ()
    cycle: CycleConfiguration | None = None
    first: Day | None = None
    last: Day | None = None


class AbsenceConfiguration(StrictModel):
    """Whole days, the first and the last included."""

    person: Name
    first: Day
    last: Day


class SubstitutionConfiguration(StrictModel):
    """Whole days, the first and the last included; without a `post`, at every post."""

    person: Name
    substitute: Name
    post: Name | None = None
    first: Day
    last: Day


class ResponsibilityConfiguration(StrictModel):
    """Without a `zone`, for the whole site."""

    duty: Name = "safety"
    person: Name
    zone: Name | None = None
    rank: Rank = Rank.FIRST


class MemberConfiguration(StrictModel):
    person: Name
    seat: Literal["chair", "deputy", "secretary", "member"] = "member"


class SeatedName(StrictModel):
    zh: Words
    en: Words = ""


class CommitteeConfiguration(StrictModel):
    committee: Name
    name: SeatedName
    members: tuple[MemberConfiguration, ...] = ()


class StaffingConfiguration(StrictModel):
    """The school's figures for the head-count check; `rule`: figures that differ from the shipped ones."""

    pupils: Annotated[int, Field(ge=0, le=100_000)]
    boarding: bool = False
    guard_posts: tuple[Name, ...] = ()
    control_posts: tuple[Name, ...] = ()
    rule: dict[str, int] = Field(default={})

    @model_validator(mode="after")
    def _readable(self) -> StaffingConfiguration:
        try:
            read_rule(self.rule)
        except InvalidAct as error:
            raise ValueError(str(error)) from None
        return self


class PeopleConfiguration(StrictModel):
    """The part of a site.yaml that is about people."""

    persons: tuple[PersonConfiguration, ...] = ()
    shifts: tuple[ShiftConfiguration, ...] = ()
    absences: tuple[AbsenceConfiguration, ...] = ()
    substitutions: tuple[SubstitutionConfiguration, ...] = ()
    responsibilities: tuple[ResponsibilityConfiguration, ...] = ()
    committees: tuple[CommitteeConfiguration, ...] = ()
    staffing: StaffingConfiguration | None = None


def check_people(people: PeopleConfiguration, posts: set[str], zones: set[str], file: Path) -> Iterator[str]:
    """A fault for each name that stands twice, and for each that nothing bears."""
    yield from check_unique(people.persons, lambda each: each.person, lambda n: f"persons[{n}].person", file)
    yield from check_unique(
        people.committees, lambda each: each.committee, lambda n: f"committees[{n}].committee", file
    )
    persons = {person.person for person in people.persons}
    known = {"post": posts, "person": persons, "zone": zones}
    for at, what, value in _references(people):
        if value is not None and value not in known[what]:
            yield fault(file, at, f"is no {what} of this site; add it or correct it", value)
    for number, entry in enumerate(people.responsibilities):
        if entry.duty not in DUTIES:
            yield fault(
                file,
                f"responsibilities[{number}].duty",
                f"is no duty; use one of {', '.join(DUTIES)}",
                entry.duty,
            )


def _references(people: PeopleConfiguration) -> Iterator[tuple[str, str, str | None]]:
    for number, person in enumerate(people.persons):
        for index, post in enumerate(person.posts):
            yield f"persons[{number}].posts[{index}]", "post", post
    for number, shift in enumerate(people.shifts):
        yield f"shifts[{number}].post", "post", shift.post
        yield f"shifts[{number}].person", "person", shift.person
        yield f"shifts[{number}].zone", "zone", shift.zone
    for number, absence in enumerate(people.absences):
        yield f"absences[{number}].person", "person", absence.person
    for number, substitution in enumerate(people.substitutions):
        yield f"substitutions[{number}].person", "person", substitution.person
        yield f"substitutions[{number}].substitute", "person", substitution.substitute
        yield f"substitutions[{number}].post", "post", substitution.post
    for number, entry in enumerate(people.responsibilities):
        yield f"responsibilities[{number}].person", "person", entry.person
        yield f"responsibilities[{number}].zone", "zone", entry.zone
    for number, committee in enumerate(people.committees):
        for index, member in enumerate(committee.members):
            yield f"committees[{number}].members[{index}].person", "person", member.person
    staffing = people.staffing
    if staffing is not None:
        for name, several in (("guard_posts", staffing.guard_posts), ("control_posts", staffing.control_posts)):
            for index, post in enumerate(several):
                yield f"staffing.{name}[{index}]", "post", post


def people_tables(people: PeopleConfiguration, time_zone: str, at: datetime) -> PeopleTables:
    """The rows, with days counted from the moment of applying."""
    zone = ZoneInfo(time_zone)
    today = at.astimezone(zone).date()

    def day(given: date | timedelta | None) -> date | None:
        return today + given if isinstance(given, timedelta) else given

    def midnight(given: date | timedelta, after: int = 0) -> datetime:
        whole = (today + given if isinstance(given, timedelta) else given) + timedelta(days=after)
        return instant(datetime.combine(whole, time()), zone)

    staffing = people.staffing
    return PeopleTables(
        persons={
            each.person: PersonSheet(
                name=each.name,
                contacts=[contact.model_dump() for contact in each.contacts],
                posts=each.posts,
                qualifications=[
                    {
                        "kind": held.kind,
                        "number": held.number,
                        "issued_on": day(held.issued),
                        "expires_on": day(held.expires),
                    }
                    for held in each.qualifications
                ],
            )
            for each in people.persons
        },
        shifts=[
            Shift(
                post=each.post,
                person=each.person,
                days=EVERY_DAY if each.cycle else frozenset(each.days),
                begins=each.begins,
                ends=each.ends,
                zone=each.zone,
                kinds=frozenset(each.kinds),
                cycle=None
                if each.cycle is None
                else Cycle(each.cycle.days, frozenset(each.cycle.on), day(each.cycle.since) or today),
                valid_from=day(each.first),
                valid_to=day(each.last),
            )
            for each in people.shifts
        ],
        absences=[
            Absence(each.person, midnight(each.first), midnight(each.last, 1)) for each in people.absences
        ],
        substitutions=[
            Substitution(each.post, each.person, each.substitute, midnight(each.first), midnight(each.last, 1))
            for each in people.substitutions
        ],
        responsibilities=[
            Responsibility(each.zone, each.duty, each.person, each.rank) for each in people.responsibilities
        ],
        committees={
            each.committee: CommitteeSheet(
                {"zh": each.name.zh, "en": each.name.en or each.name.zh},
                {member.person: member.seat for member in each.members},
            )
            for each in people.committees
        },
        figures=None
        if staffing is None
        else SchoolFigures(
            pupils=staffing.pupils,
            boarding=staffing.boarding,
            guard_posts=staffing.guard_posts,
            control_posts=staffing.control_posts,
            rule=read_rule(staffing.rule),
            set_by_school=frozenset(staffing.rule),
        ),
    )
