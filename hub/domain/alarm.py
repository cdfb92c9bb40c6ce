"""What an alarm is: a condition that needs someone now, its states, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from adapters.contract.vocabulary import KINDS, Priority
from hub.domain.machine import Nature, apply, build


class AlarmState(StrEnum):
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    LATCHED = "latched"
    CLOSED = "closed"


class AlarmAction(StrEnum):
    RAISE = "raise"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"
    REALARM = "realarm"
    ESCALATE = "escalate"
    RESET = "reset"


class Verification(StrEnum):
    """What the alarm turned out to be (核警)."""

    UNVERIFIED = "unverified"
    VERIFYING = "verifying"
    REAL = "real"
    FALSE = "false"
    TEST = "test"
    DRILL = "drill"

    @property
    def decided(self) -> bool:
        return self not in (Verification.UNVERIFIED, Verification.VERIFYING)


_PLAIN, _LATCHING = (Nature.PLAIN,), (Nature.LATCHING,)
_MOMENTARY, _MOMENTARY_LATCHING = (Nature.MOMENTARY,), (Nature.MOMENTARY_LATCHING,)
_CONDITIONS = _PLAIN + _LATCHING
_ANY = _CONDITIONS + _MOMENTARY + _MOMENTARY_LATCHING
_U, _A, _R, _L, _C = AlarmState
FIRST_STATE: Final = AlarmState.UNACKNOWLEDGED
"""A raise where no alarm is open makes one in this state."""

# A momentary alarm has no condition that could return: it is never `acknowledged` (an acknowledge
# ends or latches it) nor `returned`, and cannot be cleared.
ALARM_TABLE: Final = build(
    [
        ((_U,), AlarmAction.ACKNOWLEDGE, _A, _CONDITIONS),
        ((_U,), AlarmAction.ACKNOWLEDGE, _C, _MOMENTARY),
        ((_U,), AlarmAction.ACKNOWLEDGE, _L, _MOMENTARY_LATCHING),
        ((_U,), AlarmAction.CLEAR, _R, _CONDITIONS),
        ((_A,), AlarmAction.CLEAR, _C, _PLAIN),
        ((_A,), AlarmAction.CLEAR, _L, _LATCHING),
        ((_R,), AlarmAction.ACKNOWLEDGE, _C, _PLAIN),
        ((_R,), AlarmAction.ACKNOWLEDGE, _L, _LATCHING),
        ((_R,), AlarmAction.RAISE, _U, _CONDITIONS),
        ((_L,), AlarmAction.RAISE, _U, _LATCHING + _MOMENTARY_LATCHING),
        ((_U,), AlarmAction.RAISE, None, _ANY),
        ((_A,), AlarmAction.RAISE, None, _CONDITIONS),
        ((_U,), AlarmAction.REALARM, _U, _ANY),
        ((_A,), AlarmAction.REALARM, _U, _CONDITIONS),
        ((_U,), AlarmAction.ESCALATE, _U, _ANY),
        ((_A,), AlarmAction.ESCALATE, _U, _CONDITIONS),
        ((_R,), AlarmAction.ESCALATE, _R, _CONDITIONS),
        ((_L,), AlarmAction.ESCALATE, _R, _LATCHING),
        ((_L,), AlarmAction.ESCALATE, _U, _MOMENTARY_LATCHING),
        ((_R,), AlarmAction.CLEAR, None, _CONDITIONS),
        ((_L,), AlarmAction.CLEAR, None, _LATCHING),
        ((_L,), AlarmAction.RESET, _C, _LATCHING + _MOMENTARY_LATCHING),
    ]
)
"""The whole life of an alarm (vocabulary, "Alarm"); what is absent is illegal."""

SOUNDS_AGAIN: Final = frozenset(
    {
        "panic.pressed", "panic.duress", "medical.requested", "access.duress",
        "fire.alarm", "fire.manual_call_point", "gas.alarm", "co.alarm",
    }
)  # fmt: skip
"""Kinds whose repeat sounds again even though the state stays the same."""


def next_alarm_state(state: AlarmState, action: AlarmAction, nature: Nature) -> AlarmState:
    """The state after the action; raises IllegalTransition."""
    return apply(ALARM_TABLE, state, action, nature)


def nature_of(kind: str) -> Nature:
    """The nature of a kind's alarm; a correlation that no kind names is plain."""
    known = KINDS.get(kind)
    if known is None:
        return Nature.PLAIN
    if known.condition:
        return Nature.LATCHING if known.latching else Nature.PLAIN
    return Nature.MOMENTARY_LATCHING if known.latching else Nature.MOMENTARY


def subject_of(device: str, address: str) -> str:
    """An alarm's subject: the device, with its address where it has one."""
    return f"{device}:{address}" if address else device


class Alarm(msgspec.Struct, frozen=True):
    """One row of `alarm`; times are aware UTC. A struct, because each occurrence makes another one."""

    site: str
    alarm: int
    subject: str
    condition: str
    kind: str
    device: str | None
    address: str | None
    zone: str | None
    priority: Priority
    state: AlarmState
    nature: Nature
    active: bool | None
    """Is the condition active now? None: unknown, or momentary."""
    silent: bool
    late: bool
    unjudged: bool
    exercise: bool
    rule: str
    rule_version: int
    response: Mapping[str, str]
    owner_post: str
    observed_at: datetime
    raised_at: datetime
    last_raised_at: datetime
    occurrences: int = 1
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    returned_at: datetime | None = None
    closed_at: datetime | None = None
    verification: Verification = Verification.UNVERIFIED
    verification_cause: str = ""
    verified_by: str | None = None
    verified_at: datetime | None = None
    escalation_level: int = 0
    next_escalation_at: datetime | None = None
    incident: int | None = None
    version: int = 1
    """Counts changes of state, priority and verification; never an occurrence or a note."""
