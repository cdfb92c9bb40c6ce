"""What people do with incidents and their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from hub.domain.command import Precedence
from hub.domain.consequence import Consequence
from hub.domain.error import ActRefused, InvalidAct, NotFound
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
from hub.domain.plan import Plan
from hub.domain.roster import Duty
from hub.incidents.desk import notify_ready, release_held, start_by_person
from hub.incidents.record import journal_incident, journal_step
from hub.store.incident import find_incident, find_running_incident, save_incident, save_step, steps_of
from hub.store.turn import Turn
from hub.store.zone import zone_exists

_PAST: Final[dict[IncidentAction, str]] = {
    IncidentAction.START: "triggered",
    IncidentAction.RESPOND: "responding",
    IncidentAction.CONTAIN: "contained",
    IncidentAction.FLARE_UP: "flared_up",
    IncidentAction.CLOSE: "closed",
    IncidentAction.REVIEW: "reviewed",
    IncidentAction.DISMISS: "dismissed",
    IncidentAction.SUSPEND: "suspended",
    IncidentAction.RESUME: "resumed",
}
_NEEDS_REASON: Final = frozenset({IncidentAction.DISMISS, IncidentAction.SUSPEND})
_ON_THE_MOVE: Final = (IncidentState.TRIGGERED, IncidentState.RESPONDING, IncidentState.CONTAINED)


def start_plan(
    turn: Turn, parameters: Mapping[str, Any], plans: Mapping[str, Plan], duty: Duty, reason: str
) -> tuple[Incident, list[Consequence]]:
    """Start a plan in a place; as a drill where `exercise` is true."""
    name, zone = str(parameters.get("plan") or ""), parameters.get("zone")
    plan = plans.get(name)
    if plan is None:
        raise InvalidAct(f"plan: {name!r} is no plan; use one of {', '.join(sorted(plans))}")
    if zone is not None and not zone_exists(turn.connection, turn.site, str(zone)):
        raise InvalidAct(f"zone: {zone!r} is no place of this site; choose one of its zones")
    exercise = parameters.get("exercise", False)
    if not isinstance(exercise, bool):
        raise InvalidAct(f"exercise: {exercise!r} is neither true nor false")
    place = None if zone is None else str(zone)
    for kind in (False, True):
        running = find_running_incident(turn.connection, turn.site, name, place, exercise=kind)
        if running is not None:
            raise ActRefused(f"plan {name} is running here already: incident {running.incident}")
    incident = start_by_person(turn, plan, place, duty, reason, exercise=exercise)
    return incident, notify_ready(turn, incident, duty)


def act_on_incident(
    turn: Turn, target: str, verb: str, reason: str, duty: Duty
) -> tuple[Incident, list[Consequence]]:
    """One act on an incident; raises NotFound, InvalidAct, ActRefused."""
    incident = load_for_act(turn, target)
    if verb == "release":
        return _release(turn, incident, reason)
    try:
        action = IncidentAction(verb)
    except ValueError:
        known = ", ".join(sorted([*IncidentAction, "release", "step"]))
        raise InvalidAct(f"kind: incident.{verb} is no act; use one of {known}") from None
    if action in _NEEDS_REASON and not reason.strip():
        raise InvalidAct(f"reason: is missing; {verb} needs one")
    if action is IncidentAction.SUSPEND and not incident.exercise:
        raise ActRefused("only a drill can be suspended; a real incident is contained, closed or dismissed")
    state = next_incident_state(incident.state, action)
    changed = replace(
        incident,
        state=state,
        cause=reason or incident.cause,
        triggered_at=turn.at if action is IncidentAction.START else incident.triggered_at,
        responding_at=turn.at if action is IncidentAction.RESPOND else incident.responding_at,
        contained_at=turn.at if action is IncidentAction.CONTAIN else incident.contained_at,
        closed_at=turn.at if action in (IncidentAction.CLOSE, IncidentAction.DISMISS) else incident.closed_at,
    )
    save_incident(turn.connection, changed)
    journal_incident(turn, f"incident.{_PAST[action]}", changed, was=incident.state.value, reason=reason)
    if action in (IncidentAction.CLOSE, IncidentAction.DISMISS):
        # Closing locks nothing: restoring doors is a separate, named act.
        _skip_open_steps(turn, changed, f"incident {_PAST[action]}")
    if action in (IncidentAction.START, IncidentAction.RESUME):
        return changed, notify_ready(turn, changed, duty)
    return changed, []


def act_on_step(
    turn: Turn, target: str, number: Any, verb: str, reason: str, duty: Duty
) -> tuple[Incident, list[Consequence]]:
    """Accept, finish or skip a step; raises NotFound, InvalidAct, ActRefused."""
    incident = load_for_act(turn, target)
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    step = next(
        (each for each in steps_of(turn.connection, turn.site, incident.incident) if each.step == number), None
    )
    if step is None:
        raise NotFound(f"incident {target} has no step {number}")
    if incident.state not in _ON_THE_MOVE:
        raise ActRefused(f"incident {target} is {incident.state.value}; its steps stand still")
    if verb == "skip" and not reason.strip():
        raise InvalidAct("reason: is missing; skip needs one, the leader is told")
    changed = _move_step(turn, step, verb, reason)
    save_step(turn.connection, changed)
    kind = {"accept": "accepted", "finish": "done", "skip": "skipped"}[verb]
    facts: dict[str, Any] = {"reason": reason}
    if verb == "skip":
        facts["told"] = incident.commander_post
        facts["persons"] = list(duty.persons(incident.commander_post, turn.at))
    journal_step(turn, f"incident.step_{kind}", incident, changed, **facts)
    if incident.state is IncidentState.TRIGGERED and verb != "skip":
        incident = replace(
            incident,
            state=next_incident_state(incident.state, IncidentAction.RESPOND),
            responding_at=turn.at,
        )
        save_incident(turn.connection, incident)
        journal_incident(turn, "incident.responding", incident, was=IncidentState.TRIGGERED.value)
    return incident, notify_ready(turn, incident, duty)


def load_for_act(turn: Turn, target: str) -> Incident:
    """The incident that the act names; raises NotFound, InvalidAct."""
    if not target.isdecimal():
        raise InvalidAct(f"target: {target!r} is no incident's number")
    incident = find_incident(turn.connection, turn.site, int(target))
    if incident is None:
        raise NotFound(f"there is no incident {target}")
    return incident


def _release(turn: Turn, incident: Incident, reason: str) -> tuple[Incident, list[Consequence]]:
    """The commander's named emergency release: what the steps hold back goes now, at the commander's rank."""
    if not reason.strip():
        raise InvalidAct("reason: is missing; a release names why")
    if incident.exercise:
        raise ActRefused("a drill moves no device; release doors by a command of their own")
    if incident.state not in _ON_THE_MOVE:
        raise ActRefused(f"incident {incident.incident} is {incident.state.value}; start it first")
    orders = release_held(turn, incident, precedence=Precedence.COMMANDER, source=f"person:{turn.actor}")
    if not orders:
        raise ActRefused(f"incident {incident.incident} holds back no command")
    journal_incident(turn, "incident.released", incident, reason=reason, orders=len(orders))
    return incident, orders


def _move_step(turn: Turn, step: IncidentStep, verb: str, reason: str) -> IncidentStep:
    try:
        action = {"accept": StepAction.ACCEPT, "finish": StepAction.FINISH, "skip": StepAction.SKIP}[verb]
    except KeyError:
        raise InvalidAct(f"action: {verb!r} is none; use accept, finish or skip") from None
    state, accepted_at = step.state, step.accepted_at
    if action is StepAction.FINISH and state in (StepState.NOTIFIED, StepState.EXPIRED):
        # Done without having said "I accept": both happened now.
        state, accepted_at = next_step_state(state, StepAction.ACCEPT), turn.at
    state = next_step_state(state, action)
    return replace(
        step,
        state=state,
        accepted_at=turn.at if action is StepAction.ACCEPT else accepted_at,
        done_at=turn.at if action is StepAction.FINISH else step.done_at,
        done_by=turn.actor if action is StepAction.FINISH else step.done_by,
        reason=reason or step.reason,
    )


def _skip_open_steps(turn: Turn, incident: Incident, reason: str) -> None:
    for step in steps_of(turn.connection, turn.site, incident.incident):
        if step.state in (StepState.PENDING, StepState.NOTIFIED, StepState.ACCEPTED):
            skipped = replace(step, state=next_step_state(step.state, StepAction.SKIP), reason=reason)
            save_step(turn.connection, skipped)
            journal_step(turn, "incident.step_skipped", incident, skipped, reason=reason)
