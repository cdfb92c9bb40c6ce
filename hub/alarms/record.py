"""What every change of an alarm shares: its journal row, its closing, its opening again."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from hub.domain.alarm import Alarm, AlarmState, Verification
from hub.domain.judgement import Evidence
from hub.store.turn import Turn


def journal_alarm(turn: Turn, kind: str, alarm: Alarm, **facts: Any) -> None:
    """One row about an alarm (and one more where it closed): ids and facts, never a name."""
    turn.journal(f"alarm:{alarm.alarm}", kind, {**_body(alarm), **facts})
    if alarm.state is AlarmState.CLOSED and kind in ("alarm.cleared", "alarm.acknowledged", "alarm.reset"):
        turn.journal(
            f"alarm:{alarm.alarm}", "alarm.closed", {**_body(alarm), "verification": alarm.verification}
        )


def close_fields(turn: Turn, alarm: Alarm) -> Alarm:
    """The alarm as it closes: nothing more to escalate."""
    return replace(alarm, state=AlarmState.CLOSED, closed_at=turn.at, next_escalation_at=None)


def open_again(turn: Turn, alarm: Alarm, state: AlarmState, *, keep_verification: bool) -> Alarm:
    """The alarm as it asks for an acknowledgement anew: escalation begins at the first level."""
    policy = turn.escalation()
    return replace(
        alarm,
        state=state,
        version=alarm.version + 1,
        acknowledged_at=None,
        acknowledged_by=None,
        verification=alarm.verification if keep_verification else Verification.UNVERIFIED,
        verification_cause=alarm.verification_cause if keep_verification else "",
        escalation_level=0,
        next_escalation_at=policy.due_at(alarm.priority, turn.at, 0),
    )


def describe(evidence: Evidence) -> dict[str, Any]:
    """Evidence as it is copied to the alarm."""
    return {
        "observed_at": evidence.observed_at,
        "device": evidence.device,
        "address": evidence.address,
        "zone": evidence.zone,
        "kind": evidence.kind,
        "values": dict(evidence.values),
    }


def _body(alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm": alarm.alarm,
        "version": alarm.version,
        "subject": alarm.subject,
        "condition": alarm.condition,
        "kind": alarm.kind,
        "priority": alarm.priority.value,
        "state": alarm.state.value,
        "active": alarm.active,
        "zone": alarm.zone,
        "rule": alarm.rule,
        "rule_version": alarm.rule_version,
        "owner_post": alarm.owner_post,
        "occurrences": alarm.occurrences,
        "silent": alarm.silent,
        "late": alarm.late,
        "unjudged": alarm.unjudged,
    }
