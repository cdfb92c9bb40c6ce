"""What holds a site's document together: names that stand once, references that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from adapters.contract.topic import NAME
from hub.document import StrictModel, check_unique, fault, parse_document
from hub.sites.configuration import (
    DeviceConfiguration,
    EdgeConfiguration,
    EscalationConfiguration,
    PostConfiguration,
    SiteConfiguration,
    ZoneConfiguration,
)
from hub.sites.people import PersonConfiguration, ShiftConfiguration, check_people

RESERVED_DEVICES: Final = frozenset({"hub"})
"""Names that supervision events of the hub itself carry."""

# What stands for an entry that is faulty in itself, so that the sound ones can be checked beside it.
_TEXT: Final = {"zh": "?"}
_STAND_INS: Final[Mapping[str, tuple[type[StrictModel], str, Mapping[str, Any]]]] = {
    "zones": (ZoneConfiguration, "zone", {"name": _TEXT, "kind": "building"}),
    "edges": (EdgeConfiguration, "edge", {"name": _TEXT}),
    "devices": (
        DeviceConfiguration,
        "device",
        {"name": _TEXT, "family": "camera", "zone": "x", "edge": "x", "connection": "x", "profile": "x"},
    ),
    "posts": (PostConfiguration, "post", {"name": _TEXT}),
    "persons": (PersonConfiguration, "person", {"name": "?"}),
    "shifts": (ShiftConfiguration, "post", {"person": "x", "begins": "00:00", "ends": "00:00"}),
}


def check_sound(document: Mapping[str, Any], file: Path) -> list[str]:
    """Names and references of a document that is faulty elsewhere: of each entry that is sound in itself,
    against all names that are written. Nothing where a whole section is missing or cannot be read, for then
    every reference to it would look wrong.
    """
    sections = {name: document.get(name) or [] for name in _STAND_INS}
    strange = document.keys() - SiteConfiguration.model_fields.keys()
    if strange or not all(isinstance(entries, list) for entries in sections.values()):
        return []
    faulty: set[str] = set()
    for name, (model, key, rest) in _STAND_INS.items():
        for number, entry in enumerate(sections[name]):
            if not _is_sound(model, entry):
                faulty.add(f"{name}[{number}]")
                written = entry.get(key) if isinstance(entry, dict) else None
                good = isinstance(written, str) and NAME.fullmatch(written)
                sections[name] = [*sections[name]]
                sections[name][number] = {**rest, key: written if good else f"faulty-{number}"}
    escalation = document.get("escalation", {})
    told = {"escalation": escalation} if _is_sound(EscalationConfiguration, escalation) else {}
    site, _ = parse_document({"site": "x", "name": _TEXT, **sections, **told}, SiteConfiguration, file)
    if site is None:
        return []
    unknown = tuple(f"{file}: {entry}" for entry in faulty)
    found = [*check_names(site, file), *check_references(site, file)]
    if any(entry.startswith("edges") for entry in faulty):
        found = [line for line in found if "].connection:" not in line]
    return [line for line in found if not line.startswith(unknown)]


def _is_sound(model: type[StrictModel], entry: Any) -> bool:
    try:
        model.model_validate(entry)
    except ValidationError:
        return False
    return True


def check_names(site: SiteConfiguration, file: Path) -> Iterator[str]:
    yield from check_unique(site.zones, lambda each: each.zone, lambda n: f"zones[{n}].zone", file)
    yield from check_unique(site.edges, lambda each: each.edge, lambda n: f"edges[{n}].edge", file)
    yield from check_unique(site.devices, lambda each: each.device, lambda n: f"devices[{n}].device", file)
    yield from check_unique(site.posts, lambda each: each.post, lambda n: f"posts[{n}].post", file)
    for index, edge in enumerate(site.edges):
        yield from check_unique(
            edge.connections,
            lambda each: each.connection,
            lambda n, index=index: f"edges[{index}].connections[{n}].connection",  # type: ignore[misc]
            file,
        )
    for number, device in enumerate(site.devices):
        if device.device in RESERVED_DEVICES:
            yield fault(
                file, f"devices[{number}].device", "is the hub's own name; choose another", device.device
            )


def check_references(site: SiteConfiguration, file: Path) -> Iterator[str]:
    parents = {zone.zone: zone.parent for zone in site.zones}
    connections = {edge.edge: {each.connection for each in edge.connections} for edge in site.edges}
    posts = {post.post for post in site.posts}
    for number, zone in enumerate(site.zones):
        if zone.parent is not None and zone.parent not in parents:
            yield fault(
                file, f"zones[{number}].parent", "is no zone of this site; add it or correct it", zone.parent
            )
        elif _is_own_ancestor(zone.zone, parents):
            yield fault(
                file, f"zones[{number}].parent", "makes the zone lie in itself; break the circle", zone.parent
            )
    for number, device in enumerate(site.devices):
        at = f"devices[{number}]"
        if device.zone not in parents:
            yield fault(file, f"{at}.zone", "is no zone of this site; add it or correct it", device.zone)
        if device.edge not in connections:
            yield fault(file, f"{at}.edge", "is no edge of this site; add it or correct it", device.edge)
        elif device.connection not in connections[device.edge]:
            yield fault(
                file,
                f"{at}.connection",
                f"is no connection of edge {device.edge}; add it or correct it",
                device.connection,
            )
        for address, details in device.addresses.items():
            if details.zone is not None and details.zone not in parents:
                yield fault(
                    file,
                    f"{at}.addresses.{address}.zone",
                    "is no zone of this site; add it or correct it",
                    details.zone,
                )
    yield from check_people(site, posts, set(parents), file)
    for number, post in enumerate(site.escalation.posts):
        if post not in posts:
            yield fault(
                file, f"escalation.posts[{number}]", "is no post of this site; add it or correct it", post
            )


def _is_own_ancestor(zone: str, parents: Mapping[str, str | None]) -> bool:
    seen: set[str] = set()
    above = parents.get(zone)
    while above is not None and above not in seen:
        if above == zone:
            return True
        seen.add(above)
        above = parents.get(above)
    return False
