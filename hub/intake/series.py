"""The series that an edge's readings go to: their numbers, whether the edge may speak for them, who listens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from adapters.contract.vocabulary import POINTS
from hub.domain.judgement import DeviceFact, Quiet, SiteModel
from hub.intake.parcel import Parcel
from hub.store.reading import SeriesKey

MOST_ADDRESS: Final = 255


class Concerns(Protocol):
    """What intake asks the rules before it judges."""

    def concerns(self, device: str, address: str, point: str) -> bool:
        """Whether some rule wants to be fed this point."""

    def quiet(self, device: str, address: str, point: str) -> Quiet | None:
        """Which of its readings change nothing while the point is not awake; None: each may."""

    def awake(self, keys: Sequence[SeriesKey]) -> list[bool]:
        """Of which points a rule remembers something."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series that readings of an item go to; number -1 where they may not be stored."""

    number: int
    concerned: bool
    zone: str | None
    fault: str = ""
    low: float = math.inf
    high: float = -math.inf
    """Usable values from `low` to `high` need not be fed while no rule remembers the series; others must."""


REFUSED: Final = -1
"""The number of a series that may not be stored."""


@dataclass(slots=True)
class SeriesBook:
    """The numbers of a site's series, and what the rules and the configuration say of each."""

    model: SiteModel
    rules: Concerns
    numbers: dict[SeriesKey, int]
    drifting: set[str]
    """Devices whose clock is known to be off now."""
    secret: bytes = field(repr=False)
    """What the numbers of the site's cards are hashed with before anything is stored of them."""
    _known: dict[str, dict[SeriesKey, Series]] = field(default_factory=dict)

    def find(self, edge: str, keys: Sequence[SeriesKey], parcel: Parcel) -> list[Series]:
        """The series that an edge names, in that order; new ones go into the parcel."""
        known = self._known.setdefault(edge, {})
        found = [known.get(key) for key in keys]
        return [
            self._meet(edge, key, parcel) if each is None else each
            for key, each in zip(keys, found, strict=True)
        ]

    def _meet(self, edge: str, key: SeriesKey, parcel: Parcel) -> Series:
        placed = self._place(edge, key, parcel)
        if placed.number != REFUSED:
            self._known[edge][key] = placed
        return placed

    def _place(self, edge: str, key: SeriesKey, parcel: Parcel) -> Series:
        device, address, point = key
        fault = check_address(self.model, edge, device, address)
        if not fault and point not in POINTS:
            fault = f"point: {point[:80]!r} is not in the vocabulary"
        if fault:
            return Series(REFUSED, False, None, fault)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = parcel.new_series[key] = len(self.numbers) + 1
        zone = self.model.zone_of(device, address)
        if not self.rules.concerns(*key):
            return Series(number, False, zone)
        quiet = self.rules.quiet(*key)
        if quiet is None:
            return Series(number, True, zone)
        return Series(number, True, zone, low=quiet.low, high=quiet.high)


def check_address(model: SiteModel, edge: str, device: str, address: str) -> str:
    """Why an edge may not speak for a device's address; empty where it may."""
    fact = model.devices.get(device)
    if fact is None and device == edge:
        fact = DeviceFact(device, "", "", edge)
    if fact is None:
        return f"device: {device[:80]!r} is not in the configuration"
    if fact.edge != edge:
        return f"device: {device} belongs to edge {fact.edge}, not {edge}"
    if address and len(address.encode()) > MOST_ADDRESS:
        return f"address: {len(address)} characters; {MOST_ADDRESS} bytes at most"
    return ""
