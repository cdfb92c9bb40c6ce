"""What every rule is, and what judges one at a site: the two halves of a rule kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from adapters.contract.condition import Change
from adapters.contract.vocabulary import KINDS, REFLEX_COMMANDS, Lane
from hub.domain.alarm import nature_of
from hub.domain.command import OPENING
from hub.domain.judgement import (
    ClearAlarm,
    EventInput,
    Evidence,
    ListeningInput,
    ReadingInput,
    RuleRef,
    SiteModel,
    Verdict,
)
from hub.rules.field import LocalText, Name, Words
from hub.rules.memory import Memory, State
from hub.rules.outcome import Finding, Outcomes, Verdicts
from hub.rules.scope import Scope

HOLD = "@hold"
"""Under this name the memory keeps which rules hold an alarm that several can raise."""


class Rule(Outcomes):
    """The keys that every rule has; a kind adds its own."""

    kind: str
    rule: Name
    version: Annotated[int, Field(ge=1)] = 1
    name: LocalText
    why: Words
    """The standard or the practice that asks for it."""
    scope: Scope = Scope()
    reflex: bool = False
    """Its commands are also pushed down to the edges, which perform them with the hub or the line down."""

    @property
    def verifies(self) -> bool:
        """Does it prove a fire: the panel's own start, or two independent devices?"""
        return False

    def faults(self) -> list[str]:
        """What is wrong beyond single fields, each as `field: what; cure`."""
        found = []
        if self.empty:
            found.append("outcome: leads to nothing; give it an alarm, hazard, incident or commands")
        for number, command in enumerate(self.commands):
            if command.kind in OPENING and not self.verifies:
                found.append(
                    f"commands[{number}].kind: {command.kind} needs the panel's own start"
                    " (fire.output_started) or two independent devices (a `together` rule); leave it to a plan"
                )
        return [*found, *self.reflex_faults()] if self.reflex else found

    def reflex_faults(self) -> list[str]:
        """Why the rule cannot be a reflex; kinds of rules that can override it."""
        return [f"reflex: a rule of kind {self.kind} needs the hub; remove the mark (event and together can)"]


def find_reflex_faults(rule: Rule, kinds: Iterable[str]) -> list[str]:
    """What hinders a rule on these event kinds from running at an edge, beyond its own kind's reasons."""
    found = []
    if not rule.commands:
        found.append("reflex: has no commands to perform; add `commands`, or remove the mark")
    for kind in kinds:
        if KINDS[kind].lane is not Lane.ALARM:
            found.append(f"reflex: {kind} does not ride the alarm lane; remove the kind or the mark")
    for number, command in enumerate(rule.commands):
        if command.kind not in REFLEX_COMMANDS:
            found.append(
                f"commands[{number}].kind: {command.kind} is not safe to do twice, so no reflex; use one of"
                f" {', '.join(sorted(REFLEX_COMMANDS))}, or remove the mark"
            )
        if command.device is None and command.family is None:
            found.append(f"commands[{number}]: names nothing that an edge could know; add device or family")
    return found


class Judge:
    """One rule at one site. A kind overrides what it listens to."""

    def __init__(self, rule: Rule, model: SiteModel, memory: Memory) -> None:
        self.name = rule.rule
        self.scope = rule.scope
        self.model = model
        self.memory = memory
        self.ref = RuleRef(rule.rule, rule.version)
        self.verdicts = Verdicts(self.ref, rule, model, verifies=rule.verifies)
        self.alarms = rule.alarm is not None
        self.events: frozenset[str] = frozenset()
        """Event kinds that it wants to see."""
        self.points: frozenset[str] = frozenset()
        """Points whose readings it wants to see."""

    def quiet(self) -> tuple[float, float] | None:
        """Usable values, bounds included, that change nothing while there is no state of their series (kept
        under `device|address|point`); None where every reading counts.
        """
        return None

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        """An event of a kind and device that it listens to."""

    def on_reading(self, reading: ReadingInput, out: list[Verdict]) -> None:
        """A reading of a point and device that it listens to."""

    def on_timer(self, subject: str, due_us: int, out: list[Verdict]) -> None:
        """The time for which it asked has come."""

    def on_listening(self, listening: ListeningInput, out: list[Verdict]) -> None:
        """The hub listened for that long."""

    def restore(self, subject: str, state: State) -> None:
        """Derive what is not in the state itself, such as a timer."""

    def next_due(self) -> int | None:
        """When it wants the hub to have listened next, in µs; None: it does not wait."""
        return None

    def find(self, finding: Finding, out: list[Verdict]) -> None:
        """Report a finding; an alarm that it raises is held until `release`."""
        if self.alarms and not finding.history and not nature_of(finding.kind).momentary:
            self._hold(finding.subject, self.verdicts.condition(finding.kind))
        self.verdicts.find(finding, out)

    def release(self, subject: str, kind: str, evidence: Evidence, out: list[Verdict]) -> None:
        """The condition ended as far as this rule goes: clear, unless another rule still holds it."""
        if not self.alarms:
            return
        condition = self.verdicts.condition(kind)
        key = f"{subject}|{condition}"
        held = self.memory.get(HOLD, key)
        others = [each for each in held["rules"] if each != self.name] if held else []
        self.memory.put(HOLD, key, {"rules": others} if others else None)
        if not others:
            out.append(ClearAlarm(rule=self.ref, subject=subject, condition=condition, evidence=evidence))

    def _hold(self, subject: str, condition: str) -> None:
        key = f"{subject}|{condition}"
        held = self.memory.get(HOLD, key)
        if held is None:
            self.memory.put(HOLD, key, {"rules": [self.name]})
        elif self.name not in held["rules"]:
            self.memory.put(HOLD, key, {"rules": sorted([*held["rules"], self.name])})


@dataclass(frozen=True, slots=True)
class RuleKind:
    """How a kind of rule is written and how it is judged; each file in `kinds/` has one as `KIND`."""

    name: str
    rule: type[Rule]
    judge: Callable[[Any, SiteModel, Memory], Judge]
