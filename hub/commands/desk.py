"""Commands: request, decide who wins, send, and believe only the device's own feedback."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from adapters.contract.command import derive_command
from adapters.contract.vocabulary import COMMAND_KINDS
from hub.domain.command import (
    OPPOSITE,
    RESULT_ACTIONS,
    Actuator,
    Command,
    CommandAction,
    CommandState,
    Precedence,
    ReflexDone,
    Standing,
    decide_command,
    find_given,
    next_command_state,
)
from hub.domain.consequence import Consequence, GatherCommands, OrderDevices
from hub.domain.error import ActRefused, InvalidAct
from hub.domain.judgement import SendCommand
from hub.domain.machine import IllegalTransition
from hub.store.command import (
    actuators_that_allow,
    commands_at,
    find_actuator,
    find_command,
    find_commands,
    fire_active,
    insert_command,
    overdue_commands,
    save_command,
)
from hub.store.incident import incident_of
from hub.store.turn import Turn
from hub.store.zone import building_of, zones_below

REFLEX_RESULT: Final = timedelta(seconds=30)
"""An edge tries a reflex for so long; then its result must come."""
PERSON_EXPIRY: Final = timedelta(seconds=30)
GRACE: Final = timedelta(seconds=15)
"""How long after its expiry the result of a command that was sent is still awaited."""
_MAX_PARAMETERS: Final = 16


def send_command(turn: Turn, verdict: SendCommand) -> list[Consequence]:
    """A rule's order to one device; judged again, it is the same command and nothing is repeated."""
    source = f"rule:{verdict.rule.rule}"
    command = Command(
        site=turn.site,
        command=derive_command(
            source,
            verdict.rule.version,
            verdict.evidence.id,
            verdict.device,
            verdict.address,
            verdict.kind,
        ),
        device=verdict.device,
        address=verdict.address,
        kind=verdict.kind,
        parameters=dict(verdict.parameters),
        precedence=verdict.precedence,
        state=CommandState.REQUESTED,
        source=source,
        requested_at=turn.at,
        expires_at=turn.at + verdict.expires_in,
        reason=verdict.reason,
    )
    _request(turn, command, find_actuator(turn.connection, turn.site, command.device))
    return []


def record_reflex(turn: Turn, done: ReflexDone) -> None:
    """What an edge does by its own reflex table: taken over as accepted, under its own id, never sent.

    Pending commands that it undoes are superseded. Known already (the hub judged first, or it is told again):
    it is accepted where it was still to be answered, and nothing else changes.
    """
    known = find_command(turn.connection, turn.site, done.command)
    if known is not None:
        if known.state in (CommandState.REQUESTED, CommandState.SENT):
            _move(turn, known, CommandAction.ACCEPT, f"by a reflex of edge {done.edge}")
        return
    command = Command(
        site=turn.site,
        command=done.command,
        device=done.device,
        address=done.address,
        kind=done.kind,
        parameters=dict(done.parameters),
        precedence=done.precedence,
        state=next_command_state(CommandState.REQUESTED, CommandAction.ACCEPT),
        source=f"reflex:{done.rule}",
        requested_at=min(done.at, turn.at),
        # From now: its result follows in the same lane, however long ago it happened.
        expires_at=turn.at + REFLEX_RESULT,
        reason=f"reflex {done.rule} at edge {done.edge}",
        # Its event may have been judged before it was told: then the incident runs already.
        incident=incident_of(turn.connection, turn.site, done.evidence),
    )
    for other in commands_at(turn.connection, turn.site, command.device, command.address):
        undone = other.kind in OPPOSITE.get(command.kind, ()) and other.precedence > command.precedence
        if undone and other.state in (CommandState.REQUESTED, CommandState.SENT):
            _move(turn, other, CommandAction.SUPERSEDE, f"by reflex {command.command}")
    insert_command(turn.connection, command)
    _journal(
        turn,
        "command.accepted",
        command,
        reason=command.reason,
        parameters=dict(command.parameters),
        rule=done.rule,
        rule_version=done.version,
        evidence=list(done.evidence),
        edge=done.edge,
    )


def gather_commands(turn: Turn, gathering: GatherCommands) -> None:
    """Mark commands as the incident's, unless they belong to one; ids that nobody ordered are passed."""
    for command in find_commands(turn.connection, turn.site, gathering.commands):
        if command.incident is None:
            gathered = replace(command, incident=gathering.incident)
            save_command(turn.connection, gathered)
            _journal(turn, "command.gathered", gathered)


def order_devices(turn: Turn, order: OrderDevices) -> list[Command]:
    """A plan's order to every fitting device of the incident's zone; returns what was requested."""
    zones = None
    if order.order.scope == "zone" and order.zone is not None:
        zones = frozenset(zones_below(turn.connection, turn.site, order.zone))
    requested = []
    for actuator in actuators_that_allow(turn.connection, turn.site, order.order.family, order.order.kind):
        places = actuator.addresses or {"": actuator.zone}
        for address, zone in places.items():
            if zones is not None and zone not in zones:
                continue
            command = Command(
                site=turn.site,
                command=derive_command(
                    order.source, order.version, order.evidence, actuator.device, address, order.order.kind
                ),
                device=actuator.device,
                address=address,
                kind=order.order.kind,
                parameters=dict(order.order.parameters),
                precedence=order.precedence,
                state=CommandState.REQUESTED,
                source=order.source,
                requested_at=turn.at,
                expires_at=turn.at + timedelta(seconds=order.order.expires_s),
                reason=order.reason,
                incident=order.incident,
            )
            requested.append(_request(turn, command, actuator))
    return requested


def request_by_person(turn: Turn, parameters: Mapping[str, Any], reason: str) -> Command:
    """A person's command. Raises InvalidAct, or ActRefused with the reason where something outranks it."""
    device, address = str(parameters.get("device") or ""), str(parameters.get("address") or "")
    kind, values = str(parameters.get("kind") or ""), parameters.get("parameters") or {}
    if kind not in COMMAND_KINDS:
        raise InvalidAct(f"kind: {kind!r} is no command; use one of {', '.join(sorted(COMMAND_KINDS))}")
    if not isinstance(values, Mapping) or len(values) > _MAX_PARAMETERS:
        raise InvalidAct(f"parameters: must be a mapping of at most {_MAX_PARAMETERS} values")
    if not all(isinstance(value, str | int | float | bool) for value in values.values()):
        raise InvalidAct("parameters: values are texts, numbers, true or false")
    actuator = find_actuator(turn.connection, turn.site, device)
    if actuator is None or not actuator.active:
        raise InvalidAct(f"device: there is no device {device!r}")
    if actuator.addresses and address not in actuator.addresses:
        raise InvalidAct(f"address: {address!r} is none of {', '.join(actuator.addresses)}")
    incident = parameters.get("incident")
    if incident is not None and (isinstance(incident, bool) or not isinstance(incident, int)):
        raise InvalidAct(f"incident: {incident!r} is no incident's number")
    command = Command(
        site=turn.site,
        command=secrets.token_hex(16),
        device=device,
        address=address,
        kind=kind,
        parameters=dict(values),
        precedence=Precedence.COMMANDER if parameters.get("emergency") is True else Precedence.MANUAL,
        state=CommandState.REQUESTED,
        source=f"person:{turn.actor}",
        requested_at=turn.at,
        expires_at=turn.at + PERSON_EXPIRY,
        reason=reason,
        incident=incident,
    )
    if command.precedence is Precedence.COMMANDER and not reason.strip():
        raise InvalidAct("reason: is missing; an emergency release names why")
    requested = _request(turn, command, actuator)
    if requested.state is CommandState.REFUSED:
        raise ActRefused(f"{kind} to {device} is refused: {requested.detail}")
    return requested


def mark_sent(turn: Turn, command_id: str) -> bool:
    """Note that a command was published; False where it is no longer to be sent."""
    command = find_command(turn.connection, turn.site, command_id)
    if command is None or command.state is not CommandState.REQUESTED:
        return False
    _move(turn, command, CommandAction.SEND)
    return True


def apply_result(turn: Turn, command_id: str, state: str, detail: str, edge: str) -> bool:
    """What the edge says became of a command; False where nothing changed.

    A word that does not fit (a second one, one after the end, one of an edge that does not serve the device)
    changes nothing and is journaled. A late word about a command that was given up is the truth and counts.
    Raises InvalidAct for a state that no edge may report.
    """
    action = RESULT_ACTIONS.get(state)
    if action is None:
        raise InvalidAct(f"state: {state!r} is no result of a command; use {', '.join(RESULT_ACTIONS)}")
    command = find_command(turn.connection, turn.site, command_id)
    if command is None:
        turn.journal(f"command:{command_id}", "command.unknown", {"state": state, "detail": detail[:500]})
        return False
    if command.state.value == state:
        return False
    if command.edge != edge:
        _journal(turn, "command.contradicted", command, reported=state, by_edge=edge)
        return False
    if action is CommandAction.ACCEPT and command.state is CommandState.UNCONFIRMED:
        return False  # that it arrived at all says nothing yet; the outcome follows
    try:
        _move(turn, command, action, detail)
    except IllegalTransition:
        _journal(turn, "command.contradicted", command, reported=state, reported_detail=detail[:500])
        return False
    return True


def expire_commands(turn: Turn, limit: int) -> int:
    """Requested commands past their expiry expire; sent ones without a word are unconfirmed after a grace.

    "Done" without feedback is never claimed, and "not done" neither.
    """
    count = 0
    for command in overdue_commands(turn.connection, turn.site, turn.at, limit):
        if command.state is CommandState.REQUESTED:
            _move(turn, command, CommandAction.EXPIRE, "it could not be sent in time")
            count += 1
        elif command.expires_at + GRACE <= turn.at:
            _move(turn, command, CommandAction.LEAVE_UNCONFIRMED, "no feedback came in time")
            count += 1
    return count


def _request(turn: Turn, command: Command, actuator: Actuator | None) -> Command:
    known = find_command(turn.connection, turn.site, command.command)
    if known is not None:
        return known
    standing = Standing(commands_at(turn.connection, turn.site, command.device, command.address))
    given = find_given(command, standing, turn.at)
    if given is not None:
        return _take_over(turn, given, command)
    if command.kind == "door.restore" and actuator is not None:
        building = building_of(
            turn.connection, turn.site, actuator.addresses.get(command.address, actuator.zone)
        )
        zones = zones_below(turn.connection, turn.site, building)
        standing = replace(standing, fire_active=fire_active(turn.connection, turn.site, zones))
    decision = decide_command(command, actuator, standing, turn.at)
    if decision.refused:
        command = replace(
            command,
            state=next_command_state(command.state, CommandAction.REFUSE),
            detail=decision.refused,
            finished_at=turn.at,
        )
        insert_command(turn.connection, command)
        _journal(turn, "command.refused", command, reason=command.reason, detail=command.detail)
        return command
    for other in standing.commands:
        if other.command in decision.supersedes:
            _move(turn, other, CommandAction.SUPERSEDE, f"by command {command.command}")
    insert_command(turn.connection, command)
    _journal(turn, "command.requested", command, reason=command.reason, parameters=dict(command.parameters))
    return command


def _take_over(turn: Turn, given: Command, wish: Command) -> Command:
    """The order is given already: it counts for the incident too, and with the higher of both ranks."""
    taken = replace(
        given, precedence=min(given.precedence, wish.precedence), incident=given.incident or wish.incident
    )
    if taken != given:
        save_command(turn.connection, taken)
        _journal(turn, "command.taken_over", taken, by=wish.source, reason=wish.reason)
    return taken


def _move(turn: Turn, command: Command, action: CommandAction, detail: str = "") -> Command:
    state = next_command_state(command.state, action)
    moved = replace(
        command,
        state=state,
        detail=detail[:500] or command.detail,
        sent_at=turn.at if action is CommandAction.SEND else command.sent_at,
        finished_at=None if state.pending else turn.at,
    )
    save_command(turn.connection, moved)
    _journal(turn, f"command.{state.value}", moved, was=command.state.value, detail=moved.detail)
    return moved


def _journal(turn: Turn, kind: str, command: Command, **facts: Any) -> None:
    turn.journal(
        f"command:{command.command}",
        kind,
        {
            "command": command.command,
            "device": command.device,
            "address": command.address,
            "kind": command.kind,
            "precedence": int(command.precedence),
            "state": command.state.value,
            "source": command.source,
            "incident": command.incident,
            **facts,
        },
    )
