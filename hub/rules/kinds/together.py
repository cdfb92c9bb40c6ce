"""`together`: so many different devices (with their addresses) in one zone within a time.

Cross-verification: it escalates the alarms that verify each other and opens the incident that gathers
them. Two signs are together when they began within the time of each other, or one was still active
when the other began. Per zone at most `MAX_SIGNS` are kept: first those that ended longest ago go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from adapters.contract.condition import Change
from adapters.contract.vocabulary import Priority
from hub.domain.alarm import subject_of
from hub.domain.judgement import EscalateAlarms, EventInput, SiteModel, Verdict
from hub.domain.moment import microseconds, span_us
from hub.rules import evidence
from hub.rules.condition import is_replayed
from hub.rules.field import Duration, EventKinds, LocalText
from hub.rules.memory import Memory
from hub.rules.outcome import Finding
from hub.rules.rule import Judge, Rule, RuleKind, find_reflex_faults

MAX_SIGNS: Final = 256
LATENESS_US: Final = 3_600_000_000
"""Signs that ended are kept for an hour beyond the window, for what comes late."""

Sign = Mapping[str, Any]
"""{"device", "address", "kind", "at", "end" (None: active), "escalated"}."""


class TogetherRule(Rule):
    """`kinds`, `count` (at least 2), `within`, `zone`, and to what the alarms are escalated."""

    kind: Literal["together"]
    kinds: EventKinds
    count: Annotated[int, Field(ge=2, le=50)] = 2
    within: Duration
    zone: Literal["own", "room", "floor", "building", "site"] = "building"
    different: Literal["address", "device", "kind"] = "address"
    escalate: Priority | None = None
    response: LocalText | None = None
    """What to do with the escalated alarms from then on; where absent they keep their own words."""

    @property
    def verifies(self) -> bool:
        return set(self.kinds) <= {"fire.alarm", "fire.manual_call_point"} and self.different != "kind"

    @property
    def empty(self) -> bool:
        return super().empty and self.escalate is None

    def faults(self) -> list[str]:
        found = super().faults()
        if self.response is not None and self.escalate is None:
            found.append("response: is for the alarms that are escalated; add `escalate` or remove it")
        if self.alarm is not None and (self.alarm.condition != "rule" or self.alarm.kind is None):
            found.append(
                "alarm: what only a correlation sees stands under its rule; write condition: rule, and a kind"
            )
        if self.hazard is not None and self.hazard.condition != "rule":
            found.append("hazard.condition: write condition: rule; several devices have no kind in common")
        return found

    def reflex_faults(self) -> list[str]:
        return find_reflex_faults(self, self.kinds)


class TogetherJudge(Judge):
    """State per zone: {"holds", "signs": [...]} in the order in which they came."""

    def __init__(self, rule: TogetherRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self.events = frozenset(rule.kinds)
        self._count = rule.count
        self._within_us = span_us(rule.within)
        self._level = rule.zone
        self._different = rule.different
        self._escalate = rule.escalate
        self._response = rule.response.texts() if rule.response else None
        self._kind = rule.alarm.kind if rule.alarm and rule.alarm.kind else rule.rule

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        zone = self._zone(event)
        if zone is None or change in (Change.STILL, Change.HISTORY_END):
            return
        state = self.memory.get(self.name, zone)
        signs: list[Sign] = list(state["signs"]) if state is not None else []
        holds = bool(state["holds"]) if state is not None else False
        place = _find(signs, event)
        at = microseconds(event.observed_at)
        if change is Change.ENDED:
            if place is not None:
                signs[place] = {**signs[place], "end": at}
                if holds and not any(sign["end"] is None for sign in signs):
                    holds = False
                    self.release(zone, self._kind, evidence.from_event(event), out)
                self.memory.put(self.name, zone, {"holds": holds, "signs": signs})
            return
        if change is Change.REPEATED and place is not None:
            return
        if change is Change.HISTORY and place is not None and signs[place]["at"] <= at:
            return
        escalated = place is not None and signs[place]["escalated"] and signs[place]["end"] is None
        sign: dict[str, Any] = {
            "device": event.device,
            "address": event.address,
            "kind": event.kind,
            "at": at,
            "end": None if change in (Change.BEGAN, Change.REPEATED) else at,
            "escalated": escalated,
        }
        if change is Change.HISTORY and place is not None:
            sign["end"] = signs[place]["end"]
        if place is not None:
            del signs[place]
        group = [sign, *(other for other in signs if self._together(sign, other))]
        signs.append(sign)
        fires = len({self._source(each) for each in group}) >= self._count
        if fires:
            fresh = [each for each in group if not each["escalated"]]
            signs = [{**each, "escalated": True} if each in fresh else each for each in signs]
            self._report(event, change, zone, group, fresh, out)
        self.memory.put(self.name, zone, {"holds": holds or fires, "signs": _evict(signs, at, self._within_us)})

    def _report(
        self,
        event: EventInput,
        change: Change,
        zone: str,
        group: list[Sign],
        fresh: list[Sign],
        out: list[Verdict],
    ) -> None:
        signs = sorted(f"{subject_of(each['device'], each['address'])} {each['kind']}" for each in group)
        told = evidence.from_event(event, together=signs)
        members = tuple(
            _alarm_of(each) for each in sorted(group, key=lambda each: (each["at"], _alarm_of(each)))
        )
        if self._escalate is not None and fresh:
            raised = {_alarm_of(each) for each in fresh}
            out.append(
                EscalateAlarms(
                    rule=self.ref,
                    alarms=tuple(each for each in members if each in raised),
                    priority=self._escalate,
                    evidence=told,
                    response=self._response,
                )
            )
        history = change is Change.HISTORY
        self.find(
            Finding(
                subject=zone,
                kind=self._kind,
                evidence=told,
                zone=event.zone if self._level == "own" else zone or None,
                late=event.late,
                acting=not history and not is_replayed(event),
                history=history,
                members=members,
            ),
            out,
        )

    def _zone(self, event: EventInput) -> str | None:
        if self._level == "site":
            return self.model.site
        return event.zone if self._level == "own" else self.model.zone_around(event.zone, self._level)

    def _source(self, sign: Sign) -> tuple[str, ...]:
        if self._different == "kind":
            return (sign["kind"],)
        return (sign["device"],) if self._different == "device" else (sign["device"], sign["address"])

    def _together(self, one: Sign, other: Sign) -> bool:
        first, second = (one, other) if one["at"] <= other["at"] else (other, one)
        return bool(
            second["at"] - first["at"] <= self._within_us or first["end"] is None or first["end"] > second["at"]
        )


def _find(signs: list[Sign], event: EventInput) -> int | None:
    for place, sign in enumerate(signs):
        if (sign["device"], sign["address"], sign["kind"]) == (event.device, event.address, event.kind):
            return place
    return None


def _alarm_of(sign: Sign) -> tuple[str, str]:
    return subject_of(sign["device"], sign["address"]), sign["kind"]


def _evict(signs: list[Sign], now_us: int, within_us: int) -> list[Sign]:
    horizon = now_us - within_us - LATENESS_US
    kept = [sign for sign in signs if sign["end"] is None or sign["end"] >= horizon]
    if len(kept) > MAX_SIGNS:
        oldest = min(kept, key=lambda sign: (sign["end"] is None, sign["end"] or sign["at"]))
        kept.remove(oldest)
    return kept


KIND = RuleKind("together", TogetherRule, TogetherJudge)
