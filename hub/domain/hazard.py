"""What a hazard (隐患) is: a weakness to rectify by a date, its states, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from hub.domain.machine import Nature, apply, build


class HazardState(StrEnum):
    REPORTED = "reported"
    CONFIRMED = "confirmed"
    ASSIGNED = "assigned"
    RECTIFYING = "rectifying"
    SUBMITTED = "submitted"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    DEFERRED = "deferred"

    @property
    def open(self) -> bool:
        return self not in (HazardState.CLOSED, HazardState.DISMISSED)


class HazardAction(StrEnum):
    CONFIRM = "confirm"
    DISMISS = "dismiss"
    ASSIGN = "assign"
    BEGIN = "begin"
    SUBMIT = "submit"
    CLOSE = "close"
    REJECT = "reject"
    DEFER = "defer"
    RESUME = "resume"
    RECUR = "recur"


_ONE = (Nature.PLAIN,)
HAZARD_TABLE: Final = build(
    [
        ((HazardState.REPORTED,), HazardAction.CONFIRM, HazardState.CONFIRMED, _ONE),
        ((HazardState.REPORTED,), HazardAction.DISMISS, HazardState.DISMISSED, _ONE),
        ((HazardState.CONFIRMED,), HazardAction.ASSIGN, HazardState.ASSIGNED, _ONE),
        ((HazardState.ASSIGNED,), HazardAction.BEGIN, HazardState.RECTIFYING, _ONE),
        ((HazardState.RECTIFYING,), HazardAction.SUBMIT, HazardState.SUBMITTED, _ONE),
        ((HazardState.SUBMITTED,), HazardAction.CLOSE, HazardState.CLOSED, _ONE),
        ((HazardState.SUBMITTED,), HazardAction.REJECT, HazardState.RECTIFYING, _ONE),
        ((HazardState.RECTIFYING,), HazardAction.DEFER, HazardState.DEFERRED, _ONE),
        ((HazardState.DEFERRED,), HazardAction.RESUME, HazardState.RECTIFYING, _ONE),
        ((HazardState.CLOSED,), HazardAction.RECUR, HazardState.RECTIFYING, _ONE),
    ]
)
"""The whole life of a hazard (vocabulary, "Hazard"); what is absent is illegal."""

FIRST_STATE: Final = HazardState.REPORTED


class Grade(StrEnum):
    GENERAL = "general"
    MAJOR = "major"


def next_hazard_state(state: HazardState, action: HazardAction) -> HazardState:
    """The state after the action; raises IllegalTransition."""
    return apply(HAZARD_TABLE, state, action)


@dataclass(frozen=True, slots=True)
class Hazard:
    """One row of `hazard`; times are aware UTC."""

    site: str
    hazard: int
    subject: str
    condition: str
    zone: str | None
    device: str | None
    title: Mapping[str, str]
    grade: Grade
    state: HazardState
    checker: str
    """Who answers "is it still there?": an event kind, `rule:<name>`, or empty (a person looks)."""
    source: str
    """`rule:<name>` or `person:<account>`."""
    owner_post: str
    reported_at: datetime
    last_seen_at: datetime
    due_at: datetime
    interim_measure: str = ""
    assignee: str | None = None
    rectified_by: str | None = None
    verified_by: str | None = None
    reason: str = ""
    evidence: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    occurrences: int = 1
    closed_at: datetime | None = None
