"""`event`: it happened, or the condition began; when the condition ends, its alarm clears."""

from __future__ import annotations

from typing import Literal

from adapters.contract.condition import Change
from hub.domain.alarm import subject_of
from hub.domain.judgement import EventInput, SiteModel, Verdict
from hub.rules import evidence
from hub.rules.condition import is_replayed
from hub.rules.field import EventKinds
from hub.rules.memory import Memory
from hub.rules.outcome import Finding
from hub.rules.predicate import compile_when
from hub.rules.rule import Judge, Rule, RuleKind, find_reflex_faults


class EventRule(Rule):
    """`kinds` of events, and `when` on their own values."""

    kind: Literal["event"]
    kinds: EventKinds
    when: str = ""

    @property
    def verifies(self) -> bool:
        return set(self.kinds) <= {"fire.output_started"}

    def faults(self) -> list[str]:
        return [*super().faults(), *when_faults(self.when)]

    def reflex_faults(self) -> list[str]:
        found = find_reflex_faults(self, self.kinds)
        if self.when:
            found.append("when: an edge knows no predicates; remove it, or the mark `reflex`")
        return found


def when_faults(when: str) -> list[str]:
    """What is wrong with a `when:` text."""
    if not when:
        return []
    try:
        compile_when(when)
    except ValueError as error:
        return [f"when: {error}"]
    return []


class EventJudge(Judge):
    """Keeps no state of its own: the condition's is kept once for all rules."""

    def __init__(self, rule: EventRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self.events = frozenset(rule.kinds)
        self._when = compile_when(rule.when) if rule.when else None

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        subject = subject_of(event.device, event.address)
        if change is Change.ENDED:
            self.release(subject, event.kind, evidence.from_event(event), out)
            return
        if change in (Change.STILL, Change.HISTORY_END):
            return
        if self._when is not None and not self._when(event):
            return
        history = change is Change.HISTORY
        self.find(
            Finding(
                subject=subject,
                kind=event.kind,
                evidence=evidence.from_event(event),
                zone=event.zone,
                late=event.late,
                acting=not history and not is_replayed(event),
                history=history,
            ),
            out,
        )


KIND = RuleKind("event", EventRule, EventJudge)
