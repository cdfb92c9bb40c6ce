"""The families of simulated devices: each module of `simulators.devices` is one, by its name.

A family's module has `Settings` (its part of campus.yaml) and `build(settings, surroundings, media)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Protocol, cast

from simulators import devices
from simulators.device import Device, DeviceSettings, Surroundings
from simulators.media import Media


class Family(Protocol):
    """A family's module."""

    Settings: type[DeviceSettings]

    def build(self, settings: Any, surroundings: Surroundings, media: Media) -> Device: ...


def family_names() -> list[str]:
    """All families, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(devices.__path__))


def find_family(name: str) -> Family:
    """A family by name; `name` is one of `family_names`."""
    return cast(Family, importlib.import_module(f"{devices.__name__}.{name}"))
