"""Alarms that were heard but have no receipt: shown at once, whatever keeps them from being stored or judged.

The API process hears the alarm lanes and the receipts by itself, so that this works with the worker
dead and the database down (design §4, "When the worker or the store is away"). Pure: told what came
and when, it says what to show.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from adapters.contract.codec import (
    decode_item,
    decode_items,
    decode_payload,
    derive_key,
    open_frame,
    read_header,
)
from adapters.contract.error import MalformedItem, WireError
from adapters.contract.message import Direction, EventItem, Header, Items, Receipt, Type
from adapters.contract.topic import read_topic
from adapters.contract.vocabulary import KINDS, Lane, Priority
from hub.domain.moment import moment_of
from hub.store.site import EdgeKey

SHOWN_AFTER: Final = timedelta(seconds=2)
MAX_ITEMS: Final = 2_000
MAX_EPOCHS: Final = 256

StreamKey = tuple[str, str, int]
"""(site, edge, epoch) of an alarm lane."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One event that no receipt covers yet."""

    id: str
    site: str
    sequence: int
    kind: str
    priority: Priority
    device: str
    address: str
    active: bool | None
    edge_at: datetime
    first_seen_at: datetime
    receipted_at: datetime | None = None
    """When its receipt came; it goes once the journal was read after that."""


class Unreceipted:
    """What was heard on the alarm lanes of all edges and is not receipted. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: Mapping[tuple[str, str], EdgeKey] = {}
        self._cursors: OrderedDict[StreamKey, int] = OrderedDict()
        self._items: dict[StreamKey, dict[str, Heard]] = {}
        self._size = 0
        self.dropped = 0
        """Items that found no room (`MAX_ITEMS`)."""
        self.unverified = 0
        """Messages that did not prove their sender, or could not be read."""

    def set_keys(self, keys: Mapping[tuple[str, str], EdgeKey]) -> None:
        """The edges' keys, by (site, edge)."""
        self._keys = keys

    def hear(self, topic: str, frame: bytes, now: datetime) -> None:
        """Take one message of an alarm lane or of the receipts; what cannot be believed is counted."""
        try:
            taken = self._open(topic, frame)
        except WireError:
            taken = None
        if taken is None:
            with self._lock:
                self.unverified += 1
            return
        header, payload = taken
        try:
            if header.type == Type.RECEIPT:
                self._settle(header, decode_payload(payload, Receipt), now)
            elif header.type in (Type.ITEMS, Type.ITEMS_PACKED) and header.lane is Lane.ALARM:
                self._add(header, decode_items(header.type, payload), now)
        except WireError:
            with self._lock:
                self.unverified += 1

    def release(self, site: str, synced_at: datetime) -> None:
        """The site's journal was read whole, beginning at `synced_at`: what was receipted before is there."""
        with self._lock:
            for stream, items in list(self._items.items()):
                if stream[0] == site:
                    for name, item in list(items.items()):
                        if item.receipted_at is not None and item.receipted_at < synced_at:
                            self._remove(stream, name)

    def shown(self, site: str, now: datetime) -> list[Heard]:
        """What a site's screens must show: the most urgent first, then the oldest."""
        with self._lock:
            due = [
                item
                for stream, items in self._items.items()
                if stream[0] == site
                for item in items.values()
                if now - item.first_seen_at >= SHOWN_AFTER
            ]
        return sorted(due, key=lambda item: (item.priority.rank, item.first_seen_at, item.id))

    def sites(self) -> set[str]:
        """The sites of which something is held."""
        with self._lock:
            return {stream[0] for stream in self._items}

    def __len__(self) -> int:
        return self._size

    def _open(self, topic: str, frame: bytes) -> tuple[Header, bytes] | None:
        place = read_topic(topic)
        if place is None:
            return None
        sender, direction, _ = place
        header, _ = read_header(frame)
        wanted = Direction.UP if direction == "up" else Direction.DOWN
        key = self._keys.get((header.site, header.edge))
        if (header.site, header.edge, header.direction) != (sender.site, sender.edge, wanted) or key is None:
            return None
        if header.key_number < key.key_number:
            return None
        return open_frame(frame, derive_key(key.root_secret, header.key_number))

    def _add(self, header: Header, payload: Items, now: datetime) -> None:
        stream = (header.site, header.edge, header.epoch)
        with self._lock:
            cursor = self._cursors.get(stream, 0)
            for offset, data in enumerate(payload.items):
                sequence = header.first + offset
                if sequence <= cursor:
                    continue
                try:
                    item = decode_item(data)
                except MalformedItem:
                    continue  # Intake quarantines it and raises its own alarm.
                if not isinstance(item, EventItem):
                    continue
                for index, event in enumerate(item.events):
                    priority = KINDS[event.kind].default_priority
                    if priority is None or event.active is False:
                        continue
                    self._keep(
                        stream,
                        Heard(
                            id=f"{header.edge}/{header.epoch}/{int(Lane.ALARM)}/{sequence}/{index}",
                            site=header.site,
                            sequence=sequence,
                            kind=event.kind,
                            priority=priority,
                            device=event.device,
                            address=event.address,
                            active=event.active,
                            edge_at=_moment(event.edge_at, now),
                            first_seen_at=now,
                        ),
                    )

    def _keep(self, stream: StreamKey, item: Heard) -> None:
        items = self._items.setdefault(stream, {})
        if item.id in items:
            return
        if self._size >= MAX_ITEMS:
            self.dropped += 1
            least = max(
                (
                    (each.priority.rank, each.first_seen_at, other, name)
                    for other, group in self._items.items()
                    for name, each in group.items()
                ),
                key=lambda entry: entry[:2],
            )
            if least[0] <= item.priority.rank:
                return
            self._remove(least[2], least[3])
            items = self._items.setdefault(stream, {})
        items[item.id] = item
        self._size += 1

    def _settle(self, header: Header, receipt: Receipt, now: datetime) -> None:
        with self._lock:
            for epoch, lane, position in receipt.cursors:
                if lane != Lane.ALARM:
                    continue
                stream = (header.site, header.edge, epoch)
                # The newest word counts, not the highest: a restored hub holds less than it did.
                self._cursors[stream] = position
                self._cursors.move_to_end(stream)
                items = self._items.get(stream, {})
                for name, item in items.items():
                    if item.sequence <= position and item.receipted_at is None:
                        items[name] = replace(item, receipted_at=now)
            while len(self._cursors) > MAX_EPOCHS:
                self._cursors.popitem(last=False)

    def _remove(self, stream: StreamKey, name: str) -> None:
        del self._items[stream][name]
        self._size -= 1
        if not self._items[stream]:
            del self._items[stream]


def _moment(at_us: int, otherwise: datetime) -> datetime:
    """The edge's word as a time; a number that no calendar holds is replaced."""
    try:
        return moment_of(at_us)
    except OverflowError:
        return otherwise
