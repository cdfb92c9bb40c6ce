"""Alarms over HTTP: the list, one with its evidence and journal, and the four acts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hub.api.act import AlarmAnswer, AtDesk, Body, Line, Number, Words, read_alarm
from hub.api.compose import alarm_view, journal_view
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import AlarmView, JournalView, Moment, View
from hub.store.database import borrow
from hub.store.journal import journal_of
from hub.store.view import evidence_of, newest_alarms, open_alarms

router = APIRouter(prefix="/api/v1/sites/{site}/alarms", tags=["alarms"])
AlarmNumber = Annotated[Number, Path()]


class AlarmList(View):
    alarms: list[AlarmView]


class EvidenceView(View):
    ordinal: int
    event: str
    recorded_at: Moment
    body: dict[str, Any]


class AlarmDetail(View):
    alarm: AlarmView
    evidence: list[EvidenceView]
    journal: list[JournalView]


class AlarmActBody(Body):
    """`version` is the alarm's version that the person saw; when it moved on, the answer is 409."""

    reason: Words = ""
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class VerifyBody(AlarmActBody):
    verification: Literal["verifying", "real", "false", "test", "drill"]
    cause: Line = ""


class NoteBody(Body):
    words: Annotated[Words, Field(min_length=1)]


class RespondBody(Body):
    response: Literal["assigned", "accepted", "arrived", "reported"]
    person: Line | None = None
    reason: Words = ""


class RaiseBody(Body):
    """A person's own alarm: a phone call is the commonest alarm."""

    zone: Line
    kind: Line
    words: Words = ""
    priority: Literal["critical", "high", "medium", "low"] | None = None


@router.get("", operation_id="listAlarms", dependencies=[may("alarm.read")], responses=FAULTS)
def get_alarms(
    here: Here,
    words: AtSite,
    state: Literal["open", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> AlarmList:
    """Open alarms, the most urgent first; or the newest of all."""
    with borrow(here.pool, [words.site]) as connection:
        rows = (
            open_alarms(connection, words.site)
            if state == "open"
            else newest_alarms(connection, words.site, limit)
        )
    return AlarmList(alarms=[alarm_view(row, words) for row in rows[:limit]])


@router.get("/{alarm}", operation_id="getAlarm", dependencies=[may("alarm.read")], responses=FAULTS)
def get_alarm(here: Here, words: AtSite, alarm: AlarmNumber) -> AlarmDetail:
    """One alarm, what it rests on, and what became of it."""
    with borrow(here.pool, [words.site]) as connection:
        view = read_alarm(connection, words, alarm).alarm
        evidence = evidence_of(connection, words.site, alarm)
        journal = journal_of(connection, words.site, f"alarm:{alarm}")
    return AlarmDetail(
        alarm=view,
        evidence=[EvidenceView(**row) for row in evidence],
        journal=[journal_view(row, words) for row in journal],
    )


@router.post("", operation_id="raiseAlarm", dependencies=[may("alarm.raise")], responses=ACT_FAULTS)
def post_alarm(body: RaiseBody, desk: AtDesk) -> AlarmAnswer:
    """Raise an alarm by hand."""
    parameters = body.model_dump(exclude_none=True)
    answer: Any = desk.perform(
        "alarm.raise",
        "",
        parameters,
        lambda connection, words, result: read_alarm(connection, words, result["alarm"]),
        reason=body.words,
    )
    return AlarmAnswer.model_validate(answer)


@router.post(
    "/{alarm}/acknowledge",
    operation_id="acknowledgeAlarm",
    dependencies=[may("alarm.acknowledge")],
    responses=ACT_FAULTS,
)
def acknowledge(alarm: AlarmNumber, body: AlarmActBody, desk: AtDesk) -> AlarmAnswer:
    """接警: seen, and I act."""
    return _act(desk, "alarm.acknowledge", alarm, {}, body)


@router.post(
    "/{alarm}/silence", operation_id="silenceAlarm", dependencies=[may("alarm.silence")], responses=ACT_FAULTS
)
def silence(alarm: AlarmNumber, body: AlarmActBody, desk: AtDesk) -> AlarmAnswer:
    """消音: the sound of this station off."""
    return _act(desk, "alarm.silence", alarm, {}, body)


@router.post(
    "/{alarm}/verify", operation_id="verifyAlarm", dependencies=[may("alarm.verify")], responses=ACT_FAULTS
)
def verify(alarm: AlarmNumber, body: VerifyBody, desk: AtDesk) -> AlarmAnswer:
    """核警: what it turned out to be."""
    parameters = {"verification": body.verification, "cause": body.cause}
    return _act(desk, "alarm.verify", alarm, parameters, body)


@router.post(
    "/{alarm}/reset", operation_id="resetAlarm", dependencies=[may("alarm.reset")], responses=ACT_FAULTS
)
def reset(alarm: AlarmNumber, body: AlarmActBody, desk: AtDesk) -> AlarmAnswer:
    """复位: ends a latched alarm, once its condition is clear and its verification decided."""
    return _act(desk, "alarm.reset", alarm, {}, body)


@router.post("/{alarm}/note", operation_id="noteAlarm", dependencies=[may("alarm.note")], responses=ACT_FAULTS)
def note(alarm: AlarmNumber, body: NoteBody, desk: AtDesk) -> AlarmAnswer:
    """A remark for the record."""
    return _act(desk, "alarm.note", alarm, {"words": body.words}, AlarmActBody(reason=body.words))


@router.post(
    "/{alarm}/respond", operation_id="respondToAlarm", dependencies=[may("alarm.respond")], responses=ACT_FAULTS
)
def respond(alarm: AlarmNumber, body: RespondBody, desk: AtDesk) -> AlarmAnswer:
    """处置: who was sent, and how far they are."""
    parameters = {"response": body.response, "person": body.person}
    return _act(desk, "alarm.respond", alarm, parameters, AlarmActBody(reason=body.reason))


def _act(desk: AtDesk, kind: str, alarm: int, parameters: dict[str, Any], body: AlarmActBody) -> AlarmAnswer:
    answer = desk.perform(
        kind,
        alarm,
        {**parameters, "version": body.version},
        lambda connection, words, _result: read_alarm(connection, words, alarm),
        reason=body.reason,
    )
    return AlarmAnswer.model_validate(answer)
