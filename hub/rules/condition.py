"""What each condition is now, so that older news changes nothing."""

from __future__ import annotations

from typing import Final

from adapters.contract.condition import Change, change_of, is_newest
from hub.domain.judgement import EventInput
from hub.domain.moment import microseconds
from hub.rules.memory import Memory

RULE: Final = "@condition"
"""Under this name the memory keeps conditions; no rule can be called so."""


def is_replayed(event: EventInput) -> bool:
    """Does it come out of a memory (a broker's retained message)? Then nothing acts on it (invariant 14)."""
    return event.attributes.get("replayed") is True


def key_of(device: str, address: str, kind: str) -> str:
    """The memory's subject of a condition; a device's name holds no bar."""
    return f"{device}|{address}|{kind}"


def track(memory: Memory, event: EventInput) -> Change:
    """Take an event into account and say what it changed."""
    key, at = key_of(event.device, event.address, event.kind), microseconds(event.observed_at)
    known = memory.get(RULE, key) if event.active is not None else None
    change = change_of(event.active, at, None if known is None else (known["active"], known["at"]))
    if is_newest(change):
        memory.put(RULE, key, {"active": event.active, "at": at})
    return change


def active_kinds(memory: Memory, device: str, prefix: str, not_after_us: int) -> list[tuple[str, str]]:
    """(address, kind) of the device's active conditions whose kind begins so, last seen by then."""
    found = []
    for key, state in memory.subjects(RULE):
        if state["active"] and state["at"] <= not_after_us and key.startswith(f"{device}|"):
            address, _, kind = key.split("|", 1)[1].rpartition("|")
            if kind.startswith(prefix):
                found.append((address, kind))
    return found
