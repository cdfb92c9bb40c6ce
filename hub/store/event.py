"""Events as they are stored: one row each, whatever the rules make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from struct import Struct
from typing import Final

import msgspec

from hub.domain.judgement import EventInput
from hub.store.column import COPY_END, COPY_HEAD, NULL, sized, ticks
from hub.store.database import Connection

_COLUMNS: Final = (
    "recorded_at, observed_at, edge_at, epoch, lane, sequence, ordinal, late, quality, active, device_at,"
    " site, event, edge, device, address, zone, kind, identity, attributes, raw"
)
_FIELDS: Final = 21
_FIXED: Final = Struct(">h iq iq iq iq ih iq ii i? ih")
"""Their number, and the first nine of them, each behind its length."""
_MOMENT: Final = Struct(">iq")
_ACTIVE: Final = (b"\0\0\0\1\0", b"\0\0\0\1\1")
HUB: Final = "hub"
"""The edge of what the hub itself observed (supervision)."""


class EventRow(msgspec.Struct, frozen=True):
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
    for row in rows:
        event = row.input
        edge_at = ticks(row.edge_at)
        parts += (
            _FIXED.pack(
                _FIELDS, 8, ticks(event.recorded_at),
                8, edge_at if event.observed_at is row.edge_at else ticks(event.observed_at),
                8, edge_at, 8, row.epoch, 2, row.lane, 8, row.sequence, 4, row.ordinal, 1, event.late,
                2, row.quality,
            ),
            NULL if event.active is None else _ACTIVE[event.active],
            NULL if row.device_at is None else _MOMENT.pack(8, ticks(row.device_at)),
            owner,
            _text(event.id),
            _text(row.edge),
            _text(event.device),
            _text(event.address),
            NULL if event.zone is None else _text(event.zone),
            _text(event.kind),
            _text(row.identity),
            _text("\1" + _json(event.attributes)),
            sized(row.raw),
            row.raw,
        )  # fmt: skip
    return b"".join(parts)


def _text(value: str) -> bytes:
    data = value.encode()
    return sized(data) + data


def _json(attributes: Mapping[str, str | int | float | bool]) -> str:
    return json.dumps(attributes, ensure_ascii=False, allow_nan=False) if attributes else "{}"
