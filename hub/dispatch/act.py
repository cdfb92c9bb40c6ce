"""Apply a person's act across desks: the same transaction, the same consequences as a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from hub.alarms import act as alarms
from hub.commands.desk import request_by_person
from hub.dispatch.consequence import work_off
from hub.domain.act import Act
from hub.domain.alarm import Alarm
from hub.domain.consequence import Consequence
from hub.domain.error import InvalidAct
from hub.hazards import act as hazards
from hub.incidents import act as incidents
from hub.people import act as persons
from hub.people import handover, roster
from hub.people.desk import duty_of
from hub.rulebook.book import RuleBook
from hub.sites import mode
from hub.store.database import Connection
from hub.store.turn import Turn

Result = tuple[dict[str, Any], list[Consequence]]


def apply_act(connection: Connection, act: Act, *, at: datetime, book: RuleBook) -> dict[str, Any]:
    """Do what a person asks, and all that follows; returns the ids of what it made or changed.

    The caller opened the transaction and took the site's turn. Raises ActRefused (it does not fit the
    state), NotFound, or InvalidAct (the message names the field and the cure); then nothing was changed.
    """
    turn = Turn(connection, act.site, at, act.actor, act.station, act.client)
    noun, _, verb = act.kind.partition(".")
    handle = _NOUNS.get(noun)
    if handle is None or not verb:
        raise InvalidAct(f"kind: {act.kind!r} is no act; use {', '.join(f'{each}.…' for each in _NOUNS)}")
    result, consequences = handle(turn, verb, act, book)
    work_off(turn, consequences, book)
    return result


def _alarm(turn: Turn, verb: str, act: Act, book: RuleBook) -> Result:
    if verb == "raise":
        alarm, consequences = alarms.raise_by_person(turn, act.parameters, act.reason)
        return {"alarm": alarm.alarm, "version": alarm.version}, consequences
    handle = _ALARM_ACTS.get(verb)
    if handle is None:
        raise InvalidAct(f"kind: alarm.{verb} is no act; use raise, {', '.join(sorted(_ALARM_ACTS))}")
    seen = act.parameters.get("version")
    if seen is not None and (isinstance(seen, bool) or not isinstance(seen, int)):
        raise InvalidAct(f"version: {seen!r} is no version; send the number that the alarm showed")
    alarm = handle(turn, alarms.load_for_act(turn, act.target, seen), act.parameters, act.reason)
    return {"alarm": alarm.alarm, "version": alarm.version, "state": alarm.state.value}, []


def _hazard(turn: Turn, verb: str, act: Act, book: RuleBook) -> Result:
    if verb == "report":
        hazard = hazards.report(turn, act.parameters, act.reason)
    else:
        hazard = hazards.act_on_hazard(turn, act.target, verb, act.parameters, act.reason)
    return {"hazard": hazard.hazard, "state": hazard.state.value}, []


def _incident(turn: Turn, verb: str, act: Act, book: RuleBook) -> Result:
    duty = duty_of(turn.connection, turn.site)
    if verb == "start" and not act.target:
        incident, consequences = incidents.start_plan(turn, act.parameters, book.plans, duty, act.reason)
    elif verb == "step":
        incident, consequences = incidents.act_on_step(
            turn,
            act.target,
            act.parameters.get("step"),
            str(act.parameters.get("action") or ""),
            act.reason,
            duty,
        )
    else:
        incident, consequences = incidents.act_on_incident(turn, act.target, verb, act.reason, duty)
    return {"incident": incident.incident, "state": incident.state.value}, consequences


def _command(turn: Turn, verb: str, act: Act, book: RuleBook) -> Result:
    if verb != "request":
        raise InvalidAct(f"kind: command.{verb} is no act; use command.request")
    command = request_by_person(turn, act.parameters, act.reason)
    return {"command": command.command, "state": command.state.value}, []


AlarmAct = Callable[[Turn, Alarm, Mapping[str, Any], str], Alarm]
_ALARM_ACTS: Final[dict[str, AlarmAct]] = {
    "acknowledge": lambda turn, alarm, given, reason: alarms.acknowledge(turn, alarm, reason),
    "silence": lambda turn, alarm, given, reason: alarms.silence(turn, alarm, reason),
    "verify": lambda turn, alarm, given, reason: alarms.verify(
        turn, alarm, str(given.get("verification") or ""), str(given.get("cause") or "")[:500], reason
    ),
    "reset": lambda turn, alarm, given, reason: alarms.reset(turn, alarm, reason),
    "note": lambda turn, alarm, given, reason: alarms.note(turn, alarm, str(given.get("words") or reason)),
    "respond": lambda turn, alarm, given, reason: alarms.respond(
        turn, alarm, str(given.get("response") or ""), given.get("person"), reason
    ),
}
_NOUNS: Final[dict[str, Callable[[Turn, str, Act, RuleBook], Result]]] = {
    "alarm": _alarm,
    "hazard": _hazard,
    "incident": _incident,
    "command": _command,
    "person": lambda turn, verb, act, book: (
        persons.act_on_person(turn, act.target, verb, act.parameters, act.reason),
        [],
    ),
    "committee": lambda turn, verb, act, book: (
        persons.act_on_committee(turn, act.target, verb, act.parameters, act.reason),
        [],
    ),
    "roster": lambda turn, verb, act, book: (
        roster.act_on_roster(turn, act.target, verb, act.parameters),
        [],
    ),
    "responsibility": lambda turn, verb, act, book: (
        roster.act_on_responsibility(turn, act.target, verb, act.parameters),
        [],
    ),
    "mode": lambda turn, verb, act, book: (
        mode.act_on_mode(turn, act.target, verb, act.parameters, act.reason),
        [],
    ),
    "handover": lambda turn, verb, act, book: (
        handover.act_on_handover(turn, act.target, verb, act.parameters, act.reason),
        [],
    ),
}
