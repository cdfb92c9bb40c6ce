"""Work off what desks return, in the same transaction, until nothing follows any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from hub.alarms.desk import clear_alarm, escalate_alarms, gather_alarms, raise_alarm
from hub.commands.desk import gather_commands, order_devices, send_command
from hub.dispatch.broken import broken_alarm
from hub.domain.consequence import Consequence, GatherAlarms, GatherCommands, OrderDevices, SuspendDrills
from hub.domain.error import HubError
from hub.domain.judgement import (
    ClearAlarm,
    EscalateAlarms,
    Evidence,
    OpenHazard,
    OpenIncident,
    RaiseAlarm,
    RuleRef,
    SendCommand,
    Text,
)
from hub.domain.roster import Duty
from hub.hazards.desk import open_hazard
from hub.incidents.desk import open_incident, suspend_drills
from hub.people.desk import duty_of
from hub.rulebook.book import RuleBook
from hub.store.turn import Turn

MAX_DEPTH: Final = 100
_BREAKER: Final = RuleRef("breaker", 1)
_CHECK_THE_RULES: Final[Text] = {
    "zh": "规则联动形成循环,已被切断:通知维护人员检查规则与预案。",
    "en": "Rules follow from each other without end and were cut: tell maintenance to check them.",
}

T = TypeVar("T")


class UnknownPlan(HubError):
    """A verdict names a plan that the book does not have."""

    code = "unknown_plan"


def work_off(turn: Turn, consequences: Iterable[Consequence], book: RuleBook) -> None:
    """Hand each to its desk, and all that follows from it; a chain without an end is cut, with an alarm."""
    dispatcher = _Dispatcher(turn, book)
    for each in consequences:
        cut = follow([each], dispatcher.handle)
        if cut is not None:
            raise_alarm(turn, broken_alarm(_BREAKER, _evidence_of_cut(turn, cut), _CHECK_THE_RULES))


def follow(first: Iterable[T], handle: Callable[[T], Iterable[T]]) -> T | None:
    """Handle everything and all that follows, in order of appearance.

    Returns None; or, where something follows from itself more than `MAX_DEPTH` deep, the thing at which
    the chain was cut.
    """
    waiting = deque((thing, 0) for thing in first)
    while waiting:
        thing, depth = waiting.popleft()
        if depth >= MAX_DEPTH:
            return thing
        waiting.extend((each, depth + 1) for each in handle(thing))
    return None


class _Dispatcher:
    """Which desk takes what; reads the roster at most once a turn."""

    def __init__(self, turn: Turn, book: RuleBook) -> None:
        self._turn = turn
        self._book = book
        self._duty: Duty | None = None

    def handle(self, thing: Consequence) -> list[Consequence]:
        turn = self._turn
        match thing:
            case RaiseAlarm():
                return raise_alarm(turn, thing)
            case ClearAlarm():
                return clear_alarm(turn, thing)
            case EscalateAlarms():
                return escalate_alarms(turn, thing)
            case OpenHazard():
                return open_hazard(turn, thing)
            case OpenIncident():
                plan = self._book.plans.get(thing.plan)
                if plan is None:
                    raise UnknownPlan(f"rule {thing.rule.rule} names plan {thing.plan!r}, which is not there")
                return open_incident(turn, thing, plan, self.duty)
            case SendCommand():
                turn.write()  # whether it may go depends on the alarms around
                return send_command(turn, thing)
            case SuspendDrills():
                return suspend_drills(turn, thing)
            case GatherAlarms():
                gather_alarms(turn, thing)
                return []
            case GatherCommands():
                gather_commands(turn, thing)
                return []
            case OrderDevices():
                turn.write()
                order_devices(turn, thing)
                return []

    @property
    def duty(self) -> Duty:
        if self._duty is None:
            self._duty = duty_of(self._turn.connection, self._turn.site)
        return self._duty


def _evidence_of_cut(turn: Turn, cut: Consequence) -> Evidence:
    return Evidence(
        id=f"breaker/{turn.site}/{turn.at.isoformat()}",
        observed_at=turn.at,
        recorded_at=turn.at,
        device="hub",
        address="dispatch",
        zone=None,
        kind="rule.broken",
        values={"cut_at": type(cut).__name__},
    )
