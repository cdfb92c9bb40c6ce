"""The roster over HTTP: a span at a glance, who stands where at a moment, what will be empty, and every
change.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, AwareDatetime, Field

from hub.api.act import AtDesk, Body, Desk, Line, Number
from hub.api.compose import person_name, post_name
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Text, View
from hub.clock import utc_now
from hub.domain.calendar import DayKind
from hub.domain.coverage import Block, blocks, needs_of
from hub.domain.error import InvalidAct
from hub.domain.roster import Shift, instant
from hub.store.database import borrow, reading
from hub.store.roster import load_duty
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/roster", tags=["roster"])
EntryNumber = Annotated[Number, Path()]
Time = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]


class StandingView(View):
    """`instead_of`: whose shift it is, where another stands in."""

    person: str
    name: str | None
    shift: int
    zone: str | None
    instead_of: str | None


class BlockView(View):
    """From `begins` until `ends` the same people; nobody in `standings` is a gap."""

    begins: datetime
    ends: datetime
    standings: list[StandingView]


class PostWeek(View):
    """`needed_by`: the plans that send somebody from this post, and `escalation`."""

    post: str
    name: Text
    needed_by: list[str]
    blocks: list[BlockView]


class DayView(View):
    """`provisional`: the kind rests on something that nobody has said yet."""

    day: date
    kind: DayKind
    provisional: bool


class CycleView(View):
    days: int
    on: list[int]
    since: date


class ShiftView(View):
    shift: int
    post: str
    person: str
    name: str | None
    zone: str | None
    days: list[int]
    kinds: list[DayKind]
    cycle: CycleView | None
    begins: time
    ends: time
    valid_from: date | None
    valid_to: date | None


class AbsenceView(View):
    absence: int
    person: str
    name: str | None
    begins: datetime
    ends: datetime


class SubstitutionView(View):
    substitution: int
    post: str | None
    person: str
    name: str | None
    substitute: str
    substitute_name: str | None
    begins: datetime
    ends: datetime


class RosterView(View):
    time_zone: str
    begins: datetime
    ends: datetime
    days: list[DayView]
    posts: list[PostWeek]
    shifts: list[ShiftView]
    absences: list[AbsenceView]
    substitutions: list[SubstitutionView]


class PostDuty(View):
    post: str
    name: Text
    standings: list[StandingView]


class DutyList(View):
    at: datetime
    posts: list[PostDuty]


class NumberAnswer(View):
    number: int


class CycleBody(Body):
    days: Annotated[int, Field(ge=1, le=366)]
    on: Annotated[list[Annotated[int, Field(ge=0, le=365)]], Field(min_length=1, max_length=366)]
    since: date


class ShiftBody(Body):
    """`ends` at or before `begins` ends on the next day. A `cycle` counts in place of `days`."""

    post: Annotated[Line, Field(min_length=1)]
    person: Annotated[Line, Field(min_length=1)]
    zone: Line | None = None
    days: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1, max_length=7)] = (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    )
    kinds: Annotated[tuple[DayKind, ...], Field(max_length=6)] = ()
    cycle: CycleBody | None = None
    begins: time
    ends: time
    valid_from: date | None = None
    valid_to: date | None = None


class AbsenceBody(Body):
    person: Annotated[Line, Field(min_length=1)]
    begins: AwareDatetime
    ends: AwareDatetime


class SubstitutionBody(Body):
    """Without a `post`, at every post."""

    post: Line | None = None
    person: Annotated[Line, Field(min_length=1)]
    substitute: Annotated[Line, Field(min_length=1)]
    begins: AwareDatetime
    ends: AwareDatetime


@router.get("", operation_id="getRoster", dependencies=[may("roster.read")], responses=FAULTS)
def get_roster(
    here: Here,
    words: AtSite,
    since: Annotated[date | None, Query(alias="from", description="A day; today where absent")] = None,
    days: Annotated[int, Query(ge=1, le=31)] = 7,
) -> RosterView:
    """Who stands at every post, in blocks from midnight to midnight by the site's clock."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        duty = load_duty(connection, words.site, at=None if since else now)
    first = since or duty.calendar.date_at(now)
    if not date(2000, 1, 1) <= first <= date(2200, 1, 1):
        raise InvalidAct("from: lies outside of 2000 to 2199; choose a day there")
    begin = instant(datetime.combine(first, time()), duty.time_zone)
    end = instant(datetime.combine(first + timedelta(days=days), time()), duty.time_zone)
    needs = needs_of(here.outfit.book.plans.values(), words.escalation.posts)
    said = [duty.calendar.day(first + timedelta(days=number)) for number in range(days)]
    return RosterView(
        time_zone=words.time_zone,
        begins=begin,
        ends=end,
        days=[DayView(day=each.day, kind=each.kind, provisional=each.provisional) for each in said],
        posts=[
            PostWeek(
                post=post,
                name=post_name(words, post),
                needed_by=[need.plan for need in needs.get(post, ())],
                blocks=[_block(block, words) for block in blocks(duty, post, begin, end)],
            )
            for post in dict.fromkeys((*words.posts, *needs))
        ],
        shifts=[_shift(shift, words) for shift in duty.shifts],
        absences=[
            AbsenceView(
                absence=each.absence,
                person=each.person,
                name=person_name(words, each.person),
                begins=each.begins,
                ends=each.ends,
            )
            for each in duty.absences
            if each.ends > begin
        ],
        substitutions=[
            SubstitutionView(
                substitution=each.substitution,
                post=each.post,
                person=each.person,
                name=person_name(words, each.person),
                substitute=each.substitute,
                substitute_name=person_name(words, each.substitute),
                begins=each.begins,
                ends=each.ends,
            )
            for each in duty.substitutions
            if each.ends > begin
        ],
    )


@router.get("/duty", operation_id="getDuty", dependencies=[may("roster.read")], responses=FAULTS)
def get_duty(here: Here, words: AtSite, at: Annotated[Time | None, Query()] = None) -> DutyList:
    """Who stands at every post at a moment; now, where none is named."""
    moment = at or utc_now()
    with borrow(here.pool, [words.site]) as connection:
        duty = load_duty(connection, words.site)
    return DutyList(
        at=moment,
        posts=[
            PostDuty(
                post=post,
                name=post_name(words, post),
                standings=_block(Block(post, moment, moment, duty.standings(post, moment)), words).standings,
            )
            for post in words.posts
        ],
    )


@router.post("/shifts", operation_id="addShift", dependencies=[may("roster.edit")], responses=ACT_FAULTS)
def post_shift(body: ShiftBody, desk: AtDesk) -> NumberAnswer:
    """A new shift."""
    return _perform(desk, "save_shift", "", body.model_dump(), "shift")


@router.post(
    "/shifts/{number}", operation_id="saveShift", dependencies=[may("roster.edit")], responses=ACT_FAULTS
)
def post_shift_change(body: ShiftBody, desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """Change a shift; it becomes what is sent."""
    return _perform(desk, "save_shift", number, body.model_dump(), "shift")


@router.post(
    "/shifts/{number}/remove",
    operation_id="removeShift",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_shift_removal(desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """Take a shift out."""
    return _perform(desk, "remove_shift", number, {}, "shift")


@router.post("/absences", operation_id="addAbsence", dependencies=[may("roster.edit")], responses=ACT_FAULTS)
def post_absence(body: AbsenceBody, desk: AtDesk) -> NumberAnswer:
    """A person is away."""
    return _perform(desk, "add_absence", "", body.model_dump(), "absence")


@router.post(
    "/absences/{number}/remove",
    operation_id="removeAbsence",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_absence_removal(desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """The person is not away."""
    return _perform(desk, "remove_absence", number, {}, "absence")


@router.post(
    "/substitutions", operation_id="addSubstitution", dependencies=[may("roster.edit")], responses=ACT_FAULTS
)
def post_substitution(body: SubstitutionBody, desk: AtDesk) -> NumberAnswer:
    """Somebody stands in."""
    return _perform(desk, "add_substitution", "", body.model_dump(), "substitution")


@router.post(
    "/substitutions/{number}/remove",
    operation_id="removeSubstitution",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_substitution_removal(desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """Nobody stands in."""
    return _perform(desk, "remove_substitution", number, {}, "substitution")


def _perform(desk: Desk, verb: str, target: object, given: dict[str, Any], noun: str) -> NumberAnswer:
    answer = desk.perform(
        f"roster.{verb}",
        target,
        given,
        lambda _connection, _words, result: NumberAnswer(number=result[noun]),
    )
    desk.here.names.forget(desk.words.site)
    return NumberAnswer.model_validate(answer)


def _block(block: Block, words: SiteWords) -> BlockView:
    return BlockView(
        begins=block.begins,
        ends=block.ends,
        standings=[
            StandingView(
                person=each.person,
                name=person_name(words, each.person),
                shift=each.shift.shift,
                zone=each.shift.zone,
                instead_of=each.instead_of,
            )
            for each in block.standings
        ],
    )


def _shift(shift: Shift, words: SiteWords) -> ShiftView:
    cycle = shift.cycle
    return ShiftView(
        shift=shift.shift,
        post=shift.post,
        person=shift.person,
        name=person_name(words, shift.person),
        zone=shift.zone,
        days=sorted(shift.days),
        kinds=sorted(shift.kinds),
        cycle=None if cycle is None else CycleView(days=cycle.length, on=sorted(cycle.on), since=cycle.since),
        begins=shift.begins,
        ends=shift.ends,
        valid_from=shift.valid_from,
        valid_to=shift.valid_to,
    )
