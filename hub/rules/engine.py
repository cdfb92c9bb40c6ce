"""The engine: a pure function of (rules, history). No clock, no I/O.

Inputs come in the order of their position; verdicts come out in the order in which they are to be
applied. All it knows is in `Memory`: `changed()` gives what changed as checkpoints, and an engine that
is `restore`d from them is exactly the one that never crashed. Cost depends on the rules that an input
concerns, not on how many there are: judges are found by (kind, device, address) and (point, device, address).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol

from msgspec.structs import replace

from hub.domain.judgement import (
    ActInput,
    Checkpoint,
    ClearAlarm,
    EscalateAlarms,
    EventInput,
    Input,
    ListeningInput,
    OpenHazard,
    OpenIncident,
    Quiet,
    RaiseAlarm,
    ReadingInput,
    SendCommand,
    SiteModel,
    TickInput,
    Verdict,
)
from hub.domain.moment import microseconds, moment_of
from hub.rules import condition
from hub.rules.language import KINDS
from hub.rules.memory import Memory
from hub.rules.rule import Judge, Rule

PANEL_RESET: Final = "fire.reset"
"""It counts as a clear of every `fire.*` condition of its panel; a point still active raises again."""
MAX_TIMERS_PER_TICK: Final = 10_000
"""More wait for the next tick, which `next_timer` asks for at once."""
MAX_INDEX: Final = 200_000
"""Entries kept; what devices invent beyond (ever new addresses) is looked up anew each time."""
_ORDER: Final[dict[type, int]] = {
    RaiseAlarm: 0,
    ClearAlarm: 1,
    EscalateAlarms: 2,
    OpenHazard: 3,
    # Before the plan: its first step finds the order given and takes it over.
    SendCommand: 4,
    OpenIncident: 5,
}


class RuleSource(Protocol):
    """Where the rules come from: the rule book."""

    @property
    def rules(self) -> Sequence[Rule]: ...


class Engine:
    """The rules of a book at one site."""

    def __init__(self, book: RuleSource, model: SiteModel) -> None:
        self._model = model
        self._memory = Memory()
        self._judges: dict[str, Judge] = {}
        self._by_event: dict[str, list[Judge]] = {}
        self._by_point: dict[str, list[Judge]] = {}
        self._listeners: list[Judge] = []
        self._watchers: list[Judge] = []
        self._events: dict[tuple[str, str, str], tuple[Judge, ...]] = {}
        self._readings: dict[tuple[str, str, str], tuple[Judge, ...]] = {}
        for rule in book.rules:
            judge = KINDS[rule.kind].judge(rule, model, self._memory)
            self._judges[judge.name] = judge
            for kind in judge.events:
                self._by_event.setdefault(kind, []).append(judge)
            if judge.points:
                self._watchers.append(judge)
            for point in judge.points:
                self._by_point.setdefault(point, []).append(judge)
            if type(judge).on_listening is not Judge.on_listening:
                self._listeners.append(judge)

    def restore(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Begin from checkpoints instead of from nothing; those of rules that are gone lie idle."""
        self._memory.fill(checkpoints)
        for name, judge in self._judges.items():
            for subject, state in self._memory.subjects(name):
                judge.restore(subject, state)

    def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        """What follows from the inputs at a position, in the order in which it is to be applied."""
        self._memory.position = position
        verdicts: list[Verdict] = []
        for each in inputs:
            out: list[Verdict] = []
            if isinstance(each, ReadingInput):
                for judge in self._judges_of_reading(each):
                    judge.on_reading(each, out)
            elif isinstance(each, EventInput):
                self._judge_event(each, out)
            elif isinstance(each, TickInput):
                self._judge_tick(each, out)
            elif isinstance(each, ListeningInput):
                for judge in self._listeners:
                    judge.on_listening(each, out)
            elif not isinstance(each, ActInput):
                raise TypeError(f"{type(each).__name__} is no input")
            if len(out) > 1:
                out = _settle(out)
            verdicts += out
        return verdicts

    def changed(self) -> list[Checkpoint]:
        """Every state that changed since the last call."""
        return self._memory.take_changed()

    def next_timer(self) -> datetime | None:
        """When a tick (or, for an absence, the listening until then) would change something."""
        due = [each for each in (judge.next_due() for judge in self._listeners) if each is not None]
        timer = self._memory.next_due()
        if timer is not None:
            due.append(timer)
        return moment_of(min(due)) if due else None

    def concerns(self, device: str, address: str, point: str) -> bool:
        """Must readings of this point be fed? Others are only stored."""
        return bool(self._find(self._readings, self._by_point, point, device, address, None))

    def quiet(self, device: str, address: str, point: str) -> Quiet | None:
        """The readings of this point that need not be fed while it is not `awake`; None: all must be."""
        judges = self._find(self._readings, self._by_point, point, device, address, None)
        if not judges:
            return None
        low, high = -math.inf, math.inf
        for judge in judges:
            bounds = judge.quiet()
            if bounds is None:
                return None
            low, high = max(low, bounds[0]), min(high, bounds[1])
        return Quiet(low, high)

    def awake(self, keys: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Of which (device, address, point) some rule remembers something, so that each reading must be fed."""
        known = [states for judge in self._watchers if (states := self._memory.states(judge.name))]
        if not known:
            return [False] * len(keys)
        named = ["|".join(key) for key in keys]
        return [any(name in states for states in known) for name in named]

    def _judge_event(self, event: EventInput, out: list[Verdict]) -> None:
        if event.kind == PANEL_RESET:
            self._reset_panel(event, out)
        judges = self._find(self._events, self._by_event, event.kind, event.device, event.address, event.zone)
        if not judges:
            return
        change = condition.track(self._memory, event)
        if event.zone is None:
            event = self._place(event)
        for judge in judges:
            judge.on_event(event, change, out)

    def _reset_panel(self, reset: EventInput, out: list[Verdict]) -> None:
        until = microseconds(reset.observed_at)
        for address, kind in condition.active_kinds(self._memory, reset.device, "fire.", until):
            ended = replace(
                reset, id=f"{reset.id}#{address}#{kind}", address=address, kind=kind, active=False, zone=None
            )
            self._judge_event(ended, out)

    def _judge_tick(self, tick: TickInput, out: list[Verdict]) -> None:
        at = microseconds(tick.at)
        for _ in range(MAX_TIMERS_PER_TICK):
            timer = self._memory.pop_due(at)
            if timer is None:
                return
            due_us, rule, subject = timer
            judge = self._judges.get(rule)
            if judge is not None:
                judge.on_timer(subject, due_us, out)

    def _judges_of_reading(self, reading: ReadingInput) -> tuple[Judge, ...]:
        return self._find(
            self._readings, self._by_point, reading.point, reading.device, reading.address, reading.zone
        )

    def _find(
        self,
        found: dict[tuple[str, str, str], tuple[Judge, ...]],
        index: dict[str, list[Judge]],
        name: str,
        device: str,
        address: str,
        zone: str | None,
    ) -> tuple[Judge, ...]:
        key = (name, device, address)
        judges = found.get(key)
        if judges is not None:
            return judges
        known = self._model.devices.get(device)
        if known is not None:
            zone = known.address_zones.get(address, known.zone)
        judges = tuple(judge for judge in index.get(name, ()) if judge.scope.holds(self._model, device, zone))
        if known is not None and len(found) < MAX_INDEX:
            found[key] = judges
        return judges

    def _place(self, event: EventInput) -> EventInput:
        zone = self._model.zone_of(event.device, event.address)
        return event if zone is None else replace(event, zone=zone)


def _settle(verdicts: list[Verdict]) -> list[Verdict]:
    """Alarms first, then what gathers them; where two rules raise the same alarm, the more urgent speaks."""
    chosen: dict[tuple[str, str], RaiseAlarm] = {}
    kept: list[Verdict] = []
    for verdict in verdicts:
        if isinstance(verdict, RaiseAlarm):
            key = (verdict.subject, verdict.condition)
            rival = chosen.get(key)
            if rival is None:
                chosen[key] = verdict
                kept.append(verdict)
            elif verdict.evidence.id == rival.evidence.id:
                if verdict.priority.rank < rival.priority.rank:
                    kept[kept.index(rival)] = verdict
                    chosen[key] = verdict
            else:
                kept.append(verdict)
        else:
            kept.append(verdict)
    if any(isinstance(verdict, RaiseAlarm) for verdict in kept) and any(
        isinstance(verdict, ClearAlarm) for verdict in kept
    ):
        return kept  # a condition that came and went in one input keeps its order
    return sorted(kept, key=lambda verdict: _ORDER[type(verdict)])
