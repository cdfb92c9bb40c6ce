"""What an incident (应急响应) is: a running response plan, its states, its steps and theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from hub.domain.machine import Nature, apply, build


class IncidentState(StrEnum):
    PROPOSED = "proposed"
    TRIGGERED = "triggered"
    RESPONDING = "responding"
    CONTAINED = "contained"
    CLOSED = "closed"
    REVIEWED = "reviewed"
    DISMISSED = "dismissed"
    SUSPENDED = "suspended"

    @property
    def open(self) -> bool:
        return self not in (IncidentState.CLOSED, IncidentState.REVIEWED, IncidentState.DISMISSED)


class IncidentAction(StrEnum):
    START = "start"
    RESPOND = "respond"
    CONTAIN = "contain"
    FLARE_UP = "flare_up"
    CLOSE = "close"
    REVIEW = "review"
    DISMISS = "dismiss"
    SUSPEND = "suspend"
    RESUME = "resume"


class StepState(StrEnum):
    PENDING = "pending"
    NOTIFIED = "notified"
    ACCEPTED = "accepted"
    DONE = "done"
    SKIPPED = "skipped"
    EXPIRED = "expired"

    @property
    def settled(self) -> bool:
        """Nothing more is awaited of it by the steps that follow."""
        return self in (StepState.DONE, StepState.SKIPPED, StepState.EXPIRED)


class StepAction(StrEnum):
    NOTIFY = "notify"
    ACCEPT = "accept"
    FINISH = "finish"
    SKIP = "skip"
    EXPIRE = "expire"


_I, _S, _ONE = IncidentState, StepState, (Nature.PLAIN,)
INCIDENT_TABLE: Final = build(
    [
        # Late evidence, or a rule that is not automatic, only proposes: a person starts it.
        ((_I.PROPOSED,), IncidentAction.START, _I.TRIGGERED, _ONE),
        ((_I.TRIGGERED,), IncidentAction.RESPOND, _I.RESPONDING, _ONE),
        ((_I.RESPONDING,), IncidentAction.CONTAIN, _I.CONTAINED, _ONE),
        ((_I.CONTAINED,), IncidentAction.FLARE_UP, _I.RESPONDING, _ONE),
        ((_I.CONTAINED,), IncidentAction.CLOSE, _I.CLOSED, _ONE),
        ((_I.CLOSED,), IncidentAction.REVIEW, _I.REVIEWED, _ONE),
        ((_I.PROPOSED, _I.TRIGGERED, _I.RESPONDING), IncidentAction.DISMISS, _I.DISMISSED, _ONE),
        # Drills only: a real alarm breaks in. What was suspended goes on, or is ended for good.
        ((_I.TRIGGERED, _I.RESPONDING, _I.CONTAINED), IncidentAction.SUSPEND, _I.SUSPENDED, _ONE),
        ((_I.SUSPENDED,), IncidentAction.RESUME, _I.RESPONDING, _ONE),
        ((_I.SUSPENDED,), IncidentAction.DISMISS, _I.DISMISSED, _ONE),
    ]
)
"""The whole life of an incident (vocabulary, "Incident"); what is absent is illegal."""

STEP_TABLE: Final = build(
    [
        ((_S.PENDING,), StepAction.NOTIFY, _S.NOTIFIED, _ONE),
        ((_S.NOTIFIED,), StepAction.ACCEPT, _S.ACCEPTED, _ONE),
        ((_S.ACCEPTED,), StepAction.FINISH, _S.DONE, _ONE),
        ((_S.NOTIFIED, _S.ACCEPTED), StepAction.EXPIRE, _S.EXPIRED, _ONE),
        # Late is better than never: an expired step was escalated and may still be done.
        ((_S.EXPIRED,), StepAction.ACCEPT, _S.ACCEPTED, _ONE),
        ((_S.PENDING, _S.NOTIFIED, _S.ACCEPTED, _S.EXPIRED), StepAction.SKIP, _S.SKIPPED, _ONE),
    ]
)
"""The whole life of a step; what is absent is illegal."""


class Level(StrEnum):
    I = "I"  # noqa: E741 - the Roman numerals of the four levels
    II = "II"
    III = "III"
    IV = "IV"


def next_incident_state(state: IncidentState, action: IncidentAction) -> IncidentState:
    """The state after the action; raises IllegalTransition."""
    return apply(INCIDENT_TABLE, state, action)


def next_step_state(state: StepState, action: StepAction) -> StepState:
    """The state after the action; raises IllegalTransition."""
    return apply(STEP_TABLE, state, action)


@dataclass(frozen=True, slots=True)
class Incident:
    """One row of `incident`; times are aware UTC."""

    site: str
    incident: int
    plan: str
    plan_version: int
    title: Mapping[str, str]
    level: Level
    state: IncidentState
    exercise: bool
    zone: str | None
    commander_post: str
    commander: str | None
    """Person on duty at the commander's post when it was triggered."""
    triggered_at: datetime
    verified: bool = False
    """The panel's own start or two independent devices: automatic releases are allowed."""
    cause: str = ""
    responding_at: datetime | None = None
    contained_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentStep:
    """One row of `incident_step`; times are aware UTC."""

    site: str
    incident: int
    step: int
    title: Mapping[str, str]
    post: str
    state: StepState
    person: str | None = None
    """Who the roster named when it was notified."""
    due_s: float = 300.0
    """How long after its notification it is due."""
    after: tuple[int, ...] = ()
    """Steps that must be settled before it is notified."""
    due_at: datetime | None = None
    notified_at: datetime | None = None
    accepted_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    reason: str = ""
    commands: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
