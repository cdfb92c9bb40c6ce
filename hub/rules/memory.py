"""What the engine remembers: one small JSON state per (rule, subject), timers, and what changed.

States are replaced, never altered in place: a checkpoint taken stays as it was.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hub.domain.judgement import Checkpoint

State = Mapping[str, Any]
_NOTHING: Final[dict[str, State]] = {}


class Memory:
    """The engine's whole state; what is not in a checkpoint is derived from one."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, State]] = {}
        self._touched: dict[tuple[str, str], int] = {}
        self._due: dict[tuple[str, str], int] = {}
        self._heap: list[tuple[int, str, str]] = []
        self.position = 0

    def get(self, rule: str, subject: str) -> State | None:
        """The state of (rule, subject), or None."""
        return self._states.get(rule, _NOTHING).get(subject)

    def put(self, rule: str, subject: str, state: State | None) -> None:
        """Replace the state; None forgets it."""
        if state is None:
            if self._states.get(rule, _NOTHING).pop(subject, None) is None:
                return
        else:
            self._states.setdefault(rule, {})[subject] = state
        self._touched[rule, subject] = self.position

    def subjects(self, rule: str) -> list[tuple[str, State]]:
        """Every subject of a rule with its state, in order."""
        return sorted(self._states.get(rule, _NOTHING).items())

    def states(self, rule: str) -> Mapping[str, State]:
        """The states of a rule by subject, as they are now."""
        return self._states.get(rule, _NOTHING)

    def schedule(self, rule: str, subject: str, due_us: int | None) -> None:
        """Wake the rule for the subject at that time; None: no longer."""
        if due_us is None:
            self._due.pop((rule, subject), None)
        elif self._due.get((rule, subject)) != due_us:
            self._due[rule, subject] = due_us
            heapq.heappush(self._heap, (due_us, rule, subject))

    def pop_due(self, at_us: int) -> tuple[int, str, str] | None:
        """The earliest timer that is due at that time, removed; None where there is none."""
        self._drop_stale()
        if not self._heap or self._heap[0][0] > at_us:
            return None
        due_us, rule, subject = heapq.heappop(self._heap)
        del self._due[rule, subject]
        return due_us, rule, subject

    def next_due(self) -> int | None:
        """When the earliest timer is due."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def take_changed(self) -> list[Checkpoint]:
        """Checkpoints of all that changed since the last call."""
        changed = [
            Checkpoint(rule=rule, subject=subject, position=position, state=self.get(rule, subject))
            for (rule, subject), position in self._touched.items()
        ]
        self._touched.clear()
        return changed

    def fill(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Begin anew from checkpoints."""
        for kept in (self._states, self._touched, self._due, self._heap):
            kept.clear()  # the same object stays known to every judge
        self.position = 0
        for checkpoint in checkpoints:
            if checkpoint.state is not None:
                self._states.setdefault(checkpoint.rule, {})[checkpoint.subject] = checkpoint.state
                self.position = max(self.position, checkpoint.position)

    def _drop_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][1:]) != self._heap[0][0]:
            heapq.heappop(self._heap)
