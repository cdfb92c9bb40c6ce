"""The settings that the hub sends: checked whole against profiles and drivers, kept on disk, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from adapters.base import DeviceSettings, Driver
from adapters.contract.message import Settings
from adapters.contract.topic import NAME, Sender
from adapters.contract.vocabulary import FAMILIES
from adapters.profile import Profile, ProfileError, load_profile
from edge.configuration import CommandKind, list_faults, replace_file
from edge.error import SettingsRefused

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


class Document(_Strict):
    """The whole document. `reflexes` must be empty: this edge has no reflexes yet, and says so."""

    site: Name
    edge: Name
    connections: tuple[ConnectionEntry, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()
    profiles: dict[str, dict[str, Any]] = {}
    reflexes: Annotated[tuple[Any, ...], Field(max_length=0)] = ()


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
    key_number: int
    connections: tuple[ConnectionPlan, ...]
    devices: Mapping[str, DeviceSettings]
    profiles: Mapping[str, Profile]


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
    if faults:
        raise SettingsRefused(faults)
    return Plan(settings.version, settings.key_number, tuple(connections), devices, profiles)


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
