"""Persons over HTTP: who they are, what they hold, how they are reached; resolving, taking out, erasing.

Contacts only with `person.contacts`. What an act answers is ids: an answer is kept for the idempotency key, and
a name must not outlive its person there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, Desk, Line, Words
from hub.api.compose import text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import Asker, AtSite, may
from hub.api.views import Text, View
from hub.clock import utc_now
from hub.domain.error import NotFound
from hub.domain.staffing import QUALIFICATIONS
from hub.store.database import Connection, borrow
from hub.store.person import contacts_of, find_person, list_persons, posts_of, qualifications_of
from hub.store.portrait import portray
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/people", tags=["people"])
PersonId = Annotated[str, Path(min_length=1, max_length=63)]
EXPIRING_DAYS = 60
"""A certificate is shown as expiring so long before its last day."""


class QualificationView(View):
    """`state`: good, expiring (within 60 days), expired."""

    kind: str
    name: Text
    number: str
    issued_on: date | None
    expires_on: date | None
    state: str


class ContactView(View):
    kind: str
    value: str


class PersonView(View):
    """`contacts` in the order of use; null: not yours to see."""

    person: str
    name: str
    account: str | None
    active: bool
    erased: bool
    posts: list[str]
    qualifications: list[QualificationView]
    contacts: list[ContactView] | None


class PersonList(View):
    persons: list[PersonView]


class PersonAnswer(View):
    person: str
    holder: str | None = None


class ResolveAnswer(View):
    """`person` null: the pseudonym is nobody's that we know."""

    holder: str
    person: str | None


class ContactBody(Body):
    kind: Annotated[Line, Field(min_length=1)]
    value: Annotated[Line, Field(min_length=1)]


class QualificationBody(Body):
    kind: Annotated[Line, Field(min_length=1)]
    number: Line = ""
    issued_on: date | None = None
    expires_on: date | None = None


class PersonBody(Body):
    """`contacts` null leaves them as they are."""

    name: Annotated[Line, Field(min_length=1)]
    account: Line | None = None
    active: bool = True
    posts: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    qualifications: Annotated[tuple[QualificationBody, ...], Field(max_length=50)] = ()
    contacts: Annotated[list[ContactBody], Field(max_length=20)] | None = None


class ReasonBody(Body):
    reason: Annotated[Words, Field(min_length=1)]


class CardBody(Body):
    """`number` as the reader tells it, or a pseudonym from an event; it is hashed here and kept nowhere."""

    number: Annotated[Line, Field(min_length=1)]


class HolderBody(Body):
    holder: Annotated[Line, Field(min_length=1)]


class ResolveBody(Body):
    holder: Annotated[Line, Field(min_length=1)]
    reason: Annotated[Words, Field(min_length=1)]


@router.get("", operation_id="listPersons", dependencies=[may("person.read")], responses=FAULTS)
def get_persons(
    here: Here, words: AtSite, asker: Asker, erased: Annotated[bool, Query()] = False
) -> PersonList:
    """Every person of the site, by id; those erased only when asked for."""
    with borrow(here.pool, [words.site]) as connection:
        rows = [row for row in list_persons(connection, words.site) if erased or row["erased_at"] is None]
        views = _views(connection, words, asker.access.may("person.contacts", words.site), rows)
    return PersonList(persons=views)


@router.post(
    "/resolve", operation_id="resolveHolder", dependencies=[may("person.resolve")], responses=ACT_FAULTS
)
def post_resolve(body: ResolveBody, desk: AtDesk) -> ResolveAnswer:
    """Whose card a door event's pseudonym is; that it was asked is journaled, with the reason."""
    answer = desk.perform(
        "person.resolve",
        body.holder,
        {},
        lambda _connection, _words, result: ResolveAnswer(**result),
        reason=body.reason,
    )
    return ResolveAnswer.model_validate(answer)


@router.get("/{person}", operation_id="getPerson", dependencies=[may("person.read")], responses=FAULTS)
def get_person(here: Here, words: AtSite, asker: Asker, person: PersonId) -> PersonView:
    """One person."""
    with borrow(here.pool, [words.site]) as connection:
        row = find_person(connection, words.site, person)
        if row is None:
            raise NotFound("there is no such person")
        return _views(connection, words, asker.access.may("person.contacts", words.site), [row])[0]


@router.post("/{person}", operation_id="savePerson", dependencies=[may("person.edit")], responses=ACT_FAULTS)
def post_person(body: PersonBody, desk: AtDesk, person: PersonId) -> PersonAnswer:
    """Enter a person, or change one: posts and qualifications become what is sent."""
    if body.contacts is not None:
        desk.demand("person.contacts")
    return _perform(desk, "person.save", person, body.model_dump())


@router.post(
    "/{person}/erase", operation_id="erasePerson", dependencies=[may("person.erase")], responses=ACT_FAULTS
)
def post_erase(body: ReasonBody, desk: AtDesk, person: PersonId) -> PersonAnswer:
    """Empty a person's rows; the journal, which holds the id only, stays as it is."""
    return _perform(desk, "person.erase", person, {}, reason=body.reason)


@router.post(
    "/{person}/export", operation_id="exportPerson", dependencies=[may("person.export")], responses=ACT_FAULTS
)
def post_export(body: ReasonBody, here: Here, desk: AtDesk, person: PersonId) -> dict[str, Any]:
    """All that is kept of one person, for that person; that it was taken out is journaled."""
    _perform(desk, "person.export", person, {}, reason=body.reason)
    with borrow(here.pool, [desk.words.site]) as connection:
        return portray(connection, desk.words.site, person, at=utc_now())


@router.post(
    "/{person}/cards", operation_id="giveCard", dependencies=[may("person.edit")], responses=ACT_FAULTS
)
def post_card(body: CardBody, desk: AtDesk, person: PersonId) -> PersonAnswer:
    """Give a card to a person. The number is hashed with the site's key at once."""
    return _perform(desk, "person.add_card", person, body.model_dump())


@router.post(
    "/{person}/cards/remove", operation_id="takeCard", dependencies=[may("person.edit")], responses=ACT_FAULTS
)
def post_card_removal(body: HolderBody, desk: AtDesk, person: PersonId) -> PersonAnswer:
    """Take a card from a person."""
    return _perform(desk, "person.remove_card", person, body.model_dump())


def _perform(desk: Desk, kind: str, person: str, given: Mapping[str, Any], *, reason: str = "") -> PersonAnswer:
    answer = desk.perform(
        kind, person, given, lambda _connection, _words, result: PersonAnswer(**result), reason=reason
    )
    desk.here.names.forget(desk.words.site)
    return PersonAnswer.model_validate(answer)


def _views(
    connection: Connection, words: SiteWords, reachable: bool, rows: list[dict[str, Any]]
) -> list[PersonView]:
    one = rows[0]["person"] if len(rows) == 1 else None
    contacts = contacts_of(connection, words.site, one) if reachable else {}
    qualifications = qualifications_of(connection, words.site, one)
    posts = posts_of(connection, words.site)
    now = utc_now()
    today = words.duty.calendar.date_at(now)
    return [
        PersonView(
            person=row["person"],
            name=row["name"],
            account=row["account"],
            active=row["active"],
            erased=row["erased_at"] is not None,
            posts=posts.get(row["person"], []),
            qualifications=[_qualification(each, today) for each in qualifications.get(row["person"], [])],
            contacts=[ContactView(**each) for each in contacts.get(row["person"], [])] if reachable else None,
        )
        for row in rows
    ]


def _qualification(row: Mapping[str, Any], today: date) -> QualificationView:
    last = row["expires_on"]
    if last is None or (last - today).days > EXPIRING_DAYS:
        state = "good"
    else:
        state = "expiring" if last >= today else "expired"
    return QualificationView(**row, name=text_of(QUALIFICATIONS.get(row["kind"]), row["kind"]), state=state)
