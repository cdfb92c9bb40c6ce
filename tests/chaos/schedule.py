"""What is broken when: made from a seed alone, so that a run can be repeated and reduced. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

PAUSE_S = (0.5, 2.5)
"""So long all is well between two rounds."""
COMPANION = 0.3
"""So often a second fault falls into the first."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the schedule has to know of a kind of fault."""

    lasts_s: tuple[float, float]
    """Shortest and longest; (0, 0) for what happens at once, like a kill."""
    touches: frozenset[str]
    """The parts that it breaks: two faults at once never touch the same part."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault: begins so long after its round, lasts so long; `seed` draws its particulars."""

    kind: str
    after_s: float
    lasts_s: float
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} (+{self.after_s:.1f} s, {self.lasts_s:.1f} s)"


@dataclass(frozen=True, slots=True)
class Round:
    """Some quiet, then one fault, or two that overlap."""

    number: int
    pause_s: float
    blows: tuple[Blow, ...]


def plan(
    seed: int, rounds: int, shapes: Mapping[str, Shape], only: Collection[str] = (), *, longest_s: float = 40.0
) -> Sequence[Round]:
    """The rounds of a run. Every kind has its turn before any has its second; `only` chooses kinds.

    Each round depends on the seed and its number, not on the rounds before it, apart from the kinds' order.
    Raises ValueError for a kind that is not known.
    """
    unknown = sorted(set(only) - set(shapes))
    if unknown:
        raise ValueError(f"FAULTS: {', '.join(unknown)} is no fault; use some of {', '.join(sorted(shapes))}")
    kinds = sorted(only or shapes)
    deck: list[str] = []
    planned = []
    for number in range(rounds):
        chance = random.Random(f"{seed}:{number}")
        if not deck:
            deck = random.Random(f"{seed}:deck:{number}").sample(kinds, len(kinds))
        first = _draw(deck.pop(), 0.0, shapes, longest_s, chance)
        blows = [first]
        others = [kind for kind in kinds if not shapes[kind].touches & shapes[first.kind].touches]
        if others and chance.random() < COMPANION:
            after_s = chance.uniform(0.0, max(first.lasts_s, 1.0))
            blows.append(_draw(chance.choice(others), after_s, shapes, longest_s, chance))
        planned.append(Round(number, chance.uniform(*PAUSE_S), tuple(blows)))
    return planned


def _draw(
    kind: str, after_s: float, shapes: Mapping[str, Shape], longest_s: float, chance: random.Random
) -> Blow:
    least, most = shapes[kind].lasts_s
    lasts_s = chance.uniform(min(least, longest_s), min(most, longest_s))
    return Blow(kind, after_s, lasts_s, chance.getrandbits(32))
