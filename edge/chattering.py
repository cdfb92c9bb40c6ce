"""A device that changes faster than a stated rate is collapsed into first, last and count. Pure.

The first changes pass as they are. Beyond the rate, `device.chattering` is raised once and what follows is held
back; every `summary_ms` the last state is told with the number of changes it stands for, so that the
hub's view is never older than that. When the device has been calm for as long, the chattering ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import msgspec

from adapters.contract.message import Event
from edge.known import ConditionKey


@dataclass(frozen=True, slots=True)
class Rate:
    """More than `changes` within `window_ms` are chattering."""

    changes: int = 10
    momentary: int = 100
    """The same for momentary kinds: people press a button more than once."""
    window_ms: int = 10_000
    summary_ms: int = 10_000


@dataclass(slots=True)
class _Run:
    recent: deque[int] = field(default_factory=deque)
    collapsing: bool = False
    heard: Event | None = None
    held: int = 0
    held_since: int = 0
    summary_due: int = 0


class Chattering:
    """The rates of all (device, address, kind). `now` is milliseconds, monotonic."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._runs: dict[ConditionKey, _Run] = {}
        self._before: dict[ConditionKey, _Run | None] = {}
        """What the runs touched since the last commit were before."""
        self.collapsed = 0

    def commit(self) -> None:
        """What was admitted since the last commit is stored."""
        self._before.clear()

    def roll_back(self) -> None:
        """What was admitted since the last commit was not stored and will come again."""
        for key, run in self._before.items():
            if run is None:
                self._runs.pop(key, None)
            else:
                self._runs[key] = run
        self._before.clear()

    def admit(self, event: Event, now: int) -> list[Event]:
        """What to store for an event that is news: itself, or itself and the begin of chattering."""
        key = _key_of(event)
        self._remember(key)
        run = self._runs.setdefault(key, _Run())
        self._count(run, event, now)
        if len(run.recent) <= self._limit(event):
            return [event]
        run.collapsing = True
        run.summary_due = now + self._rate.summary_ms
        run.heard = event
        return [event, _tell_chattering(event, event.edge_at, active=True)]

    def is_collapsing(self, event: Event) -> bool:
        """Whether this event is to be held back: then `hold` takes it."""
        run = self._runs.get(_key_of(event))
        return run is not None and run.collapsing

    def hold(self, event: Event, now: int) -> None:
        """Hold an event back, to be told in the next summary. A state that did not change is none."""
        key = _key_of(event)
        self._remember(key)
        run = self._runs[key]
        if run.heard is not None and event.active == run.heard.active and event.active is not None:
            return
        self._count(run, event, now)
        if not run.held:
            run.held_since = event.edge_at
        run.held += 1
        run.heard = event
        self.collapsed += 1

    def collect_due(self, now: int, now_us: int) -> list[Event]:
        """Summaries that are due, and ends of chattering. Forgets what has been calm."""
        told: list[Event] = []
        for key, run in list(self._runs.items()):
            calm = now - run.recent[-1] >= self._rate.window_ms
            if calm or run.collapsing:
                self._remember(key)
            if run.collapsing and run.heard is not None and now >= run.summary_due:
                run.summary_due = now + self._rate.summary_ms
                if run.held:
                    told.append(_summarise(run.heard, run.held, run.held_since))
                    run.held = 0
                if calm:
                    run.collapsing = False
                    if not self._collapses_elsewhere(key):
                        told.append(_tell_chattering(run.heard, now_us, active=False))
            if calm and not run.collapsing:
                del self._runs[key]
        return told

    def _remember(self, key: ConditionKey) -> None:
        if key not in self._before:
            run = self._runs.get(key)
            self._before[key] = None if run is None else replace(run, recent=deque(run.recent))

    def _count(self, run: _Run, event: Event, now: int) -> None:
        run.recent.append(now)
        while now - run.recent[0] >= self._rate.window_ms or len(run.recent) > self._limit(event) + 1:
            run.recent.popleft()

    def _limit(self, event: Event) -> int:
        return self._rate.momentary if event.active is None else self._rate.changes

    def _collapses_elsewhere(self, key: ConditionKey) -> bool:
        return any(
            run.collapsing
            for other, run in self._runs.items()
            if other[:2] == key[:2] and other.kind != key.kind
        )


def _key_of(event: Event) -> ConditionKey:
    return ConditionKey(event.device, event.address, event.kind)


def _summarise(last: Event, count: int, since: int) -> Event:
    # The summary has no id of its own: it stands for many messages.
    return msgspec.structs.replace(
        last, attributes={**last.attributes, "collapsed": count, "collapsed_since": since}, identity=""
    )


def _tell_chattering(event: Event, edge_at: int, *, active: bool) -> Event:
    return Event(
        device=event.device,
        address=event.address,
        kind="device.chattering",
        active=active,
        observed_at=None,
        edge_at=edge_at,
        attributes={"kind": event.kind},
    )
