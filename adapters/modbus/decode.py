"""From what was read out of a device's tables to readings and events, as its profile says. No I/O.

A decoder remembers what it has told, so that a poll in which nothing changed says nothing; what it
remembers is given up when the device was away.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Final

from adapters.base import Reading
from adapters.contract.message import Attribute, Event
from adapters.contract.vocabulary import Quality
from adapters.modbus.plan import Image
from adapters.profile.modbus import (
    WORDS,
    ModbusChange,
    ModbusConditions,
    ModbusMomentary,
    ModbusReading,
    ModbusSection,
    Place,
    Repeat,
    addresses,
)

MOST_PRESSES_TOLD: Final = 16
"""A counter that jumped further tells only so many, and how many there were."""
_HALF: Final = 0x8000
_PANEL_RESET: Final = "fire.reset"
"""The hub takes it as the end of every fire condition of that panel; what is still active is told again."""
_Key = tuple[str, str]
"""(address, kind)"""


@dataclass(frozen=True, slots=True)
class Latch:
    """A latched input to clear once its press is stored."""

    key: _Key
    clear: Place


@dataclass(slots=True)
class Batch:
    """Events and readings that are stored together; then its latches may be cleared."""

    fresh: bool
    events: list[Event] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    latches: list[Latch] = field(default_factory=list)


@dataclass(slots=True)
class Decoded:
    """One poll's outcome. `seen` happened before our eyes; `found` stood there and may be known.
    `lingering` latches belong to presses that are stored already.
    """

    found: Batch = field(default_factory=lambda: Batch(False))
    seen: Batch = field(default_factory=lambda: Batch(True))
    lingering: list[Latch] = field(default_factory=list)


class Decoder:
    """One device's tables, understood."""

    def __init__(self, device: str, section: ModbusSection) -> None:
        self._device = device
        self._section = section
        self._conditions: dict[_Key, bool] = {}
        self._counters: dict[_Key, int] = {}
        self._told: dict[_Key, int] = {}
        self._stored: set[_Key] = set()
        self._changes: dict[str, str] = {}

    def forget(self) -> None:
        """Tell all conditions again next time: the device was away. Counters stay, so that what
        happened meanwhile is told.
        """
        self._conditions.clear()

    def note_stored(self, latch: Latch) -> None:
        """The press that this latch holds is stored; it may be cleared now, or whenever it works."""
        self._stored.add(latch.key)

    def decode(self, poll: str, image: Image, edge_at: int) -> Decoded:
        """What one poll class says. What is not in the image says nothing, but its readings are bad."""
        out = Decoded()
        for momentary in self._section.momentary:
            if momentary.poll == poll:
                for i, address in enumerate(addresses(momentary.repeat)):
                    self._count(momentary, i, address, image, edge_at, out)
        for change in self._section.changes:
            if change.poll == poll:
                self._change(change, image, edge_at, out)
        for conditions in self._section.conditions:
            if conditions.poll == poll:
                self._judge_row(conditions, image, edge_at, out)
        for reading in self._section.readings:
            if reading.poll == poll:
                for i, address in enumerate(addresses(reading.repeat)):
                    self._measure(reading, i, address, image, edge_at, out)
        return out

    def _judge_row(self, entry: ModbusConditions, image: Image, edge_at: int, out: Decoded) -> None:
        table = image.get(entry.table, {})
        stride = entry.repeat.stride if entry.repeat else 1
        for i, address in enumerate(addresses(entry.repeat)):
            word = table.get(entry.at + i * stride)
            if word is None or (entry.programmed is not None and not word >> entry.programmed & 1):
                continue
            if entry.kind is not None:
                self._judge(entry.kind, address, bool(word) is not entry.inverted, word, edge_at, out)
            for bit, meaning in entry.bits.items():
                active = bool(word >> bit & 1) is not meaning.inverted
                self._judge(meaning.kind, address, active, word, edge_at, out)

    def _judge(self, kind: str, address: str, active: bool, word: int, edge_at: int, out: Decoded) -> None:
        if self._conditions.get((address, kind)) is active:
            return
        self._conditions[(address, kind)] = active
        out.found.events.append(self._event(kind, address, active, edge_at, raw=word.to_bytes(2, "big")))

    def _count(
        self, entry: ModbusMomentary, i: int, address: str, image: Image, edge_at: int, out: Decoded
    ) -> None:
        key = (address, entry.kind)
        counter = _fetch(image, entry.counter, i, entry.repeat)
        latched = _fetch(image, entry.latched, i, entry.repeat) if entry.latched else None
        if counter is None:
            return
        last = self._counters.get(key)
        self._counters[key] = counter
        batch = out.seen
        presses: list[int] = []
        missed = 0
        if last is not None and counter != last:
            presses, missed = _presses(last, counter)
        elif self._told.get(key) != counter and (latched if entry.latched else counter and last is None):
            # It stood there when we came: new to us, but perhaps not to the host, which knows its identity.
            batch, presses = out.found, [counter]
        latch = None
        if entry.clear:
            step = i * entry.repeat.stride if entry.repeat else 0
            latch = Latch(key, Place(table=entry.clear.table, at=entry.clear.at + step))
        if not presses:
            if latch and latched and key in self._stored:
                out.lingering.append(latch)
            return
        self._told[key] = counter
        self._stored.discard(key)
        if entry.kind == _PANEL_RESET:
            self._conditions = {
                known: active
                for known, active in self._conditions.items()
                if not (active and known[1].startswith("fire."))
            }
        for press in presses:
            attributes: dict[str, Attribute] = {"missed": missed} if missed and press == presses[-1] else {}
            identity = f"{address}:{press}" if address else str(press)
            raw = press.to_bytes(2, "big")
            batch.events.append(
                self._event(
                    entry.kind, address, None, edge_at, raw=raw, identity=identity, attributes=attributes
                )
            )
        if latch:
            batch.latches.append(latch)

    def _change(self, entry: ModbusChange, image: Image, edge_at: int, out: Decoded) -> None:
        value = image.get(entry.table, {}).get(entry.at)
        counter = _fetch(image, entry.counter, 0, None)
        if value is None or counter is None:
            return
        if value in entry.nothing:
            self._changes.pop(entry.kind, None)
            return
        identity = f"{value}:{counter}"
        if self._changes.get(entry.kind) == identity:
            return
        self._changes[entry.kind] = identity
        out.found.events.append(
            self._event(entry.kind, str(value), None, edge_at, raw=value.to_bytes(2, "big"), identity=identity)
        )

    def _measure(
        self, entry: ModbusReading, i: int, address: str, image: Image, edge_at: int, out: Decoded
    ) -> None:
        at = entry.at + i * (entry.repeat.stride if entry.repeat else 1)
        table = image.get(entry.table, {})
        words = [table.get(at + n) for n in range(WORDS[entry.type])]
        value = _convert(entry, [word for word in words if word is not None])
        quality = Quality.GOOD
        if not math.isfinite(value):
            value, quality = math.nan, Quality.BAD
        out.found.readings.append(Reading(self._device, address, entry.point, value, quality, None))
        for limit in entry.limits:
            active = limit.judge(value) if quality is Quality.GOOD else None
            if active is None or self._conditions.get((address, limit.kind)) is active:
                continue
            self._conditions[(address, limit.kind)] = active
            attributes: dict[str, Attribute] = {"value": value, "limit": limit.active_from}
            out.found.events.append(self._event(limit.kind, address, active, edge_at, attributes=attributes))

    def _event(
        self,
        kind: str,
        address: str,
        active: bool | None,
        edge_at: int,
        *,
        raw: bytes = b"",
        identity: str = "",
        attributes: dict[str, Attribute] | None = None,
    ) -> Event:
        return Event(
            device=self._device,
            address=address,
            kind=kind,
            active=active,
            observed_at=None,
            edge_at=edge_at,
            attributes=attributes or {},
            raw=raw,
            identity=identity,
        )


def _presses(last: int, counter: int) -> tuple[list[int], int]:
    """The counts since the last one, newest kept, and how many more there were."""
    rise = (counter - last) & 0xFFFF
    # A counter that fell was reset with its device: everything since then is new.
    first, rise = (last, rise) if rise < _HALF else (0, counter)
    told = min(rise, MOST_PRESSES_TOLD)
    return [(first + n) & 0xFFFF for n in range(rise - told + 1, rise + 1)], rise - told


def _fetch(image: Image, place: Place, i: int, repeat: Repeat | None) -> int | None:
    return image.get(place.table, {}).get(place.at + i * (repeat.stride if repeat else 0))


def _convert(entry: ModbusReading, words: list[int]) -> float:
    """The value in its unit; NaN where words are missing or the device calls them invalid."""
    if len(words) < WORDS[entry.type]:
        return math.nan
    if entry.word_order == "little":
        words.reverse()
    data = b"".join(word.to_bytes(2, "big") for word in words)
    if int.from_bytes(data, "big") in entry.invalid:
        return math.nan
    number = struct.unpack({"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f"}[entry.type], data)[
        0
    ]
    # Rounded to what 64 bits carry of a decimal scale: 231 * 0.1 is 23.1, not 23.100000000000001.
    return float(f"{number * entry.scale + entry.offset:.12g}")
