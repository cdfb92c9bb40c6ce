"""The hub's half of the exchange: a heartbeat says what an edge holds, the answer what the hub holds.

Pure. What lies below the lowest item that an edge still holds can never come: the gap is closed
with an alarm and the lane goes on (design, invariant 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from adapters.contract.codec import decode_payload
from adapters.contract.error import MalformedPayload
from adapters.contract.message import Heartbeat
from adapters.contract.vocabulary import Lane
from hub.intake.parcel import Notice
from hub.store.cursor import LaneKey

_LANES: Final = frozenset(int(lane) for lane in Lane)
_MOST: Final = 2**63 - 1
_MOST_LANES: Final = 10_000
_MOST_TEXT: Final = 2_000
_MOST_KINDS: Final = 50


def read_heartbeat(payload: bytes) -> Heartbeat:
    """The heartbeat as a store can keep it: no U+0000, texts of bounded length.

    Raises MalformedPayload where it does not decode or holds numbers that no clock or counter reaches.
    """
    heartbeat = decode_payload(payload, Heartbeat)
    numbers = (heartbeat.edge_at, heartbeat.uptime_ms, heartbeat.settings_version, heartbeat.spool_bytes)
    if not all(abs(number) <= _MOST for number in (*numbers, *heartbeat.dropped.values())):
        raise MalformedPayload("Heartbeat: a number is beyond 63 bits")
    return replace(
        heartbeat,
        settings_error=_clean(heartbeat.settings_error),
        software=_clean(heartbeat.software),
        dropped={_clean(kind): count for kind, count in list(heartbeat.dropped.items())[:_MOST_KINDS]},
    )


def _clean(text: str) -> str:
    return text[:_MOST_TEXT].replace("\0", "�")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a heartbeat is answered with: each lane's position, and those that must be moved first."""

    cursors: Mapping[LaneKey, int]
    closed: Mapping[LaneKey, int]
    """Lanes whose position jumps over items that are gone."""
    notices: tuple[Notice, ...]


def answer_heartbeat(edge: str, heartbeat: Heartbeat, cursors: Mapping[LaneKey, int]) -> Answer:
    """Compare what an edge says of its lanes with the hub's cursors."""
    positions: dict[LaneKey, int] = {}
    closed: dict[LaneKey, int] = {}
    notices = []
    for status in heartbeat.lanes[:_MOST_LANES]:
        if status.lane not in _LANES or not 0 <= status.epoch <= _MOST or not 0 < status.lowest_held <= _MOST:
            continue
        key = (edge, status.epoch, status.lane)
        position = cursors.get(key, 0)
        if position < status.lowest_held - 1:
            told: dict[str, str | int | float | bool] = {
                "lane": Lane(status.lane).name.lower(),
                "epoch": str(status.epoch),
                "first": position + 1,
                "last": status.lowest_held - 1,
            }
            notices.append(Notice("lane.gap", f"edge:{edge}", None, told))
            position = closed[key] = status.lowest_held - 1
        positions[key] = position
    return Answer(positions, closed, tuple(notices))
