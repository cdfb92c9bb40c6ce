"""`threshold`: a reading beyond its limit, with hysteresis.

A reading older than the last change of this state changes nothing. An unusable reading (bad, stale,
missing, NaN) makes the state unknown: it neither raises nor clears.
"""

from __future__ import annotations

from typing import Literal

from hub.domain.alarm import subject_of
from hub.domain.judgement import ReadingInput, SiteModel, Verdict
from hub.domain.moment import microseconds
from hub.rules import evidence
from hub.rules.limit import Limit, LimitRule, Side
from hub.rules.memory import Memory
from hub.rules.outcome import Finding
from hub.rules.rule import Judge, RuleKind


class ThresholdRule(LimitRule):
    """`point`, `above` or `below`, `clear`."""

    kind: Literal["threshold"]

    def faults(self) -> list[str]:
        found = [*super().faults(), *self.limit_faults()]
        if self.alarm is not None and self.alarm.kind is None:
            found.append("alarm.kind: a reading has no kind of its own; name one, as environment.high")
        if self.hazard is not None and (self.hazard.condition, self.hazard.checker) == ("kind", "condition"):
            found.append(
                "hazard.condition: a reading has no kind of its own; write condition: rule, checker: rule"
            )
        return found


class ThresholdJudge(Judge):
    """State per (device, address, point): {"holds", "at", "unknown"}; none while normal from the start."""

    def __init__(self, rule: ThresholdRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self._limit = Limit(rule)
        self.points = frozenset({self._limit.point})
        self._kind = rule.alarm.kind if rule.alarm and rule.alarm.kind else rule.rule

    def quiet(self) -> tuple[float, float] | None:
        return self._limit.quiet()

    def on_reading(self, reading: ReadingInput, out: list[Verdict]) -> None:
        key = f"{reading.device}|{reading.address}|{reading.point}"
        state = self.memory.get(self.name, key)
        side = self._limit.side(reading)
        holds = state is not None and state["holds"]
        if state is None:
            if side is Side.UNKNOWN:
                self.memory.put(self.name, key, {"holds": False, "at": 0, "unknown": True})
            if side is not Side.OVER:
                return  # the normal case: nothing to remember
        at = microseconds(reading.observed_at)
        if state is not None and at < state["at"]:
            return
        if side is Side.UNKNOWN:
            if state is not None and not state["unknown"]:
                self.memory.put(self.name, key, {**state, "unknown": True})
            return
        subject = subject_of(reading.device, reading.address)
        if side is Side.OVER and not holds:
            self.memory.put(self.name, key, {"holds": True, "at": at, "unknown": False})
            told = evidence.from_reading(reading, self._kind, limit=self._limit.limit)
            self.find(
                Finding(subject=subject, kind=self._kind, evidence=told, zone=reading.zone, late=reading.late),
                out,
            )
        elif side is Side.BACK and holds:
            self.memory.put(self.name, key, {"holds": False, "at": at, "unknown": False})
            told = evidence.from_reading(reading, self._kind, limit=self._limit.limit)
            self.release(subject, self._kind, told, out)
        elif state is not None and state["unknown"]:
            self.memory.put(self.name, key, {**state, "unknown": False})


KIND = RuleKind("threshold", ThresholdRule, ThresholdJudge)
