"""Who answers for what, over HTTP: the matrix, the answer for a place now, the places nobody answers for;
committees.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, Desk, Line, Number
from hub.api.compose import person_name, post_name, text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Text, View
from hub.clock import utc_now
from hub.domain.error import InvalidAct, NotFound
from hub.domain.responsibility import DUTIES, WHOLE, Rank, answers, unanswered
from hub.store.database import borrow, reading
from hub.store.person import able_persons, list_committees
from hub.store.responsibility import load_parents, load_responsibilities
from hub.store.roster import load_duty

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["responsibilities"])
EntryNumber = Annotated[Number, Path()]
CommitteeId = Annotated[str, Path(min_length=1, max_length=63)]


class DutyName(View):
    duty: str
    name: Text


class EntryView(View):
    """`zone` null: the whole site."""

    responsibility: int
    zone: str | None
    duty: str
    person: str
    name: str | None
    rank: Rank
    valid_from: date | None
    valid_to: date | None


class MatrixView(View):
    """`unanswered`: the zones for which nobody answers today."""

    duties: list[DutyName]
    entries: list[EntryView]
    unanswered: list[str]


class AnswerableView(View):
    """`post` where it is whom the roster has there by a shift of that zone, not the matrix."""

    person: str
    name: str | None
    post: str | None
    post_name: Text | None


class AnswerView(View):
    """`reachable` in the order of asking; `away` are on leave. `zone` is where the responsibility lies, `duty`
    whether that very one or safety as a whole; nobody in `reachable`: the place has nobody now.
    """

    at: datetime
    zone: str | None
    duty: str
    reachable: list[AnswerableView]
    away: list[AnswerableView]


class MemberView(View):
    person: str
    name: str | None
    seat: Literal["chair", "deputy", "secretary", "member"]


class CommitteeView(View):
    """`vacant`: it has no chair."""

    committee: str
    name: Text
    members: list[MemberView]
    vacant: bool


class CommitteeList(View):
    committees: list[CommitteeView]


class NumberAnswer(View):
    responsibility: int


class CommitteeAnswer(View):
    committee: str


class EntryBody(Body):
    """Without a `zone`, for the whole site."""

    zone: Line | None = None
    duty: Line = WHOLE
    person: Annotated[Line, Field(min_length=1)]
    rank: Rank = Rank.FIRST
    valid_from: date | None = None
    valid_to: date | None = None


class NameBody(Body):
    zh: Annotated[Line, Field(min_length=1)]
    en: Annotated[Line, Field(min_length=1)]


class MemberBody(Body):
    person: Annotated[Line, Field(min_length=1)]
    seat: Literal["chair", "deputy", "secretary", "member"] = "member"


class CommitteeBody(Body):
    name: NameBody
    members: Annotated[tuple[MemberBody, ...], Field(max_length=100)] = ()


@router.get("/responsibilities", operation_id="getMatrix", dependencies=[may("roster.read")], responses=FAULTS)
def get_matrix(here: Here, words: AtSite, duty: Annotated[Line, Query()] = WHOLE) -> MatrixView:
    """The matrix; `unanswered` is for one duty, safety as a whole where none is named."""
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        entries = load_responsibilities(connection, words.site)
        parents = load_parents(connection, words.site)
        able = able_persons(connection, words.site)
    today = words.duty.calendar.date_at(utc_now())
    return MatrixView(
        duties=[DutyName(duty=name, name=text_of(text)) for name, text in DUTIES.items()],
        entries=[
            EntryView(
                responsibility=each.responsibility,
                zone=each.zone,
                duty=each.duty,
                person=each.person,
                name=person_name(words, each.person),
                rank=each.rank,
                valid_from=each.valid_from,
                valid_to=each.valid_to,
            )
            for each in entries
        ],
        unanswered=list(unanswered(entries, parents, on=today, duty=duty, persons=able)),
    )


@router.get(
    "/responsibilities/answer", operation_id="whoAnswers", dependencies=[may("roster.read")], responses=FAULTS
)
def get_answer(
    here: Here,
    words: AtSite,
    zone: Annotated[Line | None, Query(description="A zone; the whole site where absent")] = None,
    device: Annotated[Line | None, Query(description="A device, in place of a zone")] = None,
    duty: Annotated[Line, Query()] = WHOLE,
) -> AnswerView:
    """Who answers for this place now."""
    if duty not in DUTIES:
        raise InvalidAct(f"duty: {duty!r} is no duty; use one of {', '.join(DUTIES)}")
    if device is not None:
        known = words.devices.get(device)
        if known is None:
            raise NotFound("there is no such device")
        zone = known["zone"]
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        entries = load_responsibilities(connection, words.site)
        parents = load_parents(connection, words.site)
        able = able_persons(connection, words.site)
        roster = load_duty(connection, words.site, at=now)
    if zone is not None and zone not in parents:
        raise NotFound("there is no such zone")
    away = frozenset(person for person in able if roster.is_away(person, now))
    found = answers(
        [each for each in entries if each.person in able],
        parents,
        zone,
        duty,
        on=roster.calendar.date_at(now),
        away=away,
    )
    path = set()
    inner = zone
    while inner is not None and inner not in path:
        path.add(inner)
        inner = parents.get(inner)
    there = {
        standing.person: post
        for post in words.posts
        for standing in roster.standings(post, now)
        if standing.shift.zone in path
    }

    def view(person: str, post: str | None = None) -> AnswerableView:
        return AnswerableView(
            person=person,
            name=person_name(words, person),
            post=post,
            post_name=None if post is None else post_name(words, post),
        )

    return AnswerView(
        at=now,
        zone=found.zone,
        duty=found.duty,
        reachable=[
            *(view(person) for person in found.reachable),
            *(view(person, post) for person, post in there.items() if person not in found.reachable),
        ],
        away=[view(person) for person in found.away],
    )


@router.post(
    "/responsibilities",
    operation_id="addResponsibility",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_entry(body: EntryBody, desk: AtDesk) -> NumberAnswer:
    """A new entry of the matrix."""
    return _perform(desk, "save", "", body.model_dump())


@router.post(
    "/responsibilities/{number}",
    operation_id="saveResponsibility",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_entry_change(body: EntryBody, desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """Change an entry; it becomes what is sent."""
    return _perform(desk, "save", number, body.model_dump())


@router.post(
    "/responsibilities/{number}/remove",
    operation_id="removeResponsibility",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_entry_removal(desk: AtDesk, number: EntryNumber) -> NumberAnswer:
    """Take an entry out."""
    return _perform(desk, "remove", number, {})


@router.get("/committees", operation_id="listCommittees", dependencies=[may("roster.read")], responses=FAULTS)
def get_committees(here: Here, words: AtSite) -> CommitteeList:
    """Every committee with its members, the chair first."""
    with borrow(here.pool, [words.site]) as connection:
        rows = list_committees(connection, words.site)
    return CommitteeList(
        committees=[
            CommitteeView(
                committee=row["committee"],
                name=text_of(row["name"], row["committee"]),
                members=[
                    MemberView(**member, name=person_name(words, member["person"])) for member in row["members"]
                ],
                vacant=all(member["seat"] != "chair" for member in row["members"]),
            )
            for row in rows
        ]
    )


@router.post(
    "/committees/{committee}",
    operation_id="saveCommittee",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_committee(body: CommitteeBody, desk: AtDesk, committee: CommitteeId) -> CommitteeAnswer:
    """Enter a committee, or change one; it becomes what is sent."""
    return _committee(desk, "save", committee, body.model_dump())


@router.post(
    "/committees/{committee}/remove",
    operation_id="removeCommittee",
    dependencies=[may("roster.edit")],
    responses=ACT_FAULTS,
)
def post_committee_removal(desk: AtDesk, committee: CommitteeId) -> CommitteeAnswer:
    """Dissolve a committee."""
    return _committee(desk, "remove", committee, {})


def _perform(desk: Desk, verb: str, target: object, given: dict[str, Any]) -> NumberAnswer:
    answer = desk.perform(
        f"responsibility.{verb}", target, given, lambda _connection, _words, result: NumberAnswer(**result)
    )
    return NumberAnswer.model_validate(answer)


def _committee(desk: Desk, verb: str, committee: str, given: dict[str, Any]) -> CommitteeAnswer:
    answer = desk.perform(
        f"committee.{verb}", committee, given, lambda _connection, _words, result: CommitteeAnswer(**result)
    )
    return CommitteeAnswer.model_validate(answer)
