"""What rules do with hazards: one open ticket per (subject, condition); what recurs opens the old one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hub.domain.alarm import subject_of
from hub.domain.consequence import Consequence
from hub.domain.hazard import FIRST_STATE, Grade, Hazard, HazardAction, HazardState, next_hazard_state
from hub.domain.judgement import OpenHazard
from hub.store.database import next_number
from hub.store.turn import Turn

RECURRENCE: Final = timedelta(days=90)
"""What comes back within this time after its closing is the same hazard: it was not mended."""
MAX_EVIDENCE: Final = 50


def open_hazard(turn: Turn, verdict: OpenHazard) -> list[Consequence]:
    """Open a ticket, or add to the one that is open or came back."""
    evidence = {
        "id": verdict.evidence.id,
        "observed_at": verdict.evidence.observed_at,
        "kind": verdict.evidence.kind,
        "values": dict(verdict.evidence.values),
    }
    known = turn.hazards.find(verdict.subject, verdict.condition)
    if known is not None and known.state.open:
        _repeat(turn, known, verdict, evidence)
        return []
    if known is not None and _recurs(turn, known):
        _recur(turn, known, verdict, evidence)
        return []
    found = verdict.evidence
    of_device = found.device is not None and verdict.subject in (
        found.device,
        subject_of(found.device, found.address or ""),
    )
    hazard = Hazard(
        site=turn.site,
        hazard=next_number(turn.connection, turn.site, "hazard"),
        subject=verdict.subject,
        condition=verdict.condition,
        zone=verdict.evidence.zone,
        device=found.device if of_device else None,
        title=dict(verdict.title),
        grade=Grade(verdict.grade),
        state=FIRST_STATE,
        checker=verdict.checker,
        source=f"rule:{verdict.rule.rule}",
        owner_post=verdict.owner_post,
        reported_at=turn.at,
        last_seen_at=turn.at,
        due_at=turn.at + verdict.due_in,
        evidence=(evidence,),
    )
    turn.hazards.add(hazard)
    journal_hazard(
        turn, "hazard.reported", hazard, rule_version=verdict.rule.version, evidence=[evidence["id"]]
    )
    return []


def journal_hazard(turn: Turn, kind: str, hazard: Hazard, **facts: Any) -> None:
    """One row about a hazard."""
    turn.journal(
        f"hazard:{hazard.hazard}",
        kind,
        {
            "hazard": hazard.hazard,
            "subject": hazard.subject,
            "condition": hazard.condition,
            "grade": hazard.grade.value,
            "state": hazard.state.value,
            "zone": hazard.zone,
            "source": hazard.source,
            "owner_post": hazard.owner_post,
            "due_at": hazard.due_at,
            "occurrences": hazard.occurrences,
            **facts,
        },
    )


def _repeat(turn: Turn, hazard: Hazard, verdict: OpenHazard, evidence: dict[str, Any]) -> None:
    grade = Grade.MAJOR if verdict.grade == Grade.MAJOR else hazard.grade
    repeated = replace(
        hazard,
        grade=grade,
        occurrences=hazard.occurrences + 1,
        last_seen_at=turn.at,
        due_at=min(hazard.due_at, turn.at + verdict.due_in) if grade is not hazard.grade else hazard.due_at,
        evidence=(*hazard.evidence, evidence)[-MAX_EVIDENCE:],
    )
    turn.hazards.save(repeated)
    kind = "hazard.repeated" if grade is hazard.grade else "hazard.upgraded"
    journal_hazard(turn, kind, repeated, evidence=[evidence["id"]])


def _recurs(turn: Turn, hazard: Hazard) -> bool:
    return (
        hazard.state is HazardState.CLOSED
        and hazard.closed_at is not None
        and turn.at - hazard.closed_at <= RECURRENCE
    )


def _recur(turn: Turn, hazard: Hazard, verdict: OpenHazard, evidence: dict[str, Any]) -> None:
    recurred = replace(
        hazard,
        state=next_hazard_state(hazard.state, HazardAction.RECUR),
        grade=Grade.MAJOR if verdict.grade == Grade.MAJOR else hazard.grade,
        occurrences=hazard.occurrences + 1,
        last_seen_at=turn.at,
        due_at=turn.at + verdict.due_in,
        closed_at=None,
        verified_by=None,
        rectified_by=None,
        evidence=(*hazard.evidence, evidence)[-MAX_EVIDENCE:],
    )
    turn.hazards.save(recurred)
    journal_hazard(turn, "hazard.recurred", recurred, evidence=[evidence["id"]])
