"""Incidents over HTTP: the list, starting a plan, its acts and its steps."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AtDesk, Body, IncidentAnswer, Line, Number, Words, read_incident
from hub.api.compose import incident_views, text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import IncidentView, Text, View
from hub.store.database import borrow
from hub.store.view import newest_incidents, open_incidents

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["incidents"])
IncidentNumber = Annotated[Number, Path()]
StepNumber = Annotated[int, Path(ge=0, le=10_000)]
Action = Literal[
    "start", "respond", "contain", "flare_up", "close", "review", "dismiss", "suspend", "resume", "release"
]


class IncidentList(View):
    incidents: list[IncidentView]


class PlanView(View):
    plan: str
    title: Text


class PlanList(View):
    plans: list[PlanView]


class StartBody(Body):
    plan: Annotated[Line, Field(min_length=1)]
    zone: Line | None = None
    exercise: bool = False
    reason: Words = ""


class IncidentActBody(Body):
    reason: Words = ""


@router.get("/plans", operation_id="listPlans", dependencies=[may("incident.read")], responses=FAULTS)
def get_plans(here: Here, _words: AtSite) -> PlanList:
    """The plans that can be started."""
    return PlanList(
        plans=[
            PlanView(plan=name, title=text_of(plan.title, name))
            for name, plan in here.outfit.book.plans.items()
        ]
    )


@router.get("/incidents", operation_id="listIncidents", dependencies=[may("incident.read")], responses=FAULTS)
def get_incidents(
    here: Here,
    words: AtSite,
    state: Literal["open", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> IncidentList:
    """Running incidents with their steps; or the newest of all."""
    with borrow(here.pool, [words.site]) as connection:
        rows = (
            open_incidents(connection, words.site)
            if state == "open"
            else newest_incidents(connection, words.site, limit)
        )
    return IncidentList(incidents=incident_views(rows, words)[:limit])


@router.get(
    "/incidents/{incident}", operation_id="getIncident", dependencies=[may("incident.read")], responses=FAULTS
)
def get_incident(here: Here, words: AtSite, incident: IncidentNumber) -> IncidentAnswer:
    """One incident."""
    with borrow(here.pool, [words.site]) as connection:
        return read_incident(connection, words, incident)


@router.post(
    "/incidents", operation_id="startIncident", dependencies=[may("incident.start")], responses=ACT_FAULTS
)
def post_incident(body: StartBody, desk: AtDesk) -> IncidentAnswer:
    """Start a plan by hand, or a drill of it."""
    answer = desk.perform(
        "incident.start",
        "",
        body.model_dump(exclude={"reason"}),
        lambda connection, words, result: read_incident(connection, words, result["incident"]),
        reason=body.reason,
    )
    return IncidentAnswer.model_validate(answer)


@router.post(
    "/incidents/{incident}/{action}",
    operation_id="actOnIncident",
    dependencies=[may("incident.handle")],
    responses=ACT_FAULTS,
)
def act_on_incident(
    incident: IncidentNumber, action: Action, body: IncidentActBody, desk: AtDesk
) -> IncidentAnswer:
    """One step in an incident's life; or `release`: what its plan holds back goes now, at the commander's
    rank and in the name of who asks, with a reason and the permission `incident.release`.
    """
    if action == "release":
        desk.demand("incident.release")
    answer = desk.perform(
        f"incident.{action}",
        incident,
        {},
        lambda connection, words, _result: read_incident(connection, words, incident),
        reason=body.reason,
    )
    return IncidentAnswer.model_validate(answer)


@router.post(
    "/incidents/{incident}/steps/{step}/{action}",
    operation_id="actOnStep",
    dependencies=[may("incident.handle")],
    responses=ACT_FAULTS,
)
def act_on_step(
    incident: IncidentNumber,
    step: StepNumber,
    action: Literal["accept", "finish", "skip"],
    body: IncidentActBody,
    desk: AtDesk,
) -> IncidentAnswer:
    """Accept, finish or skip a step of the plan."""
    answer = desk.perform(
        "incident.step",
        incident,
        {"step": step, "action": action},
        lambda connection, words, _result: read_incident(connection, words, incident),
        reason=body.reason,
    )
    return IncidentAnswer.model_validate(answer)
