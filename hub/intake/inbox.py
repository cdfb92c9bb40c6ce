"""What has arrived and waits for the worker: bounded, alarm first, fair between edges.

Filled by the network thread, emptied by the worker thread. A full queue drops the newest of the edge that has
the most in it, and then what comes behind that hole, which nobody could take: so each edge keeps an unbroken
beginning, and nobody's flood costs another one his place. What was dropped is asked for once there is room.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.contract.codec import read_header
from adapters.contract.error import MalformedFrame
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.clock import steady_s

ALARM, TELEMETRY, HEARTBEAT = "alarm", "telemetry", "heartbeat"
BOUNDS: Final = {ALARM: 10_000, TELEMETRY: 200, HEARTBEAT: 1_000}
"""Messages that may wait, by what they are."""
BOUND_BYTES: Final = 64 * 1024 * 1024
"""And bytes, of each."""
_HOLE_S: Final = 5.0
"""An edge that has not come back to its hole by then has gone on without it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame as it came; `what` is the last part of its topic. `at` is by the hub's clock, which may be set
    while it waits; `at_s` by the steady one.
    """

    sender: Sender
    what: str
    frame: bytes
    at: datetime
    at_s: float = field(default_factory=steady_s)


@dataclass(frozen=True, slots=True)
class _Hole:
    epoch: int
    first: int
    at: datetime


_LANES: Final = {ALARM: int(Lane.ALARM), TELEMETRY: int(Lane.TELEMETRY)}


class Inbox:
    """One bounded queue per kind of message, a queue per edge inside each."""

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[Sender, deque[Arrival]]] = {what: OrderedDict() for what in BOUNDS}
        self._waiting: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._holes: dict[Sender, _Hole] = {}
        self._missed: dict[tuple[Sender, str, int], int] = {}
        self.dropped: Counter[str] = Counter()
        """Messages dropped because their queue was full."""

    def put(self, arrival: Arrival) -> None:
        """Let a message wait, unless its queue is full, or it stands behind one that was dropped."""
        what = arrival.what
        with self._changed:
            if what == TELEMETRY and self._holes and self._is_behind(arrival):
                self.dropped[what] += 1
                return
            full = self._waiting[what] >= BOUNDS[what] or self._bytes[what] >= BOUND_BYTES
            if full and not self._makes_room(arrival):
                return
            self._queues[what].setdefault(arrival.sender, deque()).append(arrival)
            self._waiting[what] += 1
            self._bytes[what] += len(arrival.frame)
            self._changed.notify()

    def missed(self) -> list[tuple[Sender, int, int, int]]:
        """(edge, epoch, lane, first) of what was dropped and can be asked for, as there is room; each once."""
        with self._changed:
            if not self._missed:
                return []
            ready = {key: first for key, first in self._missed.items() if self._has_room(key[1])}
            for key in ready:
                del self._missed[key]
        return [(sender, epoch, _LANES[what], first) for (sender, what, epoch), first in ready.items()]

    def wait(self, timeout_s: float) -> None:
        """Return when something waits, is woken, or the time is over."""
        with self._changed:
            if not self._waiting.total():
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        """Let `wait` return now."""
        with self._changed:
            self._changed.notify()

    def take(self, what: str, most: int, most_bytes: int) -> list[Arrival]:
        """The oldest messages, one edge after the other: up to `most` and about `most_bytes`
        (at least one, if any waits). Order within an edge is kept.
        """
        taken: list[Arrival] = []
        size = 0
        with self._changed:
            queues = self._queues[what]
            while queues and len(taken) < most and (not taken or size < most_bytes):
                sender, queue = queues.popitem(last=False)
                arrival = queue.popleft()
                if queue:
                    queues[sender] = queue
                taken.append(arrival)
                size += len(arrival.frame)
            self._waiting[what] -= len(taken)
            self._bytes[what] -= size
        return taken

    def depth(self) -> dict[str, int]:
        """How many messages wait, by what they are."""
        with self._changed:
            return {what: self._waiting[what] for what in BOUNDS}

    def _makes_room(self, arrival: Arrival) -> bool:
        """The queue is full: the edge with the most in it loses its newest message; false where that is the
        arrival itself.
        """
        what = arrival.what
        self.dropped[what] += 1
        queues = self._queues[what]
        fullest = max(queues, key=lambda sender: len(queues[sender]))
        if len(queues.get(arrival.sender, ())) + 1 >= len(queues[fullest]):
            self._note_hole(arrival)
            return False
        victim = queues[fullest].pop()
        self._waiting[what] -= 1
        self._bytes[what] -= len(victim.frame)
        self._note_hole(victim)
        return True

    def _note_hole(self, arrival: Arrival) -> None:
        if arrival.what not in _LANES:
            return
        try:
            header, _ = read_header(arrival.frame)
        except MalformedFrame:
            return
        key = (arrival.sender, arrival.what, header.epoch)
        if len(self._missed) < BOUNDS[ALARM] or key in self._missed:
            self._missed[key] = min(header.first, self._missed.get(key, header.first))
        if arrival.what == TELEMETRY:
            self._holes[arrival.sender] = _Hole(header.epoch, header.first, arrival.at)

    def _is_behind(self, arrival: Arrival) -> bool:
        hole = self._holes.get(arrival.sender)
        if hole is None:
            return False
        try:
            header, _ = read_header(arrival.frame)
        except MalformedFrame:
            return False
        late = abs((arrival.at - hole.at).total_seconds()) > _HOLE_S
        if late or header.epoch != hole.epoch or header.first <= hole.first:
            del self._holes[arrival.sender]
            return False
        return True

    def _has_room(self, what: str) -> bool:
        return 2 * self._waiting[what] <= BOUNDS[what] and 2 * self._bytes[what] <= BOUND_BYTES
