"""Which device is polled next: what is due, the most urgent poll class first. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Due(Generic[_T]):
    """A job and when it is due, in seconds of a monotonic clock."""

    at_s: float
    period_s: float
    job: _T


class Schedule(Generic[_T]):
    """Jobs with periods. Among those that are overdue the one with the shortest period goes first,
    so that slow readings never keep fire and panic points waiting.
    """

    def __init__(self) -> None:
        self._classes: dict[float, list[tuple[float, int, _T]]] = {}
        self._number = 0

    def add(self, period_s: float, job: _T, at_s: float) -> None:
        """Let a job be due at a time."""
        self._number += 1
        heapq.heappush(self._classes.setdefault(period_s, []), (at_s, self._number, job))

    def take(self, now_s: float) -> Due[_T]:
        """The next job; its time may lie ahead. Raises IndexError where there is none."""
        waiting = [(period_s, heap) for period_s, heap in self._classes.items() if heap]
        overdue = [(period_s, heap) for period_s, heap in waiting if heap[0][0] <= now_s]
        if overdue:
            period_s, heap = min(overdue, key=lambda item: item[0])
        elif waiting:
            period_s, heap = min(waiting, key=lambda item: item[1][0][0])
        else:
            raise IndexError("nothing is scheduled")
        at_s, _, job = heapq.heappop(heap)
        return Due(at_s, period_s, job)
