"""The Modbus part of a profile: where values stand in a device's tables, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from adapters.contract.vocabulary import KINDS
from adapters.profile.model import (
    Capture,
    CommandKind,
    EventKind,
    Fault,
    Limit,
    Milliseconds,
    Part,
    PointName,
    require_condition,
    require_momentary,
)

Table = Literal["coil", "discrete", "input", "holding"]
BIT_TABLES: frozenset[Table] = frozenset({"coil", "discrete"})
ValueType = Literal["u16", "i16", "u32", "i32", "f32"]
WORDS: dict[ValueType, int] = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2}
"""Registers that a type takes."""
At = Annotated[int, Field(ge=0, le=65_535)]


class Place(Part):
    """One coil, input or register."""

    table: Table
    at: At


class Repeat(Part):
    """The same entry for a row of addresses: entry i stands `i * stride` further on and is called
    `first + i`.
    """

    count: int = Field(ge=1, le=65_536)
    first: int = 1
    stride: int = Field(default=1, ge=1)


def _spell_out_bit(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


class BitMeaning(Part):
    """What a bit stands for; `inverted` where 0 means that the condition holds."""

    kind: EventKind
    inverted: bool = False
    capture: Capture | None = None


class ModbusConditions(Part):
    """Conditions told by bits: one per coil or discrete input (`kind`), or several per register
    (`bits`). A register whose `programmed` bit is 0 is an address that does not exist.
    """

    table: Table
    at: At
    poll: str
    kind: EventKind | None = None
    inverted: bool = False
    bits: dict[Annotated[int, Field(ge=0, le=15)], Annotated[BitMeaning, BeforeValidator(_spell_out_bit)]] = (
        Field(default_factory=dict)
    )
    programmed: Annotated[int, Field(ge=0, le=15)] | None = None
    repeat: Repeat | None = None
    capture: Capture = "sampled"


class ModbusMomentary(Part):
    """Something that happens: a counter rises. Its value is the event's identity, so that the same
    press read twice is one. `latched` holds a press until `clear` is written, so that one that
    happened while nobody read is not lost.
    """

    kind: EventKind
    poll: str
    counter: Place
    latched: Place | None = None
    clear: Place | None = None
    repeat: Repeat | None = None
    capture: Capture = "sampled"


class ModbusChange(Part):
    """Something that happens: a register takes a new value, which names the address (the first
    alarm of a panel). `counter` tells two equal values apart.
    """

    kind: EventKind
    poll: str
    table: Literal["input", "holding"]
    at: At
    nothing: tuple[int, ...] = (0,)
    counter: Place
    capture: Capture = "sampled"


class ModbusReading(Part):
    """A point told by one or two registers. `invalid` values mean a broken sensor."""

    point: PointName
    table: Literal["input", "holding"]
    at: At
    poll: str
    type: ValueType = "u16"
    word_order: Literal["big", "little"] = "big"
    scale: float = 1.0
    offset: float = 0.0
    invalid: tuple[int, ...] = ()
    repeat: Repeat | None = None
    limits: tuple[Limit, ...] = ()


class ModbusTarget(Part):
    """A value at a place."""

    table: Table
    at: At
    value: int = Field(ge=0, le=65_535)


class ModbusCommand(Part):
    """A command out: one write, confirmed when the feedback reads its value. With `repeat` the
    command's address chooses the entry.
    """

    kind: CommandKind
    write: ModbusTarget
    feedback: ModbusTarget | None = None
    within_ms: Milliseconds = 3_000
    repeat: Repeat | None = None


class Reads(Part):
    """What one request may ask, by the device: at most so many registers or bits, and so many
    unused ones between two wanted ones. Modbus itself ends at 125 and 2000.
    """

    registers: int = Field(default=125, ge=1, le=125)
    bits: int = Field(default=2000, ge=1, le=2000)
    gap: int = Field(default=0, ge=0, le=2000)


class ModbusSection(Part):
    """Everything a device says and takes over Modbus. `polls` names the poll classes, in ms."""

    polls: dict[str, Annotated[int, Field(ge=20, le=3_600_000)]] = Field(min_length=1)
    reads: Reads = Reads()
    conditions: tuple[ModbusConditions, ...] = ()
    momentary: tuple[ModbusMomentary, ...] = ()
    changes: tuple[ModbusChange, ...] = ()
    readings: tuple[ModbusReading, ...] = ()
    commands: tuple[ModbusCommand, ...] = ()

    def captures(self) -> Iterator[tuple[str, Capture]]:
        """Each event kind with how surely it is caught."""
        for entry in self.conditions:
            if entry.kind:
                yield entry.kind, entry.capture
            for meaning in entry.bits.values():
                yield meaning.kind, meaning.capture or entry.capture
        yield from ((momentary.kind, momentary.capture) for momentary in self.momentary)
        yield from ((change.kind, change.capture) for change in self.changes)
        for reading in self.readings:
            for limit in reading.limits:
                yield limit.kind, "sampled"

    def points(self) -> Iterator[str]:
        for reading in self.readings:
            yield reading.point

    def faults(self, field: str) -> list[Fault]:
        """Every fault that a look at one field cannot show."""
        faults: list[Fault] = []
        for group in ("conditions", "momentary", "changes", "readings"):
            for n, entry in enumerate(getattr(self, group)):
                if entry.poll not in self.polls:
                    cure = f"is no poll class; polls has {', '.join(self.polls)}"
                    faults.append(Fault(f"{field}.{group}.{n}.poll", entry.poll, cure))
        for n, conditions in enumerate(self.conditions):
            faults += _conditions_faults(conditions, f"{field}.conditions.{n}")
        for n, momentary in enumerate(self.momentary):
            faults += _momentary_faults(momentary, f"{field}.momentary.{n}")
        for n, change in enumerate(self.changes):
            here = f"{field}.changes.{n}"
            faults += require_momentary(f"{here}.kind", change.kind)
            faults += _place_faults(change.counter, f"{here}.counter", registers=True)
        for n, reading in enumerate(self.readings):
            for m, limit in enumerate(reading.limits):
                faults += limit.faults(f"{field}.readings.{n}.limits.{m}")
            last = _last(reading.at, reading.repeat) + WORDS[reading.type] - 1
            faults += _end_faults(last, f"{field}.readings.{n}.at", reading.at)
            if reading.repeat and reading.repeat.stride < WORDS[reading.type]:
                cure = f"{reading.type} takes {WORDS[reading.type]} registers"
                faults.append(Fault(f"{field}.readings.{n}.repeat.stride", reading.repeat.stride, cure))
        for n, command in enumerate(self.commands):
            faults += _command_faults(command, f"{field}.commands.{n}")
            if command.kind in [earlier.kind for earlier in self.commands[:n]]:
                cure = "stands twice; one command per kind"
                faults.append(Fault(f"{field}.commands.{n}.kind", command.kind, cure))
        return faults + self._twice(field)

    def _twice(self, field: str) -> list[Fault]:
        """Two entries that tell one condition of one address would argue for ever."""
        seen: set[tuple[str, str]] = set()
        faults = []
        for n, entry in enumerate(self.conditions):
            kinds = [entry.kind] if entry.kind else [meaning.kind for meaning in entry.bits.values()]
            for kind in kinds:
                for address in addresses(entry.repeat):
                    if (address, kind) in seen:
                        at = f"address {address} " if address else ""
                        cure = f"is told twice for {at or 'the device '}; keep one"
                        faults.append(Fault(f"{field}.conditions.{n}", kind, cure))
                        break
                    seen.add((address, kind))
        return faults


def addresses(repeat: Repeat | None) -> list[str]:
    """The addresses that an entry speaks for: `[""]` for the device itself."""
    if repeat is None:
        return [""]
    return [str(repeat.first + i) for i in range(repeat.count)]


def _last(at: int, repeat: Repeat | None) -> int:
    return at + (repeat.count - 1) * repeat.stride if repeat else at


def _end_faults(last: int, field: str, value: int) -> list[Fault]:
    return [Fault(field, value, f"its last entry is {last}; 65535 is the end")] if last > 65_535 else []


def _place_faults(place: Place, field: str, *, registers: bool) -> list[Fault]:
    if (place.table in BIT_TABLES) is not registers:
        return []
    cure = "input or holding" if registers else "coil or discrete"
    return [Fault(f"{field}.table", place.table, f"must be {cure}")]


def _conditions_faults(entry: ModbusConditions, field: str) -> list[Fault]:
    faults = _end_faults(_last(entry.at, entry.repeat), f"{field}.at", entry.at)
    if entry.table in BIT_TABLES:
        if entry.kind is None:
            faults.append(Fault(f"{field}.kind", None, f"a {entry.table} needs its kind"))
        if entry.bits or entry.programmed is not None:
            faults.append(Fault(f"{field}.bits", sorted(entry.bits), f"a {entry.table} has no bits; use kind"))
    elif not entry.bits or entry.kind is not None:
        faults.append(Fault(f"{field}.bits", entry.kind, "a register needs bits (bit: kind), and no kind"))
    if entry.programmed is not None and entry.programmed in entry.bits:
        faults.append(Fault(f"{field}.programmed", entry.programmed, "is given a meaning in bits too"))
    for kind in [entry.kind] if entry.kind else [meaning.kind for meaning in entry.bits.values()]:
        faults += require_condition(field, kind)
    return faults


def _momentary_faults(entry: ModbusMomentary, field: str) -> list[Fault]:
    faults = require_momentary(f"{field}.kind", entry.kind)
    faults += _place_faults(entry.counter, f"{field}.counter", registers=True)
    if (entry.latched is None) is not (entry.clear is None):
        faults.append(Fault(f"{field}.clear", entry.clear, "latched and clear belong together"))
    if entry.latched:
        faults += _place_faults(entry.latched, f"{field}.latched", registers=False)
    if entry.clear and entry.clear.table != "coil":
        faults.append(Fault(f"{field}.clear.table", entry.clear.table, "must be coil"))
    if entry.capture != "sampled" and entry.latched is None:
        cure = "without latched and clear a press is seen only while someone polls: sampled"
        faults.append(Fault(f"{field}.capture", entry.capture, cure))
    if KINDS[entry.kind].life_safety and entry.capture == "sampled":
        cure = f"{entry.kind} may not hang on a sampled point; use a latched input with clear"
        faults.append(Fault(f"{field}.capture", entry.capture, cure))
    for place in (entry.counter, entry.latched, entry.clear):
        if place:
            faults += _end_faults(_last(place.at, entry.repeat), f"{field}.repeat", place.at)
    return faults


def _command_faults(command: ModbusCommand, field: str) -> list[Fault]:
    faults = []
    if command.write.table not in ("coil", "holding"):
        faults.append(Fault(f"{field}.write.table", command.write.table, "must be coil or holding"))
    for name in ("write", "feedback"):
        target = getattr(command, name)
        if target and target.table in BIT_TABLES and target.value > 1:
            faults.append(Fault(f"{field}.{name}.value", target.value, f"a {target.table} is 0 or 1"))
    return faults
