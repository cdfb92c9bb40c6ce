"""What people do with hazards, from the report to the closing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.hazard import FIRST_STATE, Grade, Hazard, HazardAction, next_hazard_state
from hub.domain.watch import CONDITIONS
from hub.hazards.desk import journal_hazard
from hub.hazards.roster import roster_fault
from hub.store.checkpoint import rule_holds
from hub.store.command import find_actuator
from hub.store.database import next_number
from hub.store.hazard import condition_active, find_hazard
from hub.store.turn import Turn
from hub.store.zone import zone_exists

MAX_DUE_DAYS: Final = 365
_DEFAULT_DUE_DAYS: Final = {Grade.MAJOR: 1.0, Grade.GENERAL: 7.0}


def report(turn: Turn, parameters: Mapping[str, Any], reason: str) -> Hazard:
    """A person reports a weakness: title, place, grade."""
    title = _title(parameters, reason)
    zone = parameters.get("zone")
    if zone is not None and not zone_exists(turn.connection, turn.site, str(zone)):
        raise InvalidAct(f"zone: {zone!r} is no place of this site; choose one of its zones")
    try:
        grade = Grade(parameters.get("grade") or Grade.GENERAL)
    except ValueError:
        raise InvalidAct("grade: use general or major") from None
    device = parameters.get("device")
    if device is not None and find_actuator(turn.connection, turn.site, str(device)) is None:
        raise InvalidAct(f"device: {device!r} is no device of this site; choose one of its devices")
    number = next_number(turn.connection, turn.site, "hazard")
    hazard = Hazard(
        site=turn.site,
        hazard=number,
        subject=str(device or zone or turn.site),
        condition=f"report.{number}",  # every report is a ticket of its own
        zone=None if zone is None else str(zone),
        device=None if device is None else str(device),
        title=title,
        grade=grade,
        state=FIRST_STATE,
        checker="",
        source=f"person:{turn.actor}",
        owner_post=str(parameters.get("owner_post") or "safety-vice-principal"),
        reported_at=turn.at,
        last_seen_at=turn.at,
        due_at=turn.at + _due(parameters, _DEFAULT_DUE_DAYS[grade]),
        reason=reason,
    )
    turn.hazards.add(hazard)
    journal_hazard(turn, "hazard.reported", hazard, title=title, reason=reason)
    return hazard


def act_on_hazard(turn: Turn, target: str, verb: str, parameters: Mapping[str, Any], reason: str) -> Hazard:
    """One act on an open hazard; raises NotFound, InvalidAct, ActRefused."""
    if not target.isdecimal():
        raise InvalidAct(f"target: {target!r} is no hazard's number")
    hazard = find_hazard(turn.connection, turn.site, int(target))
    if hazard is None:
        raise NotFound(f"there is no hazard {target}")
    if verb == "measure":
        return _measure(turn, hazard, parameters, reason)
    try:
        action = HazardAction(verb)
    except ValueError:
        known = ", ".join(sorted([*HazardAction, "measure", "report"]))
        raise InvalidAct(f"kind: hazard.{verb} is no act; use one of {known}") from None
    state = next_hazard_state(hazard.state, action)
    changed = _CHANGES[action](turn, hazard, parameters, reason)
    changed = replace(changed, state=state, reason=reason or hazard.reason)
    turn.hazards.save(changed)
    journal_hazard(
        turn,
        f"hazard.{_PAST[action]}",
        changed,
        was=hazard.state.value,
        reason=reason,
        assignee=changed.assignee,
        interim_measure=changed.interim_measure,
    )
    return changed


def still_there(turn: Turn, hazard: Hazard) -> str:
    """Is it still there? Empty where not, or where only a person can see; else why it is."""
    if hazard.checker.startswith("rule:"):
        rule = hazard.checker.removeprefix("rule:")
        if rule_holds(turn.connection, turn.site, rule, hazard.subject):
            return f"rule {rule} still finds it"
    elif hazard.checker in CONDITIONS:
        return roster_fault(turn, hazard)
    elif hazard.checker and condition_active(turn.connection, turn.site, hazard.subject, hazard.checker):
        return f"{hazard.checker} is still active at {hazard.subject}"
    return ""


Change = Callable[[Turn, Hazard, Mapping[str, Any], str], Hazard]


def _keep(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    return hazard


def _with_reason(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    if not reason.strip():
        raise InvalidAct("reason: is missing; this act needs one")
    return hazard


def _dismiss(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    return replace(_with_reason(turn, hazard, parameters, reason), closed_at=turn.at)


def _measure(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    if not hazard.state.open:
        raise ActRefused(f"hazard {hazard.hazard} is {hazard.state.value}; no measure is needed any more")
    measure = str(parameters.get("interim_measure") or reason).strip()
    if not measure:
        raise InvalidAct("interim_measure: is missing; say what keeps people safe until it is mended")
    changed = replace(hazard, interim_measure=measure[:2_000])
    turn.hazards.save(changed)
    journal_hazard(turn, "hazard.measured", changed, interim_measure=changed.interim_measure)
    return changed


def _assign(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    assignee = str(parameters.get("assignee") or "")
    owner = str(parameters.get("owner_post") or hazard.owner_post)
    measure = str(parameters.get("interim_measure") or hazard.interim_measure).strip()
    if not assignee and not owner:
        raise InvalidAct("assignee: is missing; name a person or a post")
    if hazard.grade is Grade.MAJOR and not measure:
        raise ActRefused(
            "a major hazard needs an interim control measure before it is assigned;"
            " say what keeps people safe until it is mended"
        )
    due_at = turn.at + _due(parameters, 0) if parameters.get("due_days") is not None else hazard.due_at
    return replace(hazard, assignee=assignee or None, owner_post=owner, interim_measure=measure, due_at=due_at)


def _submit(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    return replace(hazard, rectified_by=turn.actor)


def _defer(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    deferred = _with_reason(turn, hazard, parameters, reason)
    return replace(deferred, due_at=max(hazard.due_at, turn.at) + _due(parameters, 7))


def _close(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    if hazard.rectified_by == turn.actor:
        raise ActRefused("the one who verifies is not the one who rectified; ask another person to verify")
    there = still_there(turn, hazard)
    if there:
        raise ActRefused(f"hazard {hazard.hazard} cannot be closed: {there}")
    return replace(hazard, verified_by=turn.actor, closed_at=turn.at)


def _recur(turn: Turn, hazard: Hazard, parameters: Mapping[str, Any], reason: str) -> Hazard:
    return replace(hazard, closed_at=None, verified_by=None, rectified_by=None, last_seen_at=turn.at)


_CHANGES: Final[dict[HazardAction, Change]] = {
    HazardAction.CONFIRM: _keep,
    HazardAction.DISMISS: _dismiss,
    HazardAction.ASSIGN: _assign,
    HazardAction.BEGIN: _keep,
    HazardAction.SUBMIT: _submit,
    HazardAction.CLOSE: _close,
    HazardAction.REJECT: _with_reason,
    HazardAction.DEFER: _defer,
    HazardAction.RESUME: _keep,
    HazardAction.RECUR: _recur,
}
_PAST: Final[dict[HazardAction, str]] = {
    HazardAction.CONFIRM: "confirmed",
    HazardAction.DISMISS: "dismissed",
    HazardAction.ASSIGN: "assigned",
    HazardAction.BEGIN: "begun",
    HazardAction.SUBMIT: "submitted",
    HazardAction.CLOSE: "closed",
    HazardAction.REJECT: "rejected",
    HazardAction.DEFER: "deferred",
    HazardAction.RESUME: "resumed",
    HazardAction.RECUR: "recurred",
}


def _title(parameters: Mapping[str, Any], reason: str) -> dict[str, str]:
    given = parameters.get("title") or parameters.get("words") or reason
    if isinstance(given, Mapping):
        texts = {key: str(given[key]).strip()[:500] for key in ("zh", "en") if given.get(key)}
    else:
        texts = {"zh": str(given).strip()[:500]} if str(given).strip() else {}
    if not texts:
        raise InvalidAct("title: is missing; say what is wrong")
    first = next(iter(texts.values()))
    return {"zh": texts.get("zh", first), "en": texts.get("en", first)}


def _due(parameters: Mapping[str, Any], default_days: float) -> timedelta:
    given = parameters.get("due_days", default_days)
    if given is None:
        given = default_days
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= MAX_DUE_DAYS:
        raise InvalidAct(f"due_days: {given!r} is no number of days from 0 to {MAX_DUE_DAYS}")
    return timedelta(days=given)
