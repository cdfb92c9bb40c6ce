"""Opened runs that wait for their transaction: cut to fit it, fair between edges, kept until committed."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from adapters.contract.topic import Sender
from hub.intake.run import RawItem, Run


class Backlog:
    """First in, first out per edge. What `choose` gives stays here until `settle`, so that a lost
    database costs nothing but time.
    """

    def __init__(self, weigh: Callable[[RawItem], int]) -> None:
        self._weigh = weigh
        self._queues: OrderedDict[Sender, deque[Run]] = OrderedDict()
        self._chosen: list[tuple[Sender, Run | None]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, run: Run) -> None:
        """Let a run wait behind the others of its edge."""
        self._queues.setdefault(run.sender, deque()).append(run)
        self._count += 1

    def choose(self, budget: int) -> tuple[list[Run], int]:
        """Runs, or heads of runs, of about the given weight in all, the same share for each edge;
        at least one item of each edge. Also their weight.
        """
        share = max(1, budget // max(1, len(self._queues)))
        chosen: list[Run] = []
        total = 0
        self._chosen = []
        for sender, queue in self._queues.items():
            left = share
            for run in queue:
                if left <= 0:
                    break
                count, weight = self._fit(run, left)
                head, tail = run.split(count)
                chosen.append(head)
                self._chosen.append((sender, tail))
                left -= weight
                total += weight
                if tail is not None:
                    break
        return chosen, total

    def settle(self) -> None:
        """What was chosen last is committed, or answered otherwise: forget it."""
        for sender, tail in self._chosen:
            queue = self._queues[sender]
            queue.popleft()
            self._count -= 1
            if tail is not None:
                queue.appendleft(tail)
                self._count += 1
            if not queue:
                del self._queues[sender]
        self._chosen = []

    def _fit(self, run: Run, left: int) -> tuple[int, int]:
        """How many items of a run fit, at least one, and their weight."""
        weight = 0
        for count, item in enumerate(run.items):
            if count and weight >= left:
                return count, weight
            weight += self._weigh(item)
        return len(run.items), max(1, weight)


class Pace:
    """How much to put into one transaction so that it takes about `target_s`."""

    def __init__(self, target_s: float, start: int, least: int, most: int) -> None:
        self.budget = start
        self._target_s, self._least, self._most = target_s, least, most

    def begin(self) -> None:
        """A new connection: begin small, as the last one may have ended over what was too large for it."""
        self.budget = self._least

    def learn(self, weight: int, took_s: float) -> None:
        """A transaction of that weight took so long: come closer to the target, at most twofold."""
        fitting = int(weight * self._target_s / max(took_s, 1e-6))
        if fitting > self.budget and weight < self.budget // 2:
            return  # it was small; nothing can be said about a large one
        self.budget = max(self._least, min(self._most, max(self.budget // 2, min(self.budget * 2, fitting))))
