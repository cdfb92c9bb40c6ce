"""What goes over the wire between edge and hub: the header, the items, and what travels back.

All times are microseconds since the Unix epoch, UTC. Structs are encoded by msgspec as
MessagePack arrays; new fields go at the end with a default, a changed meaning takes a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.contract.vocabulary import Lane, Quality

MAX_EVENT_BYTES: Final = 65_536
"""An event item larger than this is quarantined."""
MAX_ITEM_BYTES: Final = 131_072
"""No item is larger than this; a readings item is cut before it gets there."""
MAX_RAW_BYTES: Final = 4_096
"""The device's own words are kept up to here."""
LATE_AFTER_MS: Final = 60_000
"""An item older than this at its sending is late (design, invariant 9)."""
AGE_UNKNOWN: Final = -1
RETOLD: Final = "retold"
"""The attribute of a condition that an edge tells anew because the hub lost track; true."""


class Direction(IntEnum):
    UP = 0
    DOWN = 1


class Type(IntEnum):
    """What a message is; the number stands in the header."""

    ITEMS = 1
    TOMBSTONE = 2
    HEARTBEAT = 3
    RECEIPT = 4
    GAP_REQUEST = 5
    COMMAND = 6
    SETTINGS = 7
    ITEMS_PACKED = 8
    """The payload of an ITEMS message, compressed."""


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed header, the same in all versions. `first`/`count` are 0 outside the lanes."""

    site: str
    edge: str
    type: int
    """A `Type`; a plain number where a newer version speaks."""
    direction: Direction
    lane: Lane | None
    epoch: int
    first: int
    count: int
    key_number: int
    version: int


Attribute = str | int | float | bool


class Event(msgspec.Struct, array_like=True, frozen=True):
    """Something that happened (momentary: `active` None) or a condition that began or ended.

    `observed_at` is the device's own word and may be absent or lie; `edge_at` is when the edge
    took it in. `identity` is the device's own id of the message where it gives one.
    """

    device: str
    address: str
    kind: str
    active: bool | None
    observed_at: int | None
    edge_at: int
    attributes: dict[str, Attribute] = {}
    raw: bytes = b""
    identity: str = ""
    replayed: bool = False


class Reflex(msgspec.Struct, array_like=True, frozen=True):
    """A command that the edge performs by its own reflex table, told in the item of the event that brought
    it about. `command` is derived from the rule, its version and `evidence[0]`, the id of that event;
    the others are the signs that verified it. `precedence`: 1 fire linkage … 6 schedule.
    """

    command: str
    rule: str
    version: int
    device: str
    address: str
    kind: str
    parameters: dict[str, Attribute]
    evidence: list[str]
    precedence: int


class EventItem(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """Events that belong together; an event's id adds its index in the item. `reflexes`: what the edge does
    because of them, so that the hub knows it before it judges them.
    """

    events: list[Event]
    reflexes: list[Reflex] = []


class ReadingsItem(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """Many readings by columns. `series` names (device, address, point); the columns are packed
    little-endian: `index` u16 into series, `observed_at` i64, `value` f64, `quality` u8. `replayed`: all
    of them come out of a memory (a broker's retained message), so that their age proves no wrong clock.
    """

    edge_at: int
    series: list[tuple[str, str, str]]
    index: bytes
    observed_at: bytes
    value: bytes
    quality: bytes
    replayed: bool = False


class ResultItem(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """What became of a command, as the edge saw it. State is one of `accepted`, `confirmed`,
    `unconfirmed`, `failed`, `expired`, `refused`.
    """

    command: str
    state: str
    detail: str
    edge_at: int


Item = EventItem | ReadingsItem | ResultItem


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """The unpacked columns of a `ReadingsItem`, all of one length."""

    index: npt.NDArray[np.uint16]
    observed_at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


class Items(msgspec.Struct, array_like=True, frozen=True):
    """Payload of an ITEMS message: per item its age in ms at sending (monotonic within the
    edge's epoch; `AGE_UNKNOWN` for items of an older epoch) and its encoded bytes.

    `uptime_ms` is the heartbeat's, at `sent_at`: held against the last heartbeat it tells by how much the
    edge's clock was set since, however long the message was on its way. Negative: not said.
    """

    sent_at: int
    ages_ms: list[int]
    items: list[bytes]
    uptime_ms: int = -1


class Tombstone(msgspec.Struct, array_like=True, frozen=True):
    """Payload of a TOMBSTONE message: items `first..first+count-1` were dropped, with a reason.

    `readings` says how many readings each of them held, packed little-endian as u16, so that any part of the
    range can be counted; empty where none held any.
    """

    count: int
    reason: str
    dropped_at: int
    readings: bytes = b""

    def count_readings(self, skip: int = 0) -> int:
        """How many readings the items behind the first `skip` held."""
        return int(np.frombuffer(self.readings, dtype="<u2")[skip:].sum())


class LaneStatus(msgspec.Struct, array_like=True, frozen=True):
    """One (epoch, lane) still of interest: what was assigned, what is held, what was receipted."""

    epoch: int
    lane: int
    last_assigned: int
    lowest_held: int
    cursor: int


class Heartbeat(msgspec.Struct, array_like=True, frozen=True):
    """The edge's heartbeat, which is also its half of the exchange. `lowest_held` is
    `last_assigned + 1` where a lane holds nothing.
    """

    nonce: int
    edge_at: int
    uptime_ms: int
    lanes: list[LaneStatus]
    settings_version: int
    settings_error: str = ""
    spool_bytes: int = 0
    dropped: dict[str, int] = {}
    software: str = ""


class Receipt(msgspec.Struct, array_like=True, frozen=True):
    """Published only after commit: the hub holds everything up to each cursor.

    `nonce` answers a heartbeat (0 where it answers none). A cursor is (epoch, lane, position). With an
    answer comes `telling`: where it is another one than before, the hub has lost track of the edge's
    conditions (a restored database, alarm items that never came) and the edge tells them anew.
    """

    nonce: int
    hub_at: int
    cursors: list[tuple[int, int, int]]
    telling: str = ""


class GapRequest(msgspec.Struct, array_like=True, frozen=True):
    """The hub saw items above its cursor: send again from `expected`."""

    epoch: int
    lane: int
    expected: int


class Command(msgspec.Struct, array_like=True, frozen=True):
    """Do this to that device, once, before `expires_at` (the hub's clock; `valid_ms` counts from
    its arrival for an edge whose clock is apart).
    """

    command: str
    device: str
    address: str
    kind: str
    parameters: dict[str, Attribute]
    issued_at: int
    expires_at: int
    valid_ms: int
    reason: str = ""


class SettingsPart(msgspec.Struct, array_like=True, frozen=True):
    """One of the numbered parts (1 … `parts`) in which an edge's settings travel (`contract/settings.py`).
    `digest` is the SHA-256 of the whole document and says which parts belong together.
    """

    version: int
    key_number: int
    part: int
    parts: int
    digest: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """An edge's settings, applied whole or refused with a reason. `document` is JSON with
    `connections`, `devices`, `profiles`, `reflexes` and `broker`; `key_number` is the key to sign with.
    """

    version: int
    key_number: int
    document: bytes


def pack_readings(
    edge_at: int,
    series: list[tuple[str, str, str]],
    columns: ReadingColumns,
    *,
    replayed: bool = False,
) -> ReadingsItem:
    """Build a readings item from columns."""
    return ReadingsItem(
        edge_at=edge_at,
        series=series,
        index=columns.index.astype("<u2").tobytes(),
        observed_at=columns.observed_at.astype("<i8").tobytes(),
        value=columns.value.astype("<f8").tobytes(),
        quality=columns.quality.astype("u1").tobytes(),
        replayed=replayed,
    )


def unpack_readings(item: ReadingsItem) -> ReadingColumns:
    """The columns of a readings item. NaN and infinities become quality `bad`.

    Raises ValueError where the columns differ in length, point past the series, or carry an
    unknown quality.
    """
    columns = ReadingColumns(
        index=np.frombuffer(item.index, dtype="<u2"),
        observed_at=np.frombuffer(item.observed_at, dtype="<i8"),
        value=np.frombuffer(item.value, dtype="<f8"),
        quality=np.frombuffer(item.quality, dtype="u1"),
    )
    lengths = {len(columns.index), len(columns.observed_at), len(columns.value), len(columns.quality)}
    if len(lengths) != 1:
        raise ValueError(f"columns differ in length: {sorted(lengths)}")
    if len(columns.index):
        if int(columns.index.max()) >= len(item.series):
            raise ValueError(f"index {int(columns.index.max())} points past {len(item.series)} series")
        if int(columns.quality.max()) > Quality.MISSING:
            raise ValueError(f"unknown quality {int(columns.quality.max())}")
        broken = ~np.isfinite(columns.value) & (columns.quality < Quality.BAD)
        if bool(broken.any()):
            quality = columns.quality.copy()
            quality[broken] = Quality.BAD
            columns = ReadingColumns(columns.index, columns.observed_at, columns.value, quality)
    return columns
