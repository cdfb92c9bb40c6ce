"""Events as they are stored: one row each, whatever the rules make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.domain.judgement import EventInput
from hub.store.database import Connection

_COLUMNS: Final = (
    "site, event, recorded_at, observed_at, device_at, edge_at, edge, epoch, lane, sequence, ordinal,"
    " device, address, zone, kind, active, late, quality, identity, attributes, raw"
)
HUB: Final = "hub"
"""The edge of what the hub itself observed (supervision)."""


@dataclass(frozen=True, slots=True)
class EventRow:
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
        cursor.copy(f"COPY events ({_COLUMNS}) FROM STDIN") as copy,
    ):
        for row in rows:
            event = row.input
            copy.write_row(
                (
                    site,
                    event.id,
                    event.recorded_at,
                    event.observed_at,
                    row.device_at,
                    row.edge_at,
                    row.edge,
                    row.epoch,
                    row.lane,
                    row.sequence,
                    row.ordinal,
                    event.device,
                    event.address,
                    event.zone,
                    event.kind,
                    event.active,
                    event.late,
                    row.quality,
                    row.identity,
                    _json(event.attributes),
                    row.raw,
                )
            )


def _json(attributes: Mapping[str, str | int | float | bool]) -> str:
    return json.dumps(attributes, ensure_ascii=False, allow_nan=False) if attributes else "{}"
