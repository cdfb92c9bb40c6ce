"""Hazard tickets over HTTP: the list, a person's report, and every act of their life."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, HazardAnswer, Line, Number, Words, read_hazard
from hub.api.compose import hazard_view, journal_view
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import HazardView, JournalView, View
from hub.clock import utc_now
from hub.store.database import borrow
from hub.store.journal import journal_of
from hub.store.view import newest_hazards, open_hazards

router = APIRouter(prefix="/api/v1/sites/{site}/hazards", tags=["hazards"])
HazardNumber = Annotated[Number, Path()]
Action = Literal[
    "confirm", "dismiss", "assign", "begin", "submit", "close", "reject", "defer", "resume", "recur", "measure"
]

_DECISIONS: Final = frozenset({"close", "reject", "defer", "dismiss"})


class HazardList(View):
    hazards: list[HazardView]


class HazardDetail(View):
    hazard: HazardView
    journal: list[JournalView]


class ReportBody(Body):
    title: Annotated[Line, Field(min_length=1)]
    zone: Line | None = None
    device: Line | None = None
    grade: Literal["general", "major"] = "general"
    due_days: Annotated[float, Field(gt=0, le=365)] | None = None
    reason: Words = ""


class HazardActBody(Body):
    reason: Words = ""
    assignee: Line | None = None
    owner_post: Line | None = None
    interim_measure: Words | None = None
    due_days: Annotated[float, Field(gt=0, le=365)] | None = None


@router.get("", operation_id="listHazards", dependencies=[may("hazard.read")], responses=FAULTS)
def get_hazards(
    here: Here,
    words: AtSite,
    state: Literal["open", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> HazardList:
    """Open hazards, major ones first; or the newest of all."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection:
        rows = (
            open_hazards(connection, words.site)
            if state == "open"
            else newest_hazards(connection, words.site, limit)
        )
    return HazardList(hazards=[hazard_view(row, words, now) for row in rows[:limit]])


@router.get("/{hazard}", operation_id="getHazard", dependencies=[may("hazard.read")], responses=FAULTS)
def get_hazard(here: Here, words: AtSite, hazard: HazardNumber) -> HazardDetail:
    """One hazard and what became of it."""
    with borrow(here.pool, [words.site]) as connection:
        view = read_hazard(connection, words, hazard).hazard
        journal = journal_of(connection, words.site, f"hazard:{hazard}")
    return HazardDetail(hazard=view, journal=[journal_view(row, words) for row in journal])


@router.post("", operation_id="reportHazard", dependencies=[may("hazard.report")], responses=ACT_FAULTS)
def post_hazard(body: ReportBody, desk: AtDesk) -> HazardAnswer:
    """Report a weakness that one saw."""
    parameters: dict[str, Any] = body.model_dump(exclude_none=True, exclude={"reason"})
    answer = desk.perform(
        "hazard.report",
        "",
        parameters,
        lambda connection, words, result: read_hazard(connection, words, result["hazard"]),
        reason=body.reason,
    )
    return HazardAnswer.model_validate(answer)


@router.post(
    "/{hazard}/{action}", operation_id="actOnHazard", dependencies=[may("hazard.handle")], responses=ACT_FAULTS
)
def act_on_hazard(hazard: HazardNumber, action: Action, body: HazardActBody, desk: AtDesk) -> HazardAnswer:
    """One step in a hazard's life; to close, reject, defer or dismiss it needs `hazard.close`."""
    if action in _DECISIONS:
        desk.demand("hazard.close")
    answer = desk.perform(
        f"hazard.{action}",
        hazard,
        body.model_dump(exclude_none=True, exclude={"reason"}),
        lambda connection, words, _result: read_hazard(connection, words, hazard),
        reason=body.reason,
    )
    return HazardAnswer.model_validate(answer)
