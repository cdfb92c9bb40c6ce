"""`repetition`: the same thing so many times within a time (counting begins anew after each finding).

Per subject at most `count` times are kept: no more are needed to answer.
"""

from __future__ import annotations

from bisect import insort
from typing import Annotated, Literal

from pydantic import Field

from adapters.contract.condition import Change
from hub.domain.alarm import nature_of, subject_of
from hub.domain.judgement import EventInput, SiteModel, Verdict
from hub.domain.moment import microseconds, span_us
from hub.rules import evidence
from hub.rules.field import Duration, EventKinds
from hub.rules.kinds.event import when_faults
from hub.rules.memory import Memory
from hub.rules.outcome import Finding
from hub.rules.predicate import compile_when
from hub.rules.rule import Judge, Rule, RuleKind


class RepetitionRule(Rule):
    """`kinds`, `count`, `within`, and `when` on the events' own values."""

    kind: Literal["repetition"]
    kinds: EventKinds
    count: Annotated[int, Field(ge=2, le=1_000)]
    within: Duration
    when: str = ""

    def faults(self) -> list[str]:
        found = [*super().faults(), *when_faults(self.when)]
        if self.hazard is not None and self.hazard.checker == "rule":
            found.append("hazard.checker: a count is never still there; write condition or person")
        if self.alarm is not None and not all(
            nature_of(kind).momentary for kind in (self.alarm.kind, *self.kinds) if kind
        ):
            found.append("alarm: a count never ends; only momentary kinds may raise one, give a hazard instead")
        return found


class RepetitionJudge(Judge):
    """State per (device, address, kind): {"times": [µs, sorted], "after": µs of the last finding}."""

    def __init__(self, rule: RepetitionRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self.events = frozenset(rule.kinds)
        self._count = rule.count
        self._within_us = span_us(rule.within)
        self._within_s = int(rule.within.total_seconds())
        self._when = compile_when(rule.when) if rule.when else None

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        if change not in (Change.MOMENT, Change.BEGAN, Change.HISTORY):
            return
        if self._when is not None and not self._when(event):
            return
        key = f"{event.device}|{event.address}|{event.kind}"
        state = self.memory.get(self.name, key)
        times: list[int] = list(state["times"]) if state is not None else []
        after: int = state["after"] if state is not None else -1
        at = microseconds(event.observed_at)
        if at <= after:
            return
        insort(times, at)
        times = [each for each in times if each > times[-1] - self._within_us][-self._count :]
        if len(times) < self._count:
            self.memory.put(self.name, key, {"times": times, "after": after})
            return
        self.memory.put(self.name, key, {"times": [], "after": times[-1]})
        self.find(
            Finding(
                subject=subject_of(event.device, event.address),
                kind=event.kind,
                evidence=evidence.from_event(event, count=self._count, within_s=self._within_s),
                zone=event.zone,
                late=event.late,
                acting=change is not Change.HISTORY,
            ),
            out,
        )


KIND = RuleKind("repetition", RepetitionRule, RepetitionJudge)
