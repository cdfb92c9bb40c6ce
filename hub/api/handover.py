"""Handing a post over, over HTTP: the list as it is now, the signing, the taking."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, Line, Number, Words
from hub.api.compose import actor_name, person_name, post_name
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Text, View
from hub.domain.error import NotFound
from hub.domain.handover import Handover, HandoverState, digest_list
from hub.store.database import borrow, reading
from hub.store.handover import find_handover, list_work, newest_handovers
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/handovers", tags=["handovers"])
HandoverNumber = Annotated[Number, Path()]


class HandoverView(View):
    """`list` holds the numbers of what was open when it was signed; `digest` is its SHA-256, which both
    signed.
    """

    handover: int
    post: str
    post_name: Text
    state: HandoverState
    list: dict[str, Any]
    digest: str
    note: str
    from_account: str
    from_name: str | None
    from_person: str | None
    to_account: str | None
    to_name: str | None
    to_person: str | None
    to_person_name: str | None
    signed_at: datetime
    ended_at: datetime | None
    reason: str


class HandoverList(View):
    handovers: list[HandoverView]


class DraftView(View):
    """What the list would be now."""

    list: dict[str, Any]
    digest: str


class HandoverAnswer(View):
    handover: int
    state: HandoverState
    digest: str


class SignBody(Body):
    post: Annotated[Line, Field(min_length=1)]
    note: Words = ""


class EndBody(Body):
    """`digest`, of the list that was looked at, where it is taken; `reason` where it is not."""

    digest: Line = ""
    reason: Words = ""


@router.get("", operation_id="listHandovers", dependencies=[may("roster.read")], responses=FAULTS)
def get_handovers(here: Here, words: AtSite, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> HandoverList:
    """The newest first."""
    with borrow(here.pool, [words.site]) as connection:
        rows = newest_handovers(connection, words.site, limit)
    return HandoverList(handovers=[_view(each, words) for each in rows])


@router.get("/draft", operation_id="draftHandover", dependencies=[may("roster.handover")], responses=FAULTS)
def get_draft(here: Here, words: AtSite) -> DraftView:
    """The list as it is now, before it is signed."""
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        listed = list_work(connection, words.site)
    return DraftView(list=listed, digest=digest_list(listed))


@router.get("/{handover}", operation_id="getHandover", dependencies=[may("roster.read")], responses=FAULTS)
def get_handover(here: Here, words: AtSite, handover: HandoverNumber) -> HandoverView:
    """One hand-over."""
    with borrow(here.pool, [words.site]) as connection:
        found = find_handover(connection, words.site, handover)
    if found is None:
        raise NotFound("there is no such hand-over")
    return _view(found, words)


@router.post("", operation_id="signHandover", dependencies=[may("roster.handover")], responses=ACT_FAULTS)
def post_handover(body: SignBody, desk: AtDesk) -> HandoverAnswer:
    """Sign the list of what is open, on going."""
    answer = desk.perform(
        "handover.sign",
        "",
        body.model_dump(),
        lambda _connection, _words, result: HandoverAnswer(**result),
    )
    return HandoverAnswer.model_validate(answer)


@router.post(
    "/{handover}/{action}",
    operation_id="endHandover",
    dependencies=[may("roster.handover")],
    responses=ACT_FAULTS,
)
def post_end(
    body: EndBody,
    desk: AtDesk,
    handover: HandoverNumber,
    action: Literal["acknowledge", "refuse", "withdraw"],
) -> HandoverAnswer:
    """Take it, refuse it, or (who signed it) withdraw it."""
    answer = desk.perform(
        f"handover.{action}",
        handover,
        {"digest": body.digest},
        lambda _connection, _words, result: HandoverAnswer(**result),
        reason=body.reason,
    )
    return HandoverAnswer.model_validate(answer)


def _view(row: Handover, words: SiteWords) -> HandoverView:
    return HandoverView(
        handover=row.handover,
        post=row.post,
        post_name=post_name(words, row.post),
        state=row.state,
        list=dict(row.list),
        digest=row.digest,
        note=row.note,
        from_account=row.from_account,
        from_name=actor_name(words, row.from_account),
        from_person=row.from_person,
        to_account=row.to_account,
        to_name=actor_name(words, row.to_account) if row.to_account else None,
        to_person=row.to_person,
        to_person_name=person_name(words, row.to_person),
        signed_at=row.signed_at,
        ended_at=row.ended_at,
        reason=row.reason,
    )
