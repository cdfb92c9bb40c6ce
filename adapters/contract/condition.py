"""What an event does to its condition: the one answer of the hub's rules and of an edge's reflexes. Pure.

Both judge the same events; where they came to different answers here, a door would be released at an edge and
not by the hub, or the other way round.
"""

from __future__ import annotations

from enum import Enum, auto


class Change(Enum):
    """What an event does to its condition."""

    MOMENT = auto()
    """Momentary: it has no condition."""
    BEGAN = auto()
    REPEATED = auto()
    """Active already; a device said so again."""
    ENDED = auto()
    """It ended, or its first word is that it does not hold."""
    STILL = auto()
    """Not active, as known."""
    HISTORY = auto()
    """Older than what was last seen: it was active then; today's state stands."""
    HISTORY_END = auto()
    """Older than what was last seen, and an end: nothing follows from it."""


def change_of(active: bool | None, at_us: int, known: tuple[bool, int] | None) -> Change:
    """The change by an event that says `active` (None: momentary) of `at_us`; `known` is what was last seen of
    its condition: active, and when (µs).
    """
    if active is None:
        return Change.MOMENT
    if known is not None and at_us < known[1]:
        return Change.HISTORY if active else Change.HISTORY_END
    if known is None:
        return Change.BEGAN if active else Change.ENDED
    if active:
        return Change.REPEATED if known[0] else Change.BEGAN
    return Change.ENDED if known[0] else Change.STILL


def is_newest(change: Change) -> bool:
    """Whether the event is what is to be remembered of its condition from now on."""
    return change not in (Change.MOMENT, Change.HISTORY, Change.HISTORY_END)
