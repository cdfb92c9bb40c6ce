"""State machines as tables: one mapping from (state, action, nature) to the next state, one `apply`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from hub.domain.error import ActRefused


class Nature(StrEnum):
    """How a thing behaves: does its condition end, and does it end by itself?

    `plain`: begins and ends; `latching`: ends only by a reset; `momentary`: happens and is over;
    `momentary_latching`: happens, and stays until a reset. Machines without that distinction use `plain`.
    """

    PLAIN = "plain"
    LATCHING = "latching"
    MOMENTARY = "momentary"
    MOMENTARY_LATCHING = "momentary_latching"

    @property
    def latches(self) -> bool:
        return self in (Nature.LATCHING, Nature.MOMENTARY_LATCHING)

    @property
    def momentary(self) -> bool:
        return self in (Nature.MOMENTARY, Nature.MOMENTARY_LATCHING)


S = TypeVar("S", bound=StrEnum)
A = TypeVar("A", bound=StrEnum)
Table = Mapping[tuple[S, A, Nature], S]


class IllegalTransition(ActRefused):
    """The table has no such pair: the action does not exist in that state."""

    code = "illegal_transition"

    def __init__(self, state: str, action: str, nature: Nature, allowed: Iterable[str]) -> None:
        possible = ", ".join(sorted(allowed)) or "nothing"
        suffix = "" if nature is Nature.PLAIN else f" ({nature.value.replace('_', '-')})"
        super().__init__(f"cannot {action} what is {state}{suffix}; possible now: {possible}")
        self.state, self.action, self.nature = state, action, nature


def apply(table: Table[S, A], state: S, action: A, nature: Nature = Nature.PLAIN) -> S:
    """The next state. Raises IllegalTransition for a pair that the table does not hold."""
    try:
        return table[state, action, nature]
    except KeyError:
        allowed = {known.value for at, known, kind in table if at is state and kind is nature}
        raise IllegalTransition(state.value, action.value, nature, allowed) from None


def build(
    rows: Iterable[tuple[tuple[S, ...], A, S | None, tuple[Nature, ...]]],
) -> dict[tuple[S, A, Nature], S]:
    """A table from rows (from-states, action, to-state, natures); to-state None means "stays as it is".

    Raises ValueError where two rows speak about the same pair.
    """
    table: dict[tuple[S, A, Nature], S] = {}
    for states, action, target, natures in rows:
        for state in states:
            for nature in natures:
                if (state, action, nature) in table:
                    raise ValueError(f"{state} / {action} / {nature} stands twice in the table")
                table[state, action, nature] = state if target is None else target
    return table
