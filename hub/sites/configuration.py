"""site.yaml: a school's places, edges, devices, posts and roster as it is configured, and every fault in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from adapters.contract.topic import NAME
from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES
from hub.document import StrictModel, check_unique, fault, fill_placeholders, parse_document, read_document
from hub.domain.error import ConfigurationError

RESERVED_DEVICES: Final = frozenset({"hub"})
"""Names that supervision events of the hub itself carry."""
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("is not a name; use a-z 0-9 _ . - (63 at most, beginning with a letter or digit)")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone; write one of the IANA names, as Asia/Shanghai") from None
    return value


def _clock(value: Any) -> Any:
    # A number here is YAML's reading of an unquoted 19:00 (sexagesimal 1140).
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError('is not a time of day; write "HH:MM" in quotes')
    return time(int(value[:2]), int(value[3:]))


def _text_keys(value: Any) -> Any:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value


def _text_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _among(words: Mapping[str, Any], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"is not {what}; use one of {', '.join(sorted(words))}")
        return value

    return AfterValidator(check)


Name = Annotated[str, AfterValidator(_name)]
Clock = Annotated[time, BeforeValidator(_clock)]
Words = Annotated[str, Field(min_length=1, max_length=200)]


class LocalText(StrictModel):
    """A text for people in Chinese and, where it differs, English."""

    zh: Words
    en: Words

    @model_validator(mode="before")
    @classmethod
    def _fill_english(cls, value: Any) -> Any:
        return (
            {**value, "en": value["zh"]}
            if isinstance(value, dict) and "zh" in value and "en" not in value
            else value
        )


class ZoneConfiguration(StrictModel):
    zone: Name
    parent: Name | None = None
    name: LocalText
    class_: Literal["key", "sensitive", "general"] = Field(default="general", alias="class")
    kind: Literal["building", "floor", "room", "outdoor"]


class ConnectionConfiguration(StrictModel):
    """How an edge reaches devices; what the driver takes besides is checked by the edge."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)
    connection: Name
    driver: Name


class EdgeConfiguration(StrictModel):
    edge: Name
    name: LocalText
    connections: tuple[ConnectionConfiguration, ...] = ()


class AddressConfiguration(StrictModel):
    """A detector of a panel, a door of a controller."""

    zone: Name | None = None
    name: LocalText | None = None


class DeviceConfiguration(StrictModel):
    device: Name
    name: LocalText
    family: Annotated[str, _among(FAMILIES, "a family")]
    zone: Name
    edge: Name
    connection: Name
    profile: Name
    address: Annotated[str, BeforeValidator(_text_number), Field(min_length=1, max_length=120)] | None = None
    addresses: Annotated[dict[str, AddressConfiguration], BeforeValidator(_text_keys)] = Field(default={})
    parameters: dict[str, bool | int | float | str] = Field(default={})
    writes: tuple[Annotated[str, _among(COMMAND_KINDS, "a command")], ...] = ()


class PostConfiguration(StrictModel):
    post: Name
    name: LocalText


class ContactConfiguration(StrictModel):
    kind: Name
    value: Annotated[str, BeforeValidator(_text_number), Field(min_length=1, max_length=200)]


class PersonConfiguration(StrictModel):
    person: Name
    name: Words
    contacts: tuple[ContactConfiguration, ...] = ()


class ShiftConfiguration(StrictModel):
    post: Name
    person: Name
    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)
    begins: Clock
    ends: Clock


class EscalationConfiguration(StrictModel):
    """After how many seconds an alarm that nobody acknowledged goes to the next post."""

    critical_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = (30, 60, 120)
    other_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = (90, 180, 300)
    posts: tuple[Name, ...] = ()


class SiteConfiguration(StrictModel):
    site: Name
    name: LocalText
    area: tuple[Words, ...] = ()
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "Asia/Shanghai"
    zones: tuple[ZoneConfiguration, ...] = Field(min_length=1)
    edges: tuple[EdgeConfiguration, ...] = ()
    devices: tuple[DeviceConfiguration, ...] = ()
    posts: tuple[PostConfiguration, ...] = ()
    persons: tuple[PersonConfiguration, ...] = ()
    shifts: tuple[ShiftConfiguration, ...] = ()
    escalation: EscalationConfiguration = EscalationConfiguration()

    @property
    def profiles_by_device(self) -> dict[str, str]:
        return {device.device: device.profile for device in self.devices}


def load_site(file: Path) -> SiteConfiguration:
    """A site.yaml; raises ConfigurationError with every fault."""
    configuration, faults = _parse(read_document(file), file)
    if configuration is None or faults:
        raise ConfigurationError(faults)
    return configuration


def check_site(document: Any, file: Path) -> list[str]:
    """Every fault of a site.yaml document; empty when there is none."""
    return _parse(document, file)[1]


def load_profiles(directory: Path) -> dict[str, dict[str, Any]]:
    """The device profiles by name, as they stand in the files: the hub passes them on, the edge reads them.

    Raises ConfigurationError.
    """
    profiles: dict[str, dict[str, Any]] = {}
    faults = []
    for file in sorted(directory.glob("*.yaml")):
        try:
            document = read_document(file)
        except ConfigurationError as error:
            faults += error.faults
            continue
        name = document.get("profile") if isinstance(document, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name):
            faults.append(fault(file, "profile", "is not a name; give the profile's name here", name))
        elif name in profiles:
            faults.append(fault(file, "profile", "stands in two files; rename one of the two", name))
        else:
            profiles[name] = document
    if faults:
        raise ConfigurationError(faults)
    return profiles


def check_profiles(configuration: SiteConfiguration, profiles: Mapping[str, Any], file: Path) -> list[str]:
    """A fault for each device whose profile is not there."""
    return [
        fault(
            file,
            f"devices[{number}].profile",
            "is not a known profile; add its file to the profiles",
            device.profile,
        )
        for number, device in enumerate(configuration.devices)
        if device.profile not in profiles
    ]


def _parse(document: Any, file: Path) -> tuple[SiteConfiguration | None, list[str]]:
    document, faults = fill_placeholders(document, file)
    configuration, more = parse_document(document, SiteConfiguration, file)
    faults += more
    if configuration is not None:
        faults += [*_check_names(configuration, file), *_check_references(configuration, file)]
    elif isinstance(document, dict):
        faults += _check_sound(document, file)
    return configuration, faults


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


def _check_sound(document: Mapping[str, Any], file: Path) -> list[str]:
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
    found = [*_check_names(site, file), *_check_references(site, file)]
    if any(entry.startswith("edges") for entry in faulty):
        found = [line for line in found if "].connection:" not in line]
    return [line for line in found if not line.startswith(unknown)]


def _is_sound(model: type[StrictModel], entry: Any) -> bool:
    try:
        model.model_validate(entry)
    except ValidationError:
        return False
    return True


def _check_names(site: SiteConfiguration, file: Path) -> Iterator[str]:
    yield from check_unique(site.zones, lambda each: each.zone, lambda n: f"zones[{n}].zone", file)
    yield from check_unique(site.edges, lambda each: each.edge, lambda n: f"edges[{n}].edge", file)
    yield from check_unique(site.devices, lambda each: each.device, lambda n: f"devices[{n}].device", file)
    yield from check_unique(site.posts, lambda each: each.post, lambda n: f"posts[{n}].post", file)
    yield from check_unique(site.persons, lambda each: each.person, lambda n: f"persons[{n}].person", file)
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


def _check_references(site: SiteConfiguration, file: Path) -> Iterator[str]:
    parents = {zone.zone: zone.parent for zone in site.zones}
    connections = {edge.edge: {each.connection for each in edge.connections} for edge in site.edges}
    posts = {post.post for post in site.posts}
    persons = {person.person for person in site.persons}
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
    for number, shift in enumerate(site.shifts):
        if shift.post not in posts:
            yield fault(
                file, f"shifts[{number}].post", "is no post of this site; add it or correct it", shift.post
            )
        if shift.person not in persons:
            yield fault(
                file,
                f"shifts[{number}].person",
                "is no person of this site; add it or correct it",
                shift.person,
            )
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
