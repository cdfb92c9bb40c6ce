"""The journal rows of incidents and their steps: ids and facts, never a name."""

from __future__ import annotations

from typing import Any

from hub.domain.incident import Incident, IncidentStep
from hub.store.turn import Turn


def journal_incident(turn: Turn, kind: str, incident: Incident, **facts: Any) -> None:
    """One row about an incident."""
    turn.journal(f"incident:{incident.incident}", kind, {**_body(incident), **facts})


def journal_step(turn: Turn, kind: str, incident: Incident, step: IncidentStep, **facts: Any) -> None:
    """One row about a step of an incident."""
    turn.journal(
        f"incident:{incident.incident}",
        kind,
        {
            **_body(incident),
            "step": step.step,
            "step_state": step.state.value,
            "post": step.post,
            "person": step.person,
            "due_at": step.due_at,
            **facts,
        },
    )


def _body(incident: Incident) -> dict[str, Any]:
    return {
        "incident": incident.incident,
        "plan": incident.plan,
        "plan_version": incident.plan_version,
        "level": incident.level.value,
        "state": incident.state.value,
        "exercise": incident.exercise,
        "verified": incident.verified,
        "zone": incident.zone,
        "commander": incident.commander,
    }
