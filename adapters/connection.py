"""What every connection's document has in common, and how its faults are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.base import AdapterError, DeviceSettings
from adapters.profile import Profile


class ConnectionDocument(BaseModel):
    """A connection as the settings name it; each driver adds its own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection: str
    driver: str


_C = TypeVar("_C", bound=ConnectionDocument)


def check_document(shape: type[_C], document: Mapping[str, Any]) -> list[str]:
    """Every fault of a connection's own keys."""
    name = document.get("connection", "?")
    try:
        shape.model_validate(document)
    except ValidationError as error:
        return [
            f"connection {name}: {'.'.join(map(str, item['loc']))}: {item.get('input')!r}: {item['msg']}"
            for item in error.errors()
        ]
    return []


def check_devices(
    devices: Sequence[DeviceSettings], profiles: Mapping[str, Profile], section: str
) -> list[str]:
    """Every fault in how devices and their profiles fit a driver of this protocol section."""
    faults = []
    for device in devices:
        here = f"device {device.device}"
        profile = profiles.get(device.profile)
        if profile is None:
            faults.append(f"{here}: profile: {device.profile!r}: there is no such profile")
        elif getattr(profile, section) is None:
            faults.append(
                f"{here}: profile: {device.profile!r}: has no {section} section, which its connection needs"
            )
        else:
            if profile.family != device.family:
                faults.append(f"{here}: family: {device.family!r}: its profile says {profile.family}")
            missing = sorted(set(device.writes) - profile.commands())
            if missing:
                offered = ", ".join(sorted(profile.commands())) or "no commands"
                faults.append(f"{here}: writes: {missing}: the profile offers {offered}")
    return faults


def read_document(shape: type[_C], document: Mapping[str, Any], faults: Sequence[str]) -> _C:
    """The checked document; raises AdapterError(retry=False) with all faults."""
    if faults:
        raise AdapterError("; ".join(faults), retry=False)
    return shape.model_validate(document)
