"""Events as they are stored: one row each, whatever the rules make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import Final

import msgspec

from hub.domain.judgement import EventInput
from hub.store.column import COPY_END, COPY_HEAD, NULL, ticks
from hub.store.database import Connection

_COLUMNS: Final = (
    "recorded_at, observed_at, edge_at, epoch, lane, sequence, ordinal, late, quality, active, device_at,"
    " site, event, edge, device, address, zone, kind, identity, attributes, raw"
)
_FIELDS: Final = 21
_FIXED: Final = Struct(">h iq iq iq iq ih iq ii i? ih")
"""Their number, and the first nine of them, each behind its length."""
_MOMENT: Final = Struct(">iq")
_LENGTH: Final = Struct(">i")
_JSONB: Final = b"\1"
"""The version that stands before a jsonb's text."""
_write_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_NO_ATTRIBUTES: Final = b"\0\0\0\3\1{}"
_ACTIVE: Final = (b"\0\0\0\1\0", b"\0\0\0\1\1")
HUB: Final = "hub"
"""The edge of what the hub itself observed (supervision)."""


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """One event with the three clocks apart; times are aware UTC, `observed_at` the one that is used."""

    input: EventInput
    device_at: datetime | None
    edge_at: datetime
    edge: str
    epoch: int
    lane: int
    sequence: int
    ordinal: int
    quality: int
    identity: str
    raw: bytes


def copy_events(connection: Connection, site: str, rows: Sequence[EventRow]) -> None:
    """Store events in the given order."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY events ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(COPY_HEAD + binary_events(site, rows) + COPY_END)


def binary_events(site: str, rows: Sequence[EventRow]) -> bytes:
    """Rows of PostgreSQL's binary COPY format, without header and trailer; in the order of `_COLUMNS`.

    What has a fixed width is packed in one piece; of the rest each value stands behind its length.
    """
    parts: list[bytes] = []
    owner = _text(site)
    # A batch has one recorded time, and most of its events have one time for the device's word and the edge's.
    recorded_at, recorded_ticks = None, 0
    for row in rows:
        event = row.input
        if event.recorded_at is not recorded_at:
            recorded_at, recorded_ticks = event.recorded_at, ticks(event.recorded_at)
        edge_at = ticks(row.edge_at)
        name, identity = event.id.encode(), row.identity.encode()
        parts += (
            _FIXED.pack(
                _FIELDS, 8, recorded_ticks,
                8, edge_at if event.observed_at is row.edge_at else ticks(event.observed_at),
                8, edge_at, 8, row.epoch, 2, row.lane, 8, row.sequence, 4, row.ordinal, 1, event.late,
                2, row.quality,
            ),
            NULL if event.active is None else _ACTIVE[event.active],
            NULL if row.device_at is None else _MOMENT.pack(8, ticks(row.device_at)),
            owner,
            _LENGTH.pack(len(name)),
            name,
            _about(row.edge, event.device, event.address, event.zone, event.kind),
            _LENGTH.pack(len(identity)),
            identity,
            _attributes(event.attributes) if event.attributes else _NO_ATTRIBUTES,
            _LENGTH.pack(len(row.raw)),
            row.raw,
        )  # fmt: skip
    return b"".join(parts)


@lru_cache(maxsize=20_000)
def _about(edge: str, device: str, address: str, zone: str | None, kind: str) -> bytes:
    """Those columns: the same few thousand devices say the same few things again and again."""
    place = NULL if zone is None else _text(zone)
    return _text(edge) + _text(device) + _text(address) + place + _text(kind)


def _text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data


def _attributes(attributes: Mapping[str, str | int | float | bool]) -> bytes:
    data = _write_json(attributes).encode()
    return _LENGTH.pack(len(data) + 1) + _JSONB + data
