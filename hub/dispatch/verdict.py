"""Apply verdicts across desks: the worker's half of dispatch (people's acts are the other)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from adapters.contract.vocabulary import KINDS, Priority
from hub.alarms.desk import clear_alarm, escalate_alarms, gather_alarms, raise_alarm
from hub.commands.desk import order_devices, send_command
from hub.dispatch.street import work_off
from hub.domain.alarm import subject_of
from hub.domain.consequence import Consequence, GatherAlarms, OrderDevices, SuspendDrills
from hub.domain.error import HubError
from hub.domain.judgement import (
    ClearAlarm,
    EscalateAlarms,
    EventInput,
    Evidence,
    OpenHazard,
    OpenIncident,
    RaiseAlarm,
    RuleRef,
    SendCommand,
    Verdict,
)
from hub.domain.roster import Duty
from hub.hazards.desk import open_hazard
from hub.incidents.desk import open_incident, suspend_drills
from hub.people.desk import duty_of
from hub.rulebook.book import RuleBook
from hub.store.database import Connection
from hub.store.turn import WORKER, Turn

UNJUDGED: Final = RuleRef("unjudged", 1)
BREAKER: Final = RuleRef("breaker", 1)
_DUTY_POST: Final = "security-room"


class UnknownPlan(HubError):
    """A verdict names a plan that the book does not have."""

    code = "unknown_plan"


def apply_verdicts(
    connection: Connection, site: str, verdicts: Sequence[Verdict], *, at: datetime, book: RuleBook
) -> None:
    """Apply verdicts in order, and all that follows from them; every change is journaled.

    The caller opened the transaction and took the site's turn.
    """
    run(Turn(connection, site, at, WORKER), verdicts, book)


def run(turn: Turn, first: Iterable[Consequence], book: RuleBook) -> None:
    """Work off consequences; a chain without an end is cut, and raises an alarm."""
    dispatcher = _Dispatcher(turn, book)
    for each in first:
        cut = work_off([each], dispatcher.handle)
        if cut is not None:
            raise_alarm(turn, _breaker_alarm(turn, cut))


def raise_unjudged(connection: Connection, site: str, event: EventInput, *, at: datetime, error: str) -> None:
    """Judging or dispatching an event failed: its alarm at its kind's own priority, marked 未判定, and
    `rule.broken`. The caller opened the transaction, took the site's turn, and stored the event.
    """
    turn = Turn(connection, site, at, WORKER)
    kind = KINDS.get(event.kind)
    evidence = Evidence(
        id=event.id,
        observed_at=event.observed_at,
        recorded_at=event.recorded_at,
        device=event.device,
        address=event.address,
        zone=event.zone,
        kind=event.kind,
        values={"error": error[:500]},
    )
    if kind is not None and kind.default_priority is not None and event.active is not False:
        raise_alarm(
            turn,
            RaiseAlarm(
                rule=UNJUDGED,
                subject=subject_of(event.device, event.address),
                condition=event.kind,
                kind=event.kind,
                evidence=evidence,
                priority=kind.default_priority,
                response={
                    "zh": "规则未能判定此事件:按最坏情况处理,派人到现场核实。",
                    "en": "The rules could not judge this event: assume the worst, send someone to verify.",
                },
                owner_post=_DUTY_POST,
                late=event.late,
                unjudged=True,
            ),
        )
    raise_alarm(
        turn,
        RaiseAlarm(
            rule=UNJUDGED,
            subject="hub:judgement",
            condition="rule.broken",
            kind="rule.broken",
            evidence=Evidence(
                id=f"{event.id}#broken",
                observed_at=event.observed_at,
                recorded_at=event.recorded_at,
                device="hub",
                address="judgement",
                zone=None,
                kind="rule.broken",
                values={"event": event.id, "event_kind": event.kind, "error": error[:500]},
            ),
            priority=Priority.MEDIUM,
            response={
                "zh": "有规则失效:通知维护人员查看错误;未判定的报警按最坏情况处理。",
                "en": "A rule is broken: tell maintenance to read the error; treat unjudged alarms as real.",
            },
            owner_post=_DUTY_POST,
            late=event.late,
        ),
    )


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
                return send_command(turn, thing)
            case SuspendDrills():
                return suspend_drills(turn, thing)
            case GatherAlarms():
                gather_alarms(turn, thing)
                return []
            case OrderDevices():
                order_devices(turn, thing)
                return []

    @property
    def duty(self) -> Duty:
        if self._duty is None:
            self._duty = duty_of(self._turn.connection, self._turn.site)
        return self._duty


def _breaker_alarm(turn: Turn, cut: Consequence) -> RaiseAlarm:
    return RaiseAlarm(
        rule=BREAKER,
        subject="hub:dispatch",
        condition="rule.broken",
        kind="rule.broken",
        evidence=Evidence(
            id=f"breaker/{turn.site}/{turn.at.isoformat()}",
            observed_at=turn.at,
            recorded_at=turn.at,
            device="hub",
            address="dispatch",
            zone=None,
            kind="rule.broken",
            values={"cut_at": type(cut).__name__},
        ),
        priority=Priority.MEDIUM,
        response={
            "zh": "规则联动形成循环,已被切断:通知维护人员检查规则与预案。",
            "en": "Rules follow from each other without end and were cut: tell maintenance to check them.",
        },
        owner_post=_DUTY_POST,
        late=False,
    )
