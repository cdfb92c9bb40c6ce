"""The settings that the hub sends: checked whole against profiles and drivers, kept on disk, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from adapters.base import DeviceSettings, Driver
from adapters.contract.message import Settings
from adapters.contract.topic import NAME, Sender
from adapters.contract.vocabulary import FAMILIES, KINDS, REFLEX_COMMANDS, Lane
from adapters.profile import Profile, ProfileError, load_profile
from edge.configuration import CommandKind, list_faults, replace_file
from edge.error import SettingsRefused
from edge.reflex import Effect, ReflexRule, Table, Target

ERROR_BYTES: Final = 2_000
"""What the heartbeat carries of a refusal."""

Name = Annotated[str, Field(pattern=NAME.pattern)]


def _family(family: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"{family!r} is no family; use one of {', '.join(FAMILIES)}")
    return family


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ConnectionEntry(BaseModel):
    """A connection; what its driver takes besides is checked by the driver."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    connection: Name
    driver: str


class DeviceEntry(_Strict):
    device: Name
    family: Annotated[str, AfterValidator(_family)]
    connection: Name
    profile: Name
    address: str
    addresses: tuple[str, ...] = ()
    parameters: dict[str, bool | int | float | str] = {}
    writes: tuple[CommandKind, ...] = ()


class BrokerPlace(_Strict):
    """Where the hub wants to be reached; how (TLS, user) stays as enrolment said."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65_535)


class EffectEntry(_Strict):
    device: Name
    address: str = ""
    kind: str
    parameters: dict[str, bool | int | float | str] = {}


class GroupEntry(_Strict):
    """Devices whose events count together (addresses; `*`: every one that the device does not name), and what
    follows from them.
    """

    group: str
    causes: dict[Name, tuple[str, ...]]
    effects: Annotated[tuple[EffectEntry, ...], Field(min_length=1)]


class ReflexEntry(_Strict):
    """One rule's part at this edge."""

    rule: Name
    version: int = Field(ge=1)
    kind: Literal["event", "together"]
    kinds: Annotated[tuple[str, ...], Field(min_length=1)]
    precedence: int = Field(ge=1, le=6)
    count: int = Field(default=1, ge=1, le=50)
    within_ms: int = Field(default=0, ge=0)
    different: Literal["address", "device", "kind"] = "address"
    groups: tuple[GroupEntry, ...]


class Document(_Strict):
    """The whole document."""

    site: Name
    edge: Name
    connections: tuple[ConnectionEntry, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()
    profiles: dict[str, dict[str, Any]] = {}
    broker: BrokerPlace | None = None
    reflexes: tuple[ReflexEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """One connection to run: its document, its devices, its driver."""

    name: str
    document: Mapping[str, Any]
    devices: tuple[DeviceSettings, ...]
    driver: Driver


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings that can be applied as they are."""

    version: int
    connections: tuple[ConnectionPlan, ...]
    devices: Mapping[str, DeviceSettings]
    profiles: Mapping[str, Profile]
    broker: BrokerPlace | None = None
    reflexes: Table = field(default_factory=Table)


def plan_settings(settings: Settings, sender: Sender, drivers: Mapping[str, Driver]) -> Plan:
    """Check settings as a whole; raises SettingsRefused with every fault found."""
    try:
        document = Document.model_validate_json(settings.document)
    except ValidationError as error:
        raise SettingsRefused(list_faults("settings", error)) from None
    if (document.site, document.edge) != (sender.site, sender.edge):
        raise SettingsRefused([f"settings: are for {document.site}/{document.edge}, not for {sender}"])
    faults = [
        *_repeated("connections", [entry.connection for entry in document.connections]),
        *_repeated("devices", [entry.device for entry in document.devices]),
        *_repeated("reflexes", [entry.rule for entry in document.reflexes]),
    ]
    profiles: dict[str, Profile] = {}
    for name, profile in document.profiles.items():
        try:
            profiles[name] = load_profile(profile, f"profile {name}")
        except ProfileError as error:
            faults.extend(error.faults)
    devices = {entry.device: DeviceSettings(**entry.model_dump()) for entry in document.devices}
    connections: list[ConnectionPlan] = []
    for entry in document.connections:
        driver = drivers.get(entry.driver)
        if driver is None:
            known = ", ".join(sorted(drivers)) or "none"
            faults.append(f"connection {entry.connection}: driver: {entry.driver!r}: this edge has {known}")
            continue
        own = tuple(device for device in devices.values() if device.connection == entry.connection)
        # An MQTT session hangs on its client id: it must be this edge's and stay the same.
        plain = (
            {"client_id": f"sanfang-{sender.site}-{sender.edge}-{entry.connection}"}
            if entry.driver == "mqtt"
            else {}
        )
        connection = {**plain, **entry.model_dump()}
        readable = [
            device for device in own if device.profile in profiles or device.profile not in document.profiles
        ]
        faults.extend(driver.check(connection, readable, profiles))
        connections.append(ConnectionPlan(entry.connection, connection, own, driver))
    named = {entry.connection for entry in document.connections}
    faults.extend(
        f"device {device.device}: connection: {device.connection!r}: there is no such connection"
        for device in devices.values()
        if device.connection not in named
    )
    for reflex in document.reflexes:
        faults.extend(_check_reflex(reflex, devices))
    if faults:
        raise SettingsRefused(faults)
    table = Table(
        rules=tuple(_plan_reflex(reflex) for reflex in document.reflexes),
        named={name: frozenset(device.addresses) for name, device in devices.items()},
    )
    return Plan(settings.version, tuple(connections), devices, profiles, document.broker, table)


def _check_reflex(reflex: ReflexEntry, devices: Mapping[str, DeviceSettings]) -> Iterator[str]:
    """Every fault of one reflex: it stands on devices of this edge, does only what is safe twice, and opens
    doors only for the panel's own start or two independent devices, whatever the hub says.
    """
    at = f"reflex {reflex.rule}"
    for kind in reflex.kinds:
        if kind not in KINDS or KINDS[kind].lane is not Lane.ALARM:
            yield f"{at}: kinds: {kind!r} is no event kind of the alarm lane"
    if reflex.kind == "together" and (reflex.count < 2 or not reflex.within_ms):
        yield f"{at}: count: {reflex.count} within {reflex.within_ms} ms; together needs two and a time"
    if reflex.kind == "event" and reflex.count != 1:
        yield f"{at}: count: {reflex.count} of kind event; write 1 or nothing"
    started = set(reflex.kinds) <= {"fire.output_started"}
    verified = (
        reflex.count >= 2
        and reflex.different != "kind"
        and set(reflex.kinds) <= {"fire.alarm", "fire.manual_call_point"}
    )
    for group in reflex.groups:
        for device in group.causes:
            if device not in devices:
                yield f"{at}: {group.group}: causes: this edge has no device {device}"
        for effect in group.effects:
            known = devices.get(effect.device)
            if effect.kind not in REFLEX_COMMANDS:
                yield f"{at}: {group.group}: {effect.kind!r} is none of {', '.join(sorted(REFLEX_COMMANDS))}"
            elif known is None:
                yield f"{at}: {group.group}: effects: this edge has no device {effect.device}"
            elif effect.kind not in known.writes:
                yield f"{at}: {group.group}: {effect.kind} is not among the writes of {effect.device}"
            if effect.kind == "door.release" and not (started or verified):
                yield (
                    f"{at}: {group.group}: door.release needs the panel's own start or two independent devices"
                )


def _plan_reflex(reflex: ReflexEntry) -> ReflexRule:
    return ReflexRule(
        rule=reflex.rule,
        version=reflex.version,
        kinds=frozenset(reflex.kinds),
        precedence=reflex.precedence,
        count=reflex.count,
        within_us=reflex.within_ms * 1_000,
        different=reflex.different,
        causes={
            (device, address): group.group
            for group in reflex.groups
            for device, addresses in group.causes.items()
            for address in addresses
        },
        effects={
            group.group: tuple(
                Effect(Target(effect.device, effect.address, effect.kind), effect.parameters)
                for effect in group.effects
            )
            for group in reflex.groups
        },
    )


def save_settings(path: Path, settings: Settings) -> None:
    """Keep applied settings, so that the edge starts without its hub."""
    kept = {
        "version": settings.version,
        "key_number": settings.key_number,
        "document": json.loads(settings.document),
    }
    replace_file(path, json.dumps(kept, ensure_ascii=False, indent=1).encode())


def load_settings(path: Path) -> Settings | None:
    """The settings kept; None where there are none. Raises SettingsRefused where the file is damaged."""
    try:
        kept = json.loads(path.read_bytes())
        return Settings(int(kept["version"]), int(kept["key_number"]), json.dumps(kept["document"]).encode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsRefused([f"{path}: {error}"]) from None


def shorten_faults(faults: list[str]) -> str:
    """Faults as the heartbeat carries them."""
    text = "; ".join(faults)
    if len(text.encode()) <= ERROR_BYTES:
        return text
    return text.encode()[:ERROR_BYTES].decode("utf-8", "ignore") + f" … ({len(faults)} faults)"


def _repeated(field: str, names: list[str]) -> list[str]:
    return [
        f"settings: {field}: {name!r} stands more than once"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
