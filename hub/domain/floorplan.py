"""A floor plan: a zone's picture, and where zones and devices are on it, in 0..1 from the upper left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final

Corner = tuple[float, float]
MOST_CORNERS: Final = 60
MOST_ZONES: Final = 300
MOST_DEVICES: Final = 2000
DIGITS: Final = 5
"""Of a place: a plan of 100 m to the millimetre."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a device is, or one of its addresses."""

    device: str
    address: str | None
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Placement:
    """What stands on a plan."""

    zones: Mapping[str, Sequence[Corner]]
    devices: Sequence[Spot]


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """A plan without its picture's bytes; `digest` names them."""

    zone: str
    version: int
    digest: str
    media_type: str
    width: int
    height: int
    placement: Placement
    updated_at: datetime
    updated_by: str


NOTHING: Final = Placement({}, ())


def check_placement(
    placement: Placement, zones: Collection[str], devices: Mapping[str, Collection[str]]
) -> list[str]:
    """What is wrong with it, each fault with its field and cure. `zones`, `devices`: those that there are, a
    device with its addresses.
    """
    faults = []
    if len(placement.zones) > MOST_ZONES:
        faults.append(f"zones: {len(placement.zones)} of them; {MOST_ZONES} at most, use a plan for each floor")
    if len(placement.devices) > MOST_DEVICES:
        faults.append(f"devices: {len(placement.devices)} of them; {MOST_DEVICES} at most")
    for zone, corners in placement.zones.items():
        if zone not in zones:
            faults.append(f"zones[{zone}]: there is no such zone; take it off the plan")
        if not 3 <= len(set(corners)) <= MOST_CORNERS:
            faults.append(f"zones[{zone}]: {len(set(corners))} corners; an outline has 3 to {MOST_CORNERS}")
        faults += [f"zones[{zone}]: {x}, {y} is not on the plan; 0 to 1" for x, y in corners if _off(x, y)]
    seen = set()
    for spot in placement.devices:
        name = spot.device if spot.address is None else f"{spot.device}.{spot.address}"
        if spot.device not in devices:
            faults.append(f"devices[{name}]: there is no such device; take it off the plan")
        elif spot.address is not None and spot.address not in devices[spot.device]:
            faults.append(f"devices[{name}]: the device has no such address; take it off the plan")
        if (spot.device, spot.address) in seen:
            faults.append(f"devices[{name}]: stands there twice; a device has one place")
        seen.add((spot.device, spot.address))
        if _off(spot.x, spot.y):
            faults.append(f"devices[{name}]: {spot.x}, {spot.y} is not on the plan; 0 to 1")
    return faults


def still_there(
    placement: Placement, zones: Collection[str], devices: Mapping[str, Collection[str]]
) -> Placement:
    """Without what the site no longer has."""
    return Placement(
        {zone: corners for zone, corners in placement.zones.items() if zone in zones},
        [
            spot
            for spot in placement.devices
            if spot.device in devices and (spot.address is None or spot.address in devices[spot.device])
        ],
    )


def rounded(corners: Iterable[Corner]) -> list[Corner]:
    """Places as they are kept."""
    return [(round(x, DIGITS), round(y, DIGITS)) for x, y in corners]


def _off(x: float, y: float) -> bool:
    return not (isfinite(x) and isfinite(y) and 0 <= x <= 1 and 0 <= y <= 1)
