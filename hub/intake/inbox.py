"""What has arrived and waits for the worker: bounded, alarm first, fair between edges.

Filled by the network thread, emptied by the worker thread. A full queue drops the newest: the edge
sends again what has no receipt.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.contract.topic import Sender

ALARM, TELEMETRY, HEARTBEAT = "alarm", "telemetry", "heartbeat"
BOUNDS: Final = {ALARM: 10_000, TELEMETRY: 200, HEARTBEAT: 1_000}
"""Messages that may wait, by what they are."""
BOUND_BYTES: Final = 64 * 1024 * 1024
"""And bytes, of each."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame as it came; `what` is the last part of its topic."""

    sender: Sender
    what: str
    frame: bytes
    at: datetime


class Inbox:
    """One bounded queue per kind of message, a queue per edge inside each."""

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[Sender, deque[Arrival]]] = {what: OrderedDict() for what in BOUNDS}
        self._waiting: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._changed = threading.Condition()
        self.dropped: Counter[str] = Counter()
        """Messages dropped because their queue was full."""

    def put(self, arrival: Arrival) -> None:
        """Let a message wait, unless its queue is full."""
        what = arrival.what
        with self._changed:
            if self._waiting[what] >= BOUNDS[what] or self._bytes[what] >= BOUND_BYTES:
                self.dropped[what] += 1
                return
            self._queues[what].setdefault(arrival.sender, deque()).append(arrival)
            self._waiting[what] += 1
            self._bytes[what] += len(arrival.frame)
            self._changed.notify()

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
