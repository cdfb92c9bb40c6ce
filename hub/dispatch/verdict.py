"""Apply verdicts across desks: the worker's half of dispatch (people's acts are the other)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.contract.vocabulary import KINDS
from hub.alarms.desk import raise_alarm
from hub.dispatch.broken import OWNER_POST, broken_alarm
from hub.dispatch.consequence import work_off
from hub.domain.alarm import subject_of
from hub.domain.judgement import (
    ClearAlarm,
    EscalateAlarms,
    EventInput,
    Evidence,
    OpenHazard,
    OpenIncident,
    RaiseAlarm,
    RuleRef,
    Text,
    Verdict,
)
from hub.rulebook.book import RuleBook
from hub.store.database import Connection
from hub.store.turn import Turn

_UNJUDGED = RuleRef("unjudged", 1)
_ASSUME_THE_WORST: Text = {
    "zh": "规则未能判定此事件:按最坏情况处理,派人到现场核实。",
    "en": "The rules could not judge this event: assume the worst, send someone to verify.",
}
_READ_THE_ERROR: Text = {
    "zh": "有规则失效:通知维护人员查看错误;未判定的报警按最坏情况处理。",
    "en": "A rule is broken: tell maintenance to read the error; treat unjudged alarms as real.",
}


def apply_verdicts(
    connection: Connection, site: str, verdicts: Sequence[Verdict], *, at: datetime, book: RuleBook
) -> None:
    """Apply verdicts in order, and all that follows from them; every change is journaled.

    The caller opened the transaction and took the site's turn.
    """
    turn = Turn(connection, site, at, deferred=True)
    turn.alarms.load(key for verdict in verdicts for key in _named(verdict))
    turn.hazards.load((each.subject, each.condition) for each in verdicts if isinstance(each, OpenHazard))
    work_off(turn, verdicts, book)
    turn.write()


def _named(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The (subject, condition) of the alarms that a verdict is about."""
    match verdict:
        case RaiseAlarm() | ClearAlarm():
            return ((verdict.subject, verdict.condition),)
        case EscalateAlarms() | OpenIncident():
            return verdict.alarms
        case _:
            return ()


def raise_unjudged(connection: Connection, site: str, event: EventInput, *, at: datetime, error: str) -> None:
    """Judging or dispatching an event failed: its alarm at its kind's own priority, marked 未判定, and
    `rule.broken`. The caller opened the transaction, took the site's turn, and stored the event.
    """
    turn, kind, reason = Turn(connection, site, at), KINDS.get(event.kind), error[:500]
    if kind is not None and kind.default_priority is not None and event.active is not False:
        verdict = RaiseAlarm(
            rule=_UNJUDGED,
            subject=subject_of(event.device, event.address),
            condition=event.kind,
            kind=event.kind,
            evidence=Evidence(
                id=event.id,
                observed_at=event.observed_at,
                recorded_at=event.recorded_at,
                device=event.device,
                address=event.address,
                zone=event.zone,
                kind=event.kind,
                values={"error": reason},
            ),
            priority=kind.default_priority,
            response=_ASSUME_THE_WORST,
            owner_post=OWNER_POST,
            late=event.late,
            unjudged=True,
        )
        raise_alarm(turn, verdict)
    evidence = Evidence(
        id=f"{event.id}#broken",
        observed_at=event.observed_at,
        recorded_at=event.recorded_at,
        device="hub",
        address="judgement",
        zone=None,
        kind="rule.broken",
        values={"event": event.id, "event_kind": event.kind, "error": reason},
    )
    raise_alarm(turn, broken_alarm(_UNJUDGED, evidence, _READ_THE_ERROR, late=event.late))
