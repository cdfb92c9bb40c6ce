"""`held`: a condition, or a reading beyond its limit, that has lasted for a time.

The time counts from when it was observed to begin. While the reading is unusable, or its device is
offline, the rule does not know and does not fire; the first usable reading decides.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from adapters.contract.condition import Change
from hub.domain.alarm import subject_of
from hub.domain.judgement import EventInput, Evidence, ReadingInput, SiteModel, Verdict
from hub.domain.moment import microseconds, span_us
from hub.rules import evidence
from hub.rules.field import Duration, EventKind
from hub.rules.limit import Limit, LimitRule, Side
from hub.rules.memory import Memory, State
from hub.rules.outcome import Finding
from hub.rules.rule import Judge, RuleKind

OFFLINE = "device.offline"


class HeldRule(LimitRule):
    """`for`, and either `kinds` of conditions or a `point` with its limit."""

    kind: Literal["held"]
    kinds: tuple[EventKind, ...] = ()
    hold: Duration = Field(alias="for")

    def faults(self) -> list[str]:
        found = super().faults()
        if self.kinds and self.point is not None:
            found.append("point: stands beside `kinds`; give one of the two")
        elif not self.kinds:
            found += self.limit_faults()
            if self.alarm is not None and self.alarm.kind is None:
                found.append("alarm.kind: a reading has no kind of its own; name one, as environment.high")
            if self.hazard is not None and (self.hazard.condition, self.hazard.checker) == (
                "kind",
                "condition",
            ):
                found.append(
                    "hazard.condition: a reading has no kind of its own; write condition: rule, checker: rule"
                )
        return found


class HeldJudge(Judge):
    """State per (device, address, kind or point): holds, since (µs), fired, unknown, late, evidence."""

    def __init__(self, rule: HeldRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self._hold_us = span_us(rule.hold)
        self._hold_s = int(rule.hold.total_seconds())
        self._limit = None if rule.kinds else Limit(rule)
        self._kind = rule.alarm.kind if rule.alarm and rule.alarm.kind else rule.rule
        if self._limit is None:
            self.events = frozenset(rule.kinds)
        else:
            self.points = frozenset({self._limit.point})
            self.events = frozenset({OFFLINE})

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        if self._limit is not None:
            if change is Change.BEGAN:
                self._lose(event.device)
            return
        key = f"{event.device}|{event.address}|{event.kind}"
        if change is Change.BEGAN:
            self._begin(key, evidence.from_event(event), event.late)
        elif change is Change.ENDED:
            self._end(key, event.kind, evidence.from_event(event), event.late, out)

    def quiet(self) -> tuple[float, float] | None:
        return None if self._limit is None else self._limit.quiet()

    def on_reading(self, reading: ReadingInput, out: list[Verdict]) -> None:
        if self._limit is None:
            return
        key = f"{reading.device}|{reading.address}|{reading.point}"
        state, side = self.memory.get(self.name, key), self._limit.side(reading)
        if state is None:
            if side is Side.OVER:
                told = evidence.from_reading(reading, self._kind, limit=self._limit.limit)
                self._begin(key, told, reading.late)
            return
        at = microseconds(reading.observed_at)
        if at < state["since"]:
            return
        if side is Side.UNKNOWN:
            self._doubt(key, state)
        elif side is Side.BACK:
            told = evidence.from_reading(reading, self._kind, limit=self._limit.limit)
            self._end(key, self._kind, told, reading.late, out)
        elif state["unknown"]:
            state = {**state, "unknown": False}
            self.memory.put(self.name, key, state)
            if not state["fired"] and at - state["since"] >= self._hold_us:
                self._fire(key, state, reading.late, out)
            elif not state["fired"]:
                self.memory.schedule(self.name, key, state["since"] + self._hold_us)

    def on_timer(self, subject: str, due_us: int, out: list[Verdict]) -> None:
        state = self.memory.get(self.name, subject)
        if state is not None and not state["fired"] and not state["unknown"]:
            self._fire(subject, state, state["late"], out)

    def restore(self, subject: str, state: State) -> None:
        if not state["fired"] and not state["unknown"]:
            self.memory.schedule(self.name, subject, state["since"] + self._hold_us)

    def _begin(self, key: str, told: Evidence, late: bool) -> None:
        since = microseconds(told.observed_at)
        state: dict[str, Any] = {
            "holds": True,
            "since": since,
            "fired": False,
            "unknown": False,
            "late": late,
            "evidence": evidence.pack(told),
        }
        self.memory.put(self.name, key, state)
        self.memory.schedule(self.name, key, since + self._hold_us)

    def _end(self, key: str, kind: str, told: Evidence, late: bool, out: list[Verdict]) -> None:
        state = self.memory.get(self.name, key)
        if state is None:
            return
        lasted = microseconds(told.observed_at) - state["since"]
        if not state["fired"] and not state["unknown"] and lasted >= self._hold_us:
            # Begin and end came together, after the time: it did hold for so long.
            self._fire(key, state, state["late"] or late, out)
            state = {**state, "fired": True}
        self.memory.put(self.name, key, None)
        self.memory.schedule(self.name, key, None)
        if state["fired"]:
            self.release(subject_of(told.device or "", told.address or ""), kind, told, out)

    def _fire(self, key: str, state: State, late: bool, out: list[Verdict]) -> None:
        self.memory.put(self.name, key, {**state, "fired": True})
        self.memory.schedule(self.name, key, None)
        told = evidence.unpack(state["evidence"], held_s=self._hold_s)
        self.find(
            Finding(
                subject=subject_of(told.device or "", told.address or ""),
                kind=told.kind,
                evidence=told,
                zone=told.zone,
                late=late,
            ),
            out,
        )

    def _lose(self, device: str) -> None:
        for key, state in self.memory.subjects(self.name):
            if key.startswith(f"{device}|"):
                self._doubt(key, state)

    def _doubt(self, key: str, state: State) -> None:
        if not state["unknown"]:
            self.memory.put(self.name, key, {**state, "unknown": True})
            self.memory.schedule(self.name, key, None)


KIND = RuleKind("held", HeldRule, HeldJudge)
