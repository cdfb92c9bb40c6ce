"""Changes to a site's document, one at a time. Pure: a document in, a new one out; whether it holds together
is `read_whole`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.sites.difference import SECTIONS
from hub.sites.document import Document


def add_entry(document: Document, section: str, entry: Mapping[str, Any]) -> Document:
    """With a zone or device more, at the end. Raises ActRefused where there is one of the name."""
    key = SECTIONS[section]
    name = entry[key]
    if any(each[key] == name for each in document[section]):
        raise ActRefused(f"{key}: there is a {key} {name!r} already; choose another name")
    return {**document, section: [*document[section], dict(entry)]}


def change_entry(document: Document, section: str, name: str, entry: Mapping[str, Any]) -> Document:
    """With all of a zone or device as it is given; its name stays. Raises NotFound, InvalidAct."""
    key = SECTIONS[section]
    if entry[key] != name:
        raise InvalidAct(
            f"{key}: a {key} keeps its name (is: {entry[key]!r}); write {name!r}, or add a new one"
        )
    number = _find(document, section, name)
    entries = list(document[section])
    entries[number] = dict(entry)
    return {**document, section: entries}


def put_entry(document: Document, section: str, entry: Mapping[str, Any]) -> Document:
    """With the entry as it is given: in the place of the one of its name, or more, at the end."""
    key = SECTIONS[section]
    if any(each[key] == entry[key] for each in document[section]):
        return change_entry(document, section, entry[key], entry)
    return {**document, section: [*document[section], dict(entry)]}


def remove_entry(document: Document, section: str, name: str) -> Document:
    """Without a zone or device. Raises NotFound; ActRefused where something lies in the zone."""
    number = _find(document, section, name)
    if section == "zones":
        held = _held(document, name)
        if held:
            raise ActRefused(f"zone {name} holds {', '.join(held)}; move or remove them first")
    entries = document[section]
    return {**document, section: [*entries[:number], *entries[number + 1 :]]}


def move_zone(document: Document, name: str, parent: str | None, after: str | None) -> Document:
    """With a zone under another parent (None: outermost), behind its sibling `after` or, None, before all of
    them. Raises NotFound, InvalidAct.
    """
    number = _find(document, "zones", name)
    zone = {**document["zones"][number], "parent": parent}
    rest = [each for each in document["zones"] if each["zone"] != name]
    siblings = [each["zone"] for each in rest if each["parent"] == parent]
    if after is not None and after not in siblings:
        raise InvalidAct(
            f"after: {after!r} does not lie beside it; name one of: {', '.join(siblings) or 'none'}"
        )
    if after is not None:
        place = next(n for n, each in enumerate(rest) if each["zone"] == after) + 1
    elif siblings:
        place = next(n for n, each in enumerate(rest) if each["zone"] == siblings[0])
    else:
        place = len(rest)
    return {**document, "zones": [*rest[:place], zone, *rest[place:]]}


def move_device(document: Document, name: str, zone: str) -> Document:
    """With a device in another zone. Raises NotFound."""
    device = document["devices"][_find(document, "devices", name)]
    return change_entry(document, "devices", name, {**device, "zone": zone})


def change_area(document: Document, area: Sequence[str]) -> Document:
    """With the site in another city and county."""
    return {**document, "area": list(area)}


def _find(document: Document, section: str, name: str) -> int:
    key = SECTIONS[section]
    for number, each in enumerate(document[section]):
        if each[key] == name:
            return number
    raise NotFound(f"there is no such {key}")


def _held(document: Document, zone: str) -> list[str]:
    """What of the document lies in a zone, in words; at most ten of it."""
    inner = [f"zone {each['zone']}" for each in document["zones"] if each["parent"] == zone]
    for device in document["devices"]:
        addresses = [name for name, each in device.get("addresses", {}).items() if each.get("zone") == zone]
        if device["zone"] == zone:
            inner.append(f"device {device['device']}")
        elif addresses:
            inner.append(f"{device['device']}:{addresses[0]}")
    return inner[:10] + (["…"] if len(inner) > 10 else [])
