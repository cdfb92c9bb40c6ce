"""Drivers by name, out of the entry points `sanfang.adapters`. Loud: whatever is wrong stops the start
and names the file.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Collection, Iterable
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Final, cast

from adapters.base import Driver

GROUP: Final = "sanfang.adapters"
_OURS: Final = "adapters.drivers."
_PARTS: Final = ("NAME", "TIER", "check", "build")
_TIERS: Final = ("bronze", "silver", "gold")


class RegistryError(Exception):
    """A driver cannot be had; `faults` lists everything, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load_drivers(
    *, allowed: Collection[str] = (), points: Iterable[EntryPoint] | None = None
) -> dict[str, Driver]:
    """All drivers by name. A third party's is left out unless `allowed` names it.

    Raises RegistryError for a name that stands twice, a module that does not import, and one that is
    no driver.
    """
    drivers: dict[str, Driver] = {}
    origins: dict[str, str] = {}
    faults: list[str] = []
    for point in entry_points(group=GROUP) if points is None else points:
        if not point.value.startswith(_OURS) and point.name not in allowed:
            continue
        if point.name in origins:
            # The same distribution may be seen twice, installed and in its source folder.
            if origins[point.name] != point.value:
                faults.append(
                    f"driver {point.name}: stands twice: in {_file(origins[point.name])} and in "
                    f"{_file(point.value)}; take one out"
                )
            continue
        origins[point.name] = point.value
        try:
            module = importlib.import_module(point.value)
        except ImportError as error:
            faults.append(f"driver {point.name}: {_file(point.value)} does not import: {error}")
            continue
        wrong = _check_module(module, point.name)
        faults += [f"driver {point.name}: {module.__file__}: {fault}" for fault in wrong]
        if not wrong:
            drivers[point.name] = cast("Driver", module)
    if faults:
        raise RegistryError(faults)
    return drivers


def _check_module(module: ModuleType, name: str) -> list[str]:
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        return [f"is no driver: {', '.join(missing)} missing"]
    faults = []
    if name != module.NAME:
        faults.append(f"NAME is {module.NAME!r}, but it is registered as {name!r}")
    if module.TIER not in _TIERS:
        faults.append(f"TIER is {module.TIER!r}; use one of {', '.join(_TIERS)}")
    elif f"Tier: {module.TIER}" not in (module.__doc__ or ""):
        faults.append(f"its docstring must say 'Tier: {module.TIER}'")
    return faults


def _file(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    return spec.origin if spec and spec.origin else module
