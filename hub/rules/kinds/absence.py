"""`absence`: a device from which a kind of event has not come for a time.

Only time in which the hub was listening counts: its own absence is not the devices' silence.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adapters.contract.condition import Change
from hub.domain.judgement import EventInput, Evidence, ListeningInput, SiteModel, Verdict
from hub.domain.moment import microseconds, span_us
from hub.rules import evidence
from hub.rules.field import Duration, EventKinds
from hub.rules.memory import Memory, State
from hub.rules.outcome import Finding
from hub.rules.rule import Judge, Rule, RuleKind

TOTAL = "@"
"""The subject under which a rule keeps how long the hub has listened; no device is called so."""


class AbsenceRule(Rule):
    """`kinds` that should come from every device in scope at least once in `for`."""

    kind: Literal["absence"]
    kinds: EventKinds
    hold: Duration = Field(alias="for")

    def faults(self) -> list[str]:
        found = super().faults()
        if not self.scope.families and not self.scope.devices:
            found.append("scope: names neither families nor devices; say whose silence is meant")
        if self.alarm is not None and self.alarm.kind is None:
            found.append("alarm.kind: silence has no kind of its own; name one, as patrol.missed")
        if self.hazard is not None and (self.hazard.condition != "rule" or self.hazard.checker == "condition"):
            found.append("hazard: silence has no kind of its own; write condition: rule, checker: rule")
        return found


class AbsenceJudge(Judge):
    """State per device: {"heard": listened µs by then, "holds": fired}; `TOTAL`: {"listened", "until"}.

    Listening is told when it matters: after 92 days, perhaps, and long after the events that came in
    meanwhile. Until it is told how far the hub had listened when an event was recorded, the state of its
    device names that moment as "at", and the listening up to it counts as heard.
    """

    def __init__(self, rule: AbsenceRule, model: SiteModel, memory: Memory) -> None:
        super().__init__(rule, model, memory)
        self.events = frozenset(rule.kinds)
        self._hold_us = span_us(rule.hold)
        self._hold_s = int(rule.hold.total_seconds())
        self._kind = rule.alarm.kind if rule.alarm and rule.alarm.kind else rule.rule
        self._devices = [
            fact for _, fact in sorted(model.devices.items()) if rule.scope.holds(model, fact.device, fact.zone)
        ]
        self._complete = False
        """Does every device in scope have a state? Like the next two, derived from the states when asked."""
        self._earliest: int | None = None
        self._ahead: set[str] = set()
        """Devices whose state has an "at"."""
        self._stale = True

    def on_event(self, event: EventInput, change: Change, out: list[Verdict]) -> None:
        if change in (Change.STILL, Change.HISTORY, Change.HISTORY_END):
            return
        state = self.memory.get(self.name, event.device)
        listened, until = self._total()
        at = microseconds(event.recorded_at)
        heard: State = {"heard": listened, "holds": False}
        self.memory.put(self.name, event.device, {**heard, "at": at} if at > until else heard)
        self._stale = True
        if state is not None and state["holds"]:
            self.release(event.device, self._kind, evidence.from_event(event), out)

    def on_listening(self, listening: ListeningInput, out: list[Verdict]) -> None:
        listened, until = self._total()
        begin, end = max(microseconds(listening.since), until), microseconds(listening.until)
        if end > begin:
            self._hear(begin, end)
            listened += end - begin
            self.memory.put(self.name, TOTAL, {"listened": listened, "until": end})
        earliest = self._next()
        if self._complete and (earliest is None or listened < earliest):
            return
        for fact in self._devices:
            state = self.memory.get(self.name, fact.device)
            if state is None:
                state = {"heard": listened, "holds": False}
                self.memory.put(self.name, fact.device, state)
            if state["holds"] or listened - state["heard"] < self._hold_us:
                continue
            self.memory.put(self.name, fact.device, {"heard": state["heard"], "holds": True})
            told = Evidence(
                id=f"rule/{self.name}/{fact.device}/{end}",
                observed_at=listening.until,
                recorded_at=listening.until,
                device=fact.device,
                address="",
                zone=fact.zone,
                kind=self._kind,
                values={"silent_s": self._hold_s},
            )
            self.find(Finding(subject=fact.device, kind=self._kind, evidence=told, zone=fact.zone), out)
        self._stale = True

    def next_due(self) -> int | None:
        listened, until = self._total()
        if not until:
            return 0 if self._devices else None  # at once: nothing counts before it was told of listening
        earliest = self._next()
        if not self._complete:
            return until  # at once: a device is new, and its time counts from now on
        return until + max(0, earliest - listened) if earliest is not None else None

    def restore(self, subject: str, state: State) -> None:
        self._stale = True

    def _hear(self, begin: int, end: int) -> None:
        """The hub listened from `begin` to `end`, before or while these devices were heard."""
        self._derive()
        for device in sorted(self._ahead):
            state = self.memory.get(self.name, device)
            if state is None:
                raise AssertionError(f"{device}: heard, but without a state")
            heard = state["heard"] + max(0, min(state["at"], end) - begin)
            told = {"at": state["at"]} if state["at"] > end else {}
            self.memory.put(self.name, device, {"heard": heard, "holds": state["holds"], **told})
            self._stale = True

    def _next(self) -> int | None:
        """Listened µs at which, as far as is known, the first device in scope will have been silent for too
        long; who has an "at" may have been heard later than that.
        """
        self._derive()
        return self._earliest

    def _derive(self) -> None:
        if not self._stale:
            return
        known = [self.memory.get(self.name, fact.device) for fact in self._devices]
        heard = [state["heard"] for state in known if state is not None and not state["holds"]]
        self._earliest = min(heard) + self._hold_us if heard else None
        self._complete = all(state is not None for state in known)
        self._ahead = {subject for subject, state in self.memory.states(self.name).items() if "at" in state}
        self._stale = False

    def _total(self) -> tuple[int, int]:
        total = self.memory.get(self.name, TOTAL)
        return (total["listened"], total["until"]) if total is not None else (0, 0)


KIND = RuleKind("absence", AbsenceRule, AbsenceJudge)
