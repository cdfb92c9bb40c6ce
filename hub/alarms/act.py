"""What people do with alarms: four different acts, and a person's own alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from adapters.contract.vocabulary import KINDS, Priority
from hub.alarms.desk import raise_alarm
from hub.alarms.record import close_fields, journal_alarm
from hub.domain.alarm import Alarm, AlarmAction, AlarmState, Verification, next_alarm_state
from hub.domain.consequence import Consequence
from hub.domain.error import ActRefused, InvalidAct, Moved, NotFound
from hub.domain.judgement import Evidence, RaiseAlarm, RuleRef
from hub.domain.machine import Nature
from hub.store.alarm import find_alarm
from hub.store.database import next_number
from hub.store.turn import Turn
from hub.store.zone import zone_exists

RESPONSES = ("assigned", "accepted", "arrived", "reported")


def load_for_act(turn: Turn, target: str, seen: Any = None) -> Alarm:
    """The alarm that the act names. `seen` is the version that the person saw, where the act says it.

    Raises NotFound, InvalidAct, or Moved where the alarm is no longer as it was seen.
    """
    if not target.isdecimal():
        raise InvalidAct(f"target: {target!r} is no alarm's number")
    alarm = find_alarm(turn.connection, turn.site, int(target))
    if alarm is None:
        raise NotFound(f"there is no alarm {target}")
    if seen is not None and seen != alarm.version:
        raise Moved(
            f"alarm {target} has changed since you saw it: it is {alarm.state.value},"
            f" {alarm.priority.value}, {alarm.verification.value} (version {alarm.version}); look again"
        )
    return alarm


def acknowledge(turn: Turn, alarm: Alarm, reason: str) -> Alarm:
    """接警: seen, and I act. Stops the escalation in the same transaction."""
    state = next_alarm_state(alarm.state, AlarmAction.ACKNOWLEDGE, alarm.nature)
    acknowledged = replace(
        alarm,
        state=state,
        version=alarm.version + 1,
        acknowledged_at=turn.at,
        acknowledged_by=turn.actor,
        next_escalation_at=None,
    )
    if state is AlarmState.CLOSED:
        acknowledged = close_fields(turn, acknowledged)
    turn.alarms.save(acknowledged)
    journal_alarm(turn, "alarm.acknowledged", acknowledged, was=alarm.state.value, reason=reason)
    return acknowledged


def silence(turn: Turn, alarm: Alarm, reason: str) -> Alarm:
    """消音: this station's sound off; the alarm's state is what it was."""
    if alarm.state is AlarmState.CLOSED:
        raise ActRefused(f"alarm {alarm.alarm} is closed; it makes no sound")
    journal_alarm(turn, "alarm.silenced", alarm, reason=reason)
    return alarm


def verify(turn: Turn, alarm: Alarm, verification: str, cause: str, reason: str) -> Alarm:
    """核警: what it turned out to be."""
    known = [each.value for each in Verification if each is not Verification.UNVERIFIED]
    if verification not in known:
        raise InvalidAct(f"verification: {verification!r} is none; use one of {', '.join(known)}")
    if alarm.state is AlarmState.CLOSED:
        raise ActRefused(f"alarm {alarm.alarm} is closed; its verification stands")
    decided = Verification(verification)
    verified = replace(
        alarm,
        verification=decided,
        verification_cause=cause,
        verified_by=turn.actor,
        verified_at=turn.at,
        version=alarm.version + 1,
    )
    turn.alarms.save(verified)
    journal_alarm(
        turn,
        "alarm.verified",
        verified,
        was=alarm.verification.value,
        verification=decided.value,
        cause=cause,
        reason=reason,
    )
    return verified


def reset(turn: Turn, alarm: Alarm, reason: str) -> Alarm:
    """复位: ends a latched alarm, once its condition is clear and its verification decided."""
    if alarm.active:
        raise ActRefused(
            f"alarm {alarm.alarm} cannot be reset: its condition is still active; clear it at its source first"
        )
    state = next_alarm_state(alarm.state, AlarmAction.RESET, alarm.nature)
    if not alarm.verification.decided:
        raise ActRefused(
            f"alarm {alarm.alarm} cannot be reset: it is {alarm.verification.value};"
            " verify it first (real, false, test or drill)"
        )
    done = close_fields(turn, replace(alarm, state=state, version=alarm.version + 1))
    turn.alarms.save(done)
    journal_alarm(turn, "alarm.reset", done, was=alarm.state.value, reason=reason)
    return done


def note(turn: Turn, alarm: Alarm, words: str) -> Alarm:
    """A remark for the record."""
    if not words.strip():
        raise InvalidAct("words: a note without words; write what is to be remembered")
    journal_alarm(turn, "alarm.noted", alarm, words=words[:2_000])
    return alarm


def respond(turn: Turn, alarm: Alarm, response: str, person: str | None, reason: str) -> Alarm:
    """处置: who was sent, and how far they are."""
    if response not in RESPONSES:
        raise InvalidAct(f"response: {response!r} is none; use one of {', '.join(RESPONSES)}")
    if alarm.state is AlarmState.CLOSED:
        raise ActRefused(f"alarm {alarm.alarm} is closed; nobody is sent to it any more")
    journal_alarm(turn, f"alarm.{response}", alarm, person=person, reason=reason)
    return alarm


def raise_by_person(turn: Turn, parameters: Mapping[str, Any], reason: str) -> tuple[Alarm, list[Consequence]]:
    """A person's own alarm (a phone call is the commonest): place, kind, words."""
    zone, kind = str(parameters.get("zone") or ""), str(parameters.get("kind") or "")
    words = str(parameters.get("words") or reason)[:2_000]
    known = KINDS.get(kind)
    if known is None or known.default_priority is None:
        raise InvalidAct(f"kind: {kind!r} is no kind of alarm; choose one of the vocabulary")
    if not zone_exists(turn.connection, turn.site, zone):
        raise InvalidAct(f"zone: {zone!r} is no place of this site; choose one of its zones")
    wanted = parameters.get("priority")
    if wanted is not None and wanted not in tuple(Priority):
        raise InvalidAct(f"priority: {wanted!r} is none; use one of {', '.join(Priority)}")
    number = next_number(turn.connection, turn.site, "report")
    verdict = RaiseAlarm(
        rule=RuleRef("person", 1),
        subject=zone,
        condition=kind,
        kind=kind,
        evidence=Evidence(
            id=f"person/{number}",
            observed_at=turn.at,
            recorded_at=turn.at,
            device=None,
            address=None,
            zone=zone,
            kind=kind,
            values={"words": words, "reporter": turn.actor},
        ),
        priority=Priority(wanted) if wanted is not None else known.default_priority,
        response={
            "zh": "人工报警:派人到现场核实,按情况启动预案。",
            "en": "Reported by a person: send someone to verify, start the plan that fits.",
        },
        owner_post=str(parameters.get("owner_post") or "security-room"),
        late=False,
    )
    consequences = raise_alarm(turn, verdict, nature=Nature.MOMENTARY_LATCHING)
    alarm = turn.alarms.find(zone, kind)
    if alarm is None:
        raise AssertionError("an alarm that was raised is open")
    return alarm, consequences
