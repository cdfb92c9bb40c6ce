"""What to do with a run of items, from the lane's cursor alone (design, invariant 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar

THROTTLE_S: Final = 0.2
"""A lane is asked for a gap at most this often: what is in flight arrives meanwhile."""
_MOST_KEYS: Final = 10_000

Key = TypeVar("Key")


class Move(Enum):
    """What a run of items is, seen from the cursor."""

    DUPLICATE = auto()
    """All of it is stored: receipt again, change nothing."""
    NEXT = auto()
    """It follows the cursor (or overlaps it: skip what is stored): take it."""
    GAP = auto()
    """Something before it is missing: ask for that, take nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """The decision. `skip` items at the head are stored already; afterwards the cursor is `cursor`."""

    move: Move
    skip: int
    cursor: int


def decide(cursor: int, first: int, count: int) -> Step:
    """Place the items `first … first+count-1` (count ≥ 1) against a cursor (0: nothing yet)."""
    last = first + count - 1
    if last <= cursor:
        return Step(Move.DUPLICATE, count, cursor)
    if first > cursor + 1:
        return Step(Move.GAP, 0, cursor)
    return Step(Move.NEXT, cursor + 1 - first, last)


class Throttle(Generic[Key]):
    """Lets each key pass at most every `every_s`; time is given, in seconds of any steady clock."""

    def __init__(self, every_s: float = THROTTLE_S) -> None:
        self._every_s = every_s
        self._passed: dict[Key, float] = {}

    def passes(self, key: Key, now_s: float) -> bool:
        """Whether the key may pass now; if so, it has."""
        before = self._passed.get(key)
        if before is not None and now_s - before < self._every_s:
            return False
        if len(self._passed) >= _MOST_KEYS:
            self._passed = {k: at for k, at in self._passed.items() if now_s - at < self._every_s}
        self._passed[key] = now_s
        return True

    def forget(self, key: Key) -> None:
        """Let the key pass at once next time."""
        self._passed.pop(key, None)


def follows_in_lane(event: str, before: str) -> bool:
    """Was an event taken in later than another, by their ids (`edge/epoch/lane/sequence/ordinal`)? Only of
    events of one lane and epoch that can be said.
    """
    lane, place = _place_of(event)
    lane_before, place_before = _place_of(before)
    return lane == lane_before and place > place_before


def _place_of(event: str) -> tuple[list[str], tuple[int, ...]]:
    *lane, sequence, ordinal = event.split("/")
    return lane, (int(sequence), int(ordinal))
