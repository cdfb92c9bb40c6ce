"""What differs between two versions of a site's document, as a list. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

SECTIONS: Final = {"zones": "zone", "devices": "device", "posts": "post"}
"""The document's lists, and the key that an entry is known by."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entry; None where it had or has none."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that came, went or changed. `noun`: site, zone, device, post; `order` where a list's order is
    all that changed.
    """

    noun: str
    name: str
    change: Literal["added", "removed", "changed", "order"]
    fields: tuple[Field, ...] = ()


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What one has to do to come from `before` to `after`, in the order of the document."""
    found = []
    whole = _fields(_rest(before), _rest(after))
    if whole:
        found.append(Difference("site", str(after.get("site", "")), "changed", whole))
    for section, key in SECTIONS.items():
        old = {entry[key]: entry for entry in before.get(section, ())}
        new = {entry[key]: entry for entry in after.get(section, ())}
        for name in [*new, *(each for each in old if each not in new)]:
            if name not in old:
                found.append(Difference(key, name, "added", _fields({}, new[name])))
            elif name not in new:
                found.append(Difference(key, name, "removed", _fields(old[name], {})))
            elif fields := _fields(old[name], new[name]):
                found.append(Difference(key, name, "changed", fields))
        kept = [name for name in old if name in new]
        if kept != [name for name in new if name in old]:
            found.append(Difference(key, "", "order"))
    return found


def gone(before: Mapping[str, Any], after: Mapping[str, Any], section: str) -> list[str]:
    """The names in a section that are in `before` and no longer in `after`."""
    key = SECTIONS[section]
    kept = {entry[key] for entry in after.get(section, ())}
    return [entry[key] for entry in before.get(section, ()) if entry[key] not in kept]


def _rest(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in SECTIONS}


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Field, ...]:
    names = [*after, *(name for name in before if name not in after)]
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(Field(*pair) for pair in pairs if (pair[1] or None) != (pair[2] or None))
