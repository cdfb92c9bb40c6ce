"""What each condition is now, so that older news changes nothing."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from hub.domain.judgement import EventInput
from hub.domain.moment import microseconds
from hub.rules.memory import Memory

RULE: Final = "@condition"
"""Under this name the memory keeps conditions; no rule can be called so."""


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


def is_replayed(event: EventInput) -> bool:
    """Does it come out of a memory (a broker's retained message)? Then nothing acts on it (invariant 14)."""
    return event.attributes.get("replayed") is True


def key_of(device: str, address: str, kind: str) -> str:
    """The memory's subject of a condition; a device's name holds no bar."""
    return f"{device}|{address}|{kind}"


def track(memory: Memory, event: EventInput) -> Change:
    """Take an event into account and say what it changed."""
    if event.active is None:
        return Change.MOMENT
    key, at = key_of(event.device, event.address, event.kind), microseconds(event.observed_at)
    known = memory.get(RULE, key)
    if known is not None and at < known["at"]:
        return Change.HISTORY if event.active else Change.HISTORY_END
    memory.put(RULE, key, {"active": event.active, "at": at})
    if known is None:
        return Change.BEGAN if event.active else Change.ENDED
    if event.active:
        return Change.REPEATED if known["active"] else Change.BEGAN
    return Change.ENDED if known["active"] else Change.STILL


def active_kinds(memory: Memory, device: str, prefix: str, not_after_us: int) -> list[tuple[str, str]]:
    """(address, kind) of the device's active conditions whose kind begins so, last seen by then."""
    found = []
    for key, state in memory.subjects(RULE):
        if state["active"] and state["at"] <= not_after_us and key.startswith(f"{device}|"):
            address, _, kind = key.split("|", 1)[1].rpartition("|")
            if kind.startswith(prefix):
                found.append((address, kind))
    return found
