"""What rules do with incidents: start a plan or propose it, once per plan and place; notify its steps.

Everything that only depends on the incident is here; what devices must do goes to dispatch as
consequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hub.domain.command import Precedence
from hub.domain.consequence import Consequence, GatherAlarms, GatherCommands, OrderDevices, SuspendDrills
from hub.domain.incident import (
    Incident,
    IncidentAction,
    IncidentState,
    IncidentStep,
    StepAction,
    StepState,
    next_incident_state,
    next_step_state,
)
from hub.domain.judgement import OpenIncident
from hub.domain.plan import Plan, StepCommand
from hub.domain.roster import Duty
from hub.incidents.record import journal_incident, journal_step
from hub.store.database import next_number
from hub.store.incident import (
    due_steps,
    find_incident,
    find_running_incident,
    insert_incident,
    insert_step,
    running_drills,
    save_incident,
    save_step,
    steps_of,
)
from hub.store.roster import load_duty
from hub.store.turn import Turn


def open_incident(turn: Turn, verdict: OpenIncident, plan: Plan, duty: Duty) -> list[Consequence]:
    """Start the plan, or propose it (late evidence, or a rule that is not automatic).

    Where it runs in that place already, it gathers the alarms; what was only proposed starts, what was
    contained flares up, and what was not verified may release now.
    """
    incident = find_running_incident(turn.connection, turn.site, verdict.plan, verdict.zone, exercise=False)
    if incident is not None:
        return _join(turn, incident, verdict, duty)
    incident = create_incident(turn, plan, verdict.zone, duty, exercise=False)
    if verdict.automatic:
        incident = replace(incident, state=IncidentState.TRIGGERED, verified=verdict.verified)
    _store(turn, incident, plan)
    journal_incident(
        turn,
        "incident.triggered" if verdict.automatic else "incident.proposed",
        incident,
        rule=verdict.rule.rule,
        rule_version=verdict.rule.version,
        evidence=[verdict.evidence.id],
    )
    consequences: list[Consequence] = [GatherAlarms(incident.incident, verdict.alarms)]
    if verdict.automatic:
        consequences.append(SuspendDrills(cause=f"incident:{incident.incident}"))
        consequences += notify_ready(turn, incident, duty)
    return consequences + _orders_by(incident, verdict)


def start_by_person(
    turn: Turn, plan: Plan, zone: str | None, duty: Duty, reason: str, *, exercise: bool
) -> Incident:
    """A person starts a plan, and may say why. Its commands wait for a verification, or a named release."""
    incident = replace(
        create_incident(turn, plan, zone, duty, exercise=exercise), state=IncidentState.TRIGGERED, cause=reason
    )
    _store(turn, incident, plan)
    journal_incident(turn, "incident.triggered", incident, by="person", reason=reason)
    return incident


def create_incident(turn: Turn, plan: Plan, zone: str | None, duty: Duty, *, exercise: bool) -> Incident:
    """A new incident of a plan, proposed; not stored yet."""
    return Incident(
        site=turn.site,
        incident=next_number(turn.connection, turn.site, "incident"),
        plan=plan.plan,
        plan_version=plan.version,
        title=dict(plan.title),
        level=plan.level,
        state=IncidentState.PROPOSED,
        exercise=exercise,
        zone=zone,
        commander_post=plan.commander_post,
        commander=duty.person(plan.commander_post, turn.at),
        triggered_at=turn.at,
    )


def notify_ready(turn: Turn, incident: Incident, duty: Duty) -> list[Consequence]:
    """Notify every pending step whose predecessors are settled; returns what devices must do."""
    steps = steps_of(turn.connection, turn.site, incident.incident)
    settled = {step.step for step in steps if step.state.settled}
    consequences: list[Consequence] = []
    for step in steps:
        if step.state is not StepState.PENDING or not settled.issuperset(step.after):
            continue
        notified = replace(
            step,
            state=next_step_state(step.state, StepAction.NOTIFY),
            person=duty.person(step.post, turn.at),
            notified_at=turn.at,
            due_at=turn.at + timedelta(seconds=step.due_s),
        )
        notified, orders = _order(incident, notified)
        save_step(turn.connection, notified)
        journal_step(turn, "incident.step_notified", incident, notified)
        consequences += orders
    return consequences


def release_held(
    turn: Turn, incident: Incident, *, precedence: Precedence | None = None, source: str = ""
) -> list[Consequence]:
    """Order what steps held back: after a verification, or by the commander's named release."""
    consequences: list[Consequence] = []
    for step in steps_of(turn.connection, turn.site, incident.incident):
        if step.state in (StepState.PENDING, StepState.SKIPPED):
            continue
        released, orders = _order(incident, step, precedence=precedence, source=source)
        if orders:
            save_step(turn.connection, released)
            consequences += orders
    return consequences


def suspend_drills(turn: Turn, cause: SuspendDrills) -> list[Consequence]:
    """A real alarm breaks in: every running drill stands still."""
    for drill in running_drills(turn.connection, turn.site):
        suspended = replace(drill, state=next_incident_state(drill.state, IncidentAction.SUSPEND))
        save_incident(turn.connection, suspended)
        journal_incident(turn, "incident.suspended", suspended, cause=cause.cause)
    return []


def expire_due_steps(turn: Turn, limit: int) -> tuple[list[IncidentStep], list[Consequence]]:
    """Steps whose time is over expire, are told to the commander's post, and free those that follow.

    Returns the steps that expired, and what follows for devices.
    """
    due = due_steps(turn.connection, turn.site, turn.at, limit)
    if not due:
        return [], []
    duty = load_duty(turn.connection, turn.site)
    consequences: list[Consequence] = []
    expired = []
    for step in due:
        incident = find_incident(turn.connection, turn.site, step.incident)
        if incident is None:
            raise AssertionError("a step belongs to an incident")
        over = replace(step, state=next_step_state(step.state, StepAction.EXPIRE))
        save_step(turn.connection, over)
        journal_step(
            turn,
            "incident.step_expired",
            incident,
            over,
            escalated_to=incident.commander_post,
            persons=list(duty.persons(incident.commander_post, turn.at)),
            sound=True,
        )
        expired.append(over)
        consequences += notify_ready(turn, incident, duty)
    return expired, consequences


def _join(turn: Turn, incident: Incident, verdict: OpenIncident, duty: Duty) -> list[Consequence]:
    consequences: list[Consequence] = [GatherAlarms(incident.incident, verdict.alarms)]
    if not verdict.automatic:
        return consequences + _orders_by(incident, verdict)  # old news: it starts and releases nothing
    joined = incident
    if verdict.verified and not incident.verified:
        joined = replace(joined, verified=True)
    if incident.state is IncidentState.PROPOSED:
        joined = replace(
            joined,
            state=next_incident_state(incident.state, IncidentAction.START),
            triggered_at=turn.at,
            commander=duty.person(incident.commander_post, turn.at),
        )
    elif incident.state is IncidentState.CONTAINED:
        joined = replace(joined, state=next_incident_state(incident.state, IncidentAction.FLARE_UP))
    if joined == incident:
        return consequences + _orders_by(incident, verdict)
    save_incident(turn.connection, joined)
    facts: dict[str, Any] = {"rule": verdict.rule.rule, "evidence": [verdict.evidence.id]}
    if joined.state is not incident.state:
        kind = "incident.triggered" if joined.state is IncidentState.TRIGGERED else "incident.flared_up"
        journal_incident(turn, kind, joined, was=incident.state.value, **facts)
        consequences.append(SuspendDrills(cause=f"incident:{incident.incident}"))
    if joined.verified is not incident.verified:
        journal_incident(turn, "incident.verified", joined, sound=True, **facts)
    consequences += notify_ready(turn, joined, duty)
    if joined.verified is not incident.verified:
        consequences += release_held(turn, joined)
    return consequences + _orders_by(incident, verdict)


def _orders_by(incident: Incident, verdict: OpenIncident) -> list[Consequence]:
    """What the rule ordered by the same evidence belongs to the incident, also where an edge's reflex did it.
    Last: the plan's own orders take over what they find given.
    """
    return [GatherCommands(incident.incident, verdict.commands)] if verdict.commands else []


def _store(turn: Turn, incident: Incident, plan: Plan) -> None:
    insert_incident(turn.connection, incident)
    for step in plan.steps:
        insert_step(
            turn.connection,
            IncidentStep(
                site=turn.site,
                incident=incident.incident,
                step=step.step,
                title=dict(step.title),
                post=step.post,
                state=StepState.PENDING,
                due_s=step.due_s,
                after=step.after,
                commands=tuple(_pack(command) for command in step.commands),
            ),
        )


def _order(
    incident: Incident, step: IncidentStep, *, precedence: Precedence | None = None, source: str = ""
) -> tuple[IncidentStep, Sequence[Consequence]]:
    """The step with its commands marked, and the orders that may go now. A drill moves nothing."""
    if incident.exercise:
        return step, []
    orders: list[Consequence] = []
    packed = []
    for command in step.commands:
        may_go = command["needs"] == "start" or incident.verified or bool(source)
        if command["ordered"] or not may_go:
            packed.append(command)
            continue
        packed.append({**command, "ordered": True})
        order = _unpack(command)
        orders.append(
            OrderDevices(
                source=source or f"plan:{incident.plan}",
                version=incident.plan_version,
                evidence=f"incident:{incident.incident}/step:{step.step}",
                incident=incident.incident,
                zone=incident.zone,
                order=order,
                precedence=precedence or order.precedence,
                reason=f"plan {incident.plan}, step {step.step}",
            )
        )
    return replace(step, commands=tuple(packed)), orders


def _pack(command: StepCommand) -> dict[str, Any]:
    return {
        "kind": command.kind,
        "family": command.family,
        "scope": command.scope,
        "needs": command.needs,
        "precedence": int(command.precedence),
        "expires_s": command.expires_s,
        "parameters": dict(command.parameters),
        "ordered": False,
    }


def _unpack(packed: Any) -> StepCommand:
    given = {name: value for name, value in packed.items() if name != "ordered"}
    return StepCommand(**{**given, "precedence": Precedence(given["precedence"])})
