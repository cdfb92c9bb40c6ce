"""What a command (联动指令) is: an order to a device, its states, and who wins over whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from hub.domain.machine import Nature, apply, build


class CommandState(StrEnum):
    REQUESTED = "requested"
    SENT = "sent"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"

    @property
    def pending(self) -> bool:
        return self in (CommandState.REQUESTED, CommandState.SENT, CommandState.ACCEPTED)


class CommandAction(StrEnum):
    SEND = "send"
    ACCEPT = "accept"
    CONFIRM = "confirm"
    LEAVE_UNCONFIRMED = "leave_unconfirmed"
    FAIL = "fail"
    EXPIRE = "expire"
    REFUSE = "refuse"
    SUPERSEDE = "supersede"
    CANCEL = "cancel"


_K, _ONE = CommandState, (Nature.PLAIN,)
COMMAND_TABLE: Final = build(
    [
        ((_K.REQUESTED,), CommandAction.SEND, _K.SENT, _ONE),
        # Sent again after a reconnect; the edge runs an id once.
        ((_K.SENT,), CommandAction.SEND, _K.SENT, _ONE),
        ((_K.REQUESTED,), CommandAction.CANCEL, _K.CANCELLED, _ONE),
        # `requested` too: the worker may die between publishing and noting that it published.
        ((_K.REQUESTED, _K.SENT), CommandAction.ACCEPT, _K.ACCEPTED, _ONE),
        ((_K.REQUESTED, _K.SENT), CommandAction.EXPIRE, _K.EXPIRED, _ONE),
        ((_K.REQUESTED, _K.SENT), CommandAction.REFUSE, _K.REFUSED, _ONE),
        ((_K.REQUESTED, _K.SENT), CommandAction.SUPERSEDE, _K.SUPERSEDED, _ONE),
        ((_K.REQUESTED, _K.SENT, _K.ACCEPTED), CommandAction.CONFIRM, _K.CONFIRMED, _ONE),
        ((_K.REQUESTED, _K.SENT, _K.ACCEPTED), CommandAction.LEAVE_UNCONFIRMED, _K.UNCONFIRMED, _ONE),
        ((_K.REQUESTED, _K.SENT, _K.ACCEPTED), CommandAction.FAIL, _K.FAILED, _ONE),
        # The word of the edge or the device may come after we gave up waiting; it is the truth.
        ((_K.UNCONFIRMED, _K.EXPIRED), CommandAction.CONFIRM, _K.CONFIRMED, _ONE),
        ((_K.EXPIRED,), CommandAction.LEAVE_UNCONFIRMED, _K.UNCONFIRMED, _ONE),
        ((_K.UNCONFIRMED, _K.EXPIRED), CommandAction.FAIL, _K.FAILED, _ONE),
        ((_K.UNCONFIRMED,), CommandAction.EXPIRE, _K.EXPIRED, _ONE),
        ((_K.UNCONFIRMED, _K.EXPIRED), CommandAction.REFUSE, _K.REFUSED, _ONE),
    ]
)
"""The whole life of a command (vocabulary, "Command"); what is absent is illegal."""

RESULT_ACTIONS: Final = {
    "accepted": CommandAction.ACCEPT,
    "confirmed": CommandAction.CONFIRM,
    "unconfirmed": CommandAction.LEAVE_UNCONFIRMED,
    "failed": CommandAction.FAIL,
    "expired": CommandAction.EXPIRE,
    "refused": CommandAction.REFUSE,
}
"""What an edge's word about a command does to it."""


class Precedence(IntEnum):
    """Who wins, highest first. 0 (mechanical exit, exit button, break-glass) is no command at all."""

    FIRE_LINKAGE = 1
    COMMANDER = 2
    LOCKDOWN = 3
    RESPONDER = 4
    MANUAL = 5
    SCHEDULE = 6


OPENING: Final = frozenset({"door.release", "barrier.lower"})
"""Commands that hold a way out open until a named restore: automatic only after the panel's own start or two
independent devices."""
CLOSING: Final = frozenset({"door.lock", "door.restore", "barrier.raise"})
"""Commands that may take a way out away: no rule and no plan may send them, it needs a person."""
OPPOSITE: Final[dict[str, frozenset[str]]] = {
    "door.release": frozenset({"door.lock", "door.restore", "door.pulse"}),
    "door.pulse": frozenset({"door.lock", "door.restore", "door.release"}),
    "door.lock": frozenset({"door.release", "door.pulse", "door.restore"}),
    "door.restore": frozenset({"door.release", "door.pulse", "door.lock"}),
    "barrier.raise": frozenset({"barrier.lower"}),
    "barrier.lower": frozenset({"barrier.raise"}),
    "siren.on": frozenset({"siren.off"}),
    "siren.off": frozenset({"siren.on"}),
    "strobe.on": frozenset({"strobe.off"}),
    "strobe.off": frozenset({"strobe.on"}),
    "broadcast.play": frozenset({"broadcast.stop"}),
    "broadcast.stop": frozenset({"broadcast.play"}),
    "area.arm": frozenset({"area.disarm"}),
    "area.disarm": frozenset({"area.arm"}),
    "output.on": frozenset({"output.off"}),
    "output.off": frozenset({"output.on"}),
}
"""Commands to one address that undo each other: the one that wins supersedes the other."""
SILENCING: Final = frozenset({"siren.off", "strobe.off", "broadcast.stop"})
"""Commands that end a noise; the commander may, by name, even where fire linkage began it."""
GIVEN_WITHIN: Final = timedelta(seconds=60)
"""For so long an order of a rule or plan need not be repeated where the same one stands already."""


def next_command_state(state: CommandState, action: CommandAction) -> CommandState:
    """The state after the action; raises IllegalTransition."""
    return apply(COMMAND_TABLE, state, action)


@dataclass(frozen=True, slots=True)
class Command:
    """One row of `command`, with the edge that serves the device; times are aware UTC."""

    site: str
    command: str
    device: str
    address: str
    kind: str
    parameters: Mapping[str, str | int | float | bool]
    precedence: Precedence
    state: CommandState
    source: str
    """`rule:<name>`, `reflex:<name>` (the same rule, performed by the edge itself), `plan:<name>` or
    `person:<account>`."""
    requested_at: datetime
    expires_at: datetime
    reason: str = ""
    detail: str = ""
    incident: int | None = None
    sent_at: datetime | None = None
    finished_at: datetime | None = None
    edge: str = ""


@dataclass(frozen=True, slots=True)
class ReflexDone:
    """A command that an edge performs by its own reflex table, as it told of it."""

    command: str
    edge: str
    rule: str
    version: int
    device: str
    address: str
    kind: str
    parameters: Mapping[str, str | int | float | bool]
    precedence: Precedence
    evidence: tuple[str, ...]
    """Ids of events: first the one that brought it about."""
    at: datetime
    """When that event was observed."""


@dataclass(frozen=True, slots=True)
class Actuator:
    """What deciding about a command needs to know of its device."""

    device: str
    family: str
    zone: str
    edge: str
    writes: frozenset[str] = frozenset()
    escape: bool = False
    """An escape door: people must get out here."""
    free_exit: bool = False
    """Certified free exit: a lock denies entry only."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Zone of each address (a door of a controller); empty where the device is one thing."""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at the device now: commands in force at that address, and the fire's state."""

    commands: tuple[Command, ...] = ()
    """Newest first; those that are pending or took effect."""
    fire_active: bool = False
    """A fire condition is active in the device's building."""


@dataclass(frozen=True, slots=True)
class Decision:
    """May the command go? If not, why; if so, which pending ones does it supersede?"""

    refused: str = ""
    supersedes: tuple[str, ...] = ()


def decide_command(command: Command, device: Actuator | None, standing: Standing, at: datetime) -> Decision:
    """Who wins (vocabulary, "Command"). Pure; the reason is a sentence for people."""
    refusal = _refuse(command, device, at) or _outrank(command, standing)
    if refusal:
        return Decision(refused=refusal)
    opposite = OPPOSITE.get(command.kind, frozenset())
    return Decision(
        supersedes=tuple(
            other.command
            for other in standing.commands
            if other.kind in opposite and other.state in (CommandState.REQUESTED, CommandState.SENT)
        )
    )


def find_given(command: Command, standing: Standing, at: datetime) -> Command | None:
    """The same order, given a moment ago at that address and neither undone since nor failed: it is taken
    over instead of being sent again. A person's order always goes.
    """
    if command.source.startswith("person:"):
        return None
    opposite = OPPOSITE.get(command.kind, frozenset())
    for other in standing.commands:
        if other.kind in opposite:
            return None
        if other.kind == command.kind and dict(other.parameters) == dict(command.parameters):
            good = other.state.pending or other.state is CommandState.CONFIRMED
            return other if good and at - other.requested_at <= GIVEN_WITHIN else None
    return None


def _refuse(command: Command, device: Actuator | None, at: datetime) -> str:
    if device is None or not device.active:
        return f"there is no device {command.device}"
    if device.family == "fire_alarm":
        return "the hub only reads a fire alarm system: it never resets, silences, starts or stops one"
    if command.kind not in device.writes:
        return f"{command.kind} is not among the writes that {command.device}'s configuration allows"
    if command.expires_at <= at:
        return "it expired before it could be sent"
    if command.kind == "door.lock" and device.escape and not device.free_exit:
        return "an escape door without certified free exit is never locked"
    by_person = command.source.startswith("person:")
    if command.kind == "door.restore" and not by_person:
        return "restoring a door needs a person's word"
    return ""


def _outrank(command: Command, standing: Standing) -> str:
    if command.kind == "door.restore":
        # Re-locking after a release: a separate, named act, after the panel's reset.
        return (
            "a fire condition is still active here: restore after the panel's reset"
            if standing.fire_active
            else ""
        )
    opposite = OPPOSITE.get(command.kind, frozenset())
    rank = command.precedence
    if command.kind in SILENCING and rank is Precedence.COMMANDER:
        rank = Precedence.FIRE_LINKAGE
    for other in standing.commands:
        if other.kind == "door.restore" and not other.state.pending:
            return ""  # what stood before was given back
        if other.kind in opposite and other.precedence < rank and _stands(other):
            return (
                f"{other.kind} of higher rank ({other.precedence.name.lower().replace('_', ' ')},"
                f" command {other.command}) is in force"
            )
    return ""


def _stands(command: Command) -> bool:
    lasting = command.kind in OPENING or command.kind in ("siren.on", "strobe.on", "door.lock")
    return command.state.pending or (
        lasting and command.state in (CommandState.CONFIRMED, CommandState.UNCONFIRMED)
    )
