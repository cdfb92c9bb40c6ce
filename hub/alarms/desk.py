"""What rules do with alarms: raise, clear, escalate, gather. One open alarm per (subject, condition)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from adapters.contract.vocabulary import Priority
from hub.alarms.record import close_fields, describe, journal_alarm, open_again
from hub.domain.alarm import (
    FIRST_STATE,
    SOUNDS_AGAIN,
    Alarm,
    AlarmAction,
    AlarmState,
    nature_of,
    next_alarm_state,
    subject_of,
)
from hub.domain.consequence import Consequence, GatherAlarms, SuspendDrills
from hub.domain.judgement import ClearAlarm, EscalateAlarms, Evidence, RaiseAlarm
from hub.domain.machine import Nature
from hub.store.alarm import due_alarms
from hub.store.database import next_number
from hub.store.roster import load_duty
from hub.store.turn import Turn

_REAL_BREAKS_IN: Final = Priority.CRITICAL


def raise_alarm(turn: Turn, verdict: RaiseAlarm, *, nature: Nature | None = None) -> list[Consequence]:
    """Raise, or add an occurrence to the open alarm of (subject, condition)."""
    opened = turn.alarms.find(verdict.subject, verdict.condition)
    if verdict.history:
        return _attach_history(turn, verdict, opened)
    if opened is not None:
        _repeat(turn, opened, verdict)
        return []
    alarm = _open(turn, verdict, nature or nature_of(verdict.kind))
    journal_alarm(turn, "alarm.raised", alarm, evidence=[verdict.evidence.id], sound=not alarm.silent)
    if alarm.priority is _REAL_BREAKS_IN and not alarm.exercise and not alarm.late:
        return [SuspendDrills(cause=f"alarm:{alarm.alarm}")]
    return []


def clear_alarm(turn: Turn, verdict: ClearAlarm) -> list[Consequence]:
    """The condition ended; where no alarm is open nothing changes."""
    alarm = turn.alarms.find(verdict.subject, verdict.condition)
    if alarm is None or alarm.nature.momentary or alarm.active is False:
        return []
    _clear(turn, alarm, verdict.evidence)
    return []


def escalate_alarms(turn: Turn, verdict: EscalateAlarms) -> list[Consequence]:
    """A second sign verifies these alarms: their priority rises and they sound again."""
    consequences: list[Consequence] = []
    for subject, condition in verdict.alarms:
        alarm = turn.alarms.find(subject, condition)
        if alarm is None:
            continue
        priority = min(alarm.priority, verdict.priority, key=lambda each: each.rank)
        state = next_alarm_state(alarm.state, AlarmAction.ESCALATE, alarm.nature)
        response = alarm.response if verdict.response is None else verdict.response
        escalated = replace(alarm, priority=priority, response=response)
        raised = open_again(turn, escalated, state, keep_verification=True)
        turn.alarms.save(raised)
        _add_evidence(turn, alarm.alarm, verdict.evidence)
        journal_alarm(
            turn,
            "alarm.escalated",
            raised,
            cause="verified",
            was=alarm.priority.value,
            by_rule=verdict.rule.rule,
            evidence=[verdict.evidence.id],
            sound=True,
        )
        if priority is _REAL_BREAKS_IN and alarm.priority is not _REAL_BREAKS_IN:
            consequences.append(SuspendDrills(cause=f"alarm:{alarm.alarm}"))
    return consequences


def gather_alarms(turn: Turn, gathering: GatherAlarms) -> list[int]:
    """Mark the open alarms as the incident's; returns their numbers."""
    gathered = []
    for subject, condition in gathering.alarms:
        alarm = turn.alarms.find(subject, condition)
        if alarm is None or alarm.incident == gathering.incident:
            continue
        alarm = replace(alarm, incident=gathering.incident)
        turn.alarms.save(alarm)
        journal_alarm(turn, "alarm.gathered", alarm, incident=gathering.incident)
        gathered.append(alarm.alarm)
    return gathered


def escalate_due(turn: Turn, limit: int) -> int:
    """Tell the next post of every alarm whose acknowledgement is overdue, at most `limit`; returns how many."""
    at = turn.at
    due = due_alarms(turn.connection, turn.site, at, limit)
    if not due:
        return 0
    policy, duty = turn.escalation(), load_duty(turn.connection, turn.site)
    for alarm in due:
        post = policy.next_post(alarm.escalation_level)
        level = alarm.escalation_level + 1
        told = replace(
            alarm,
            escalation_level=level if post else alarm.escalation_level,
            next_escalation_at=policy.due_at(alarm.priority, at, level) if post else None,
        )
        turn.alarms.save(told)
        if post is not None:
            journal_alarm(
                turn,
                "alarm.escalated",
                told,
                cause="unacknowledged",
                level=level,
                post=post,
                persons=list(duty.persons(post, at)),
                next_escalation_at=told.next_escalation_at,
                sound=True,
            )
    return len(due)


def _open(turn: Turn, verdict: RaiseAlarm, nature: Nature) -> Alarm:
    evidence = verdict.evidence
    of_device = evidence.device is not None and verdict.subject == subject_of(
        evidence.device, evidence.address or ""
    )
    policy = turn.escalation()
    alarm = Alarm(
        site=turn.site,
        alarm=next_number(turn.connection, turn.site, "alarm"),
        subject=verdict.subject,
        condition=verdict.condition,
        kind=verdict.kind,
        device=evidence.device if of_device else None,
        address=evidence.address if of_device else None,
        zone=evidence.zone,
        priority=verdict.priority,
        state=FIRST_STATE,
        nature=nature,
        active=None if nature.momentary else True,
        silent=verdict.silent,
        late=verdict.late,
        unjudged=verdict.unjudged,
        exercise=False,
        rule=verdict.rule.rule,
        rule_version=verdict.rule.version,
        response=dict(verdict.response),
        owner_post=verdict.owner_post,
        observed_at=evidence.observed_at,
        raised_at=turn.at,
        last_raised_at=turn.at,
        next_escalation_at=policy.due_at(verdict.priority, turn.at, 0),
    )
    turn.alarms.add(alarm)
    _add_evidence(turn, alarm.alarm, evidence)
    return alarm


def _repeat(turn: Turn, alarm: Alarm, verdict: RaiseAlarm) -> None:
    again = verdict.realarm and alarm.state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
    state = next_alarm_state(alarm.state, AlarmAction.REALARM if again else AlarmAction.RAISE, alarm.nature)
    urgent = verdict.priority.rank < alarm.priority.rank
    repeated = replace(
        alarm,
        occurrences=alarm.occurrences + 1,
        last_raised_at=turn.at,
        active=None if alarm.nature.momentary else True,
        observed_at=min(alarm.observed_at, verdict.evidence.observed_at),
        late=alarm.late and verdict.late,
        silent=alarm.silent and verdict.silent,
    )
    if urgent:
        state = next_alarm_state(state, AlarmAction.ESCALATE, alarm.nature)
        repeated = replace(
            repeated,
            priority=verdict.priority,
            rule=verdict.rule.rule,
            rule_version=verdict.rule.version,
            response=dict(verdict.response),
            owner_post=verdict.owner_post,
        )
    if state is not alarm.state or urgent:
        fresh = alarm.state in (AlarmState.RETURNED, AlarmState.LATCHED)
        repeated = open_again(turn, repeated, state, keep_verification=not fresh)
    turn.alarms.save(repeated)
    _add_evidence(turn, alarm.alarm, verdict.evidence)
    sound = state is not alarm.state or urgent or again or alarm.kind in SOUNDS_AGAIN
    journal_alarm(
        turn,
        "alarm.repeated",
        repeated,
        was=alarm.state.value,
        evidence=[verdict.evidence.id],
        sound=sound and not repeated.silent,
    )


def _clear(turn: Turn, alarm: Alarm, evidence: Evidence) -> Alarm:
    state = next_alarm_state(alarm.state, AlarmAction.CLEAR, alarm.nature)
    cleared = replace(alarm, state=state, active=False, returned_at=turn.at)
    if state is not alarm.state:
        cleared = replace(cleared, version=alarm.version + 1)
    if state is AlarmState.CLOSED:
        cleared = close_fields(turn, cleared)
    turn.alarms.save(cleared)
    journal_alarm(turn, "alarm.cleared", cleared, was=alarm.state.value, evidence=[evidence.id])
    return cleared


def _attach_history(turn: Turn, verdict: RaiseAlarm, opened: Alarm | None) -> list[Consequence]:
    """An older change came in after a newer one: evidence, not a change of state."""
    observed_at = verdict.evidence.observed_at
    alarm = opened
    if alarm is None:
        last = turn.alarms.find_last(verdict.subject, verdict.condition)
        if last is not None and (last.closed_at is None or observed_at <= last.closed_at):
            alarm = last
    if alarm is not None:
        attached = replace(
            alarm, observed_at=min(alarm.observed_at, observed_at), occurrences=alarm.occurrences + 1
        )
        turn.alarms.save(attached)
        _add_evidence(turn, alarm.alarm, verdict.evidence)
        journal_alarm(turn, "alarm.evidenced", attached, evidence=[verdict.evidence.id], sound=False)
        return []
    alarm = _open(turn, verdict, nature_of(verdict.kind))
    journal_alarm(turn, "alarm.raised", alarm, evidence=[verdict.evidence.id], sound=not alarm.silent)
    if not alarm.nature.momentary:
        _clear(turn, alarm, verdict.evidence)
    return []


def _add_evidence(turn: Turn, alarm: int, evidence: Evidence) -> None:
    turn.alarms.add_evidence(alarm, evidence.id, evidence.recorded_at, describe(evidence))
