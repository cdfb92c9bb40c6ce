"""A run of items of one lane: what one message carries, opened as far as its payload goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.contract.codec import decode_items, decode_payload
from adapters.contract.error import WireError
from adapters.contract.message import Tombstone, Type
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.domain.moment import microseconds
from hub.intake.clock import ClockSight
from hub.intake.gate import Message

SET: Final = timedelta(seconds=1)
"""A clock that goes so much otherwise than the steady one was set."""


class RawItem(NamedTuple):
    """An item as it came, with its place in the lane."""

    sequence: int
    age_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A proved message whose payload cannot be opened: held whole, the lane goes on behind it."""

    code: str
    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Items `first … first+count-1` of a lane: either `items`, or a tombstone, or spoiled."""

    sender: Sender
    lane: Lane
    epoch: int
    first: int
    count: int
    offset_us: int
    """The edge's clock at sending less the hub's at arrival."""
    arrived_at: datetime
    """When the message came in, by the hub's clock: while it waits for the store, its items grow older."""
    items: tuple[RawItem, ...] = ()
    tombstone: Tombstone | None = None
    spoiled: Spoiled | None = None
    uptime_ms: int = -1
    """How long the edge's process ran at sending, by its steady clock; negative where it does not say."""
    arrived_s: float = 0.0
    """When it came in, by the hub's steady clock."""

    @property
    def key(self) -> tuple[str, int, int]:
        """The lane's key among a site's cursors."""
        return (self.sender.edge, self.epoch, int(self.lane))

    @property
    def sight(self) -> ClockSight:
        """What it shows of the edge's clock."""
        return ClockSight(self.offset_us, self.uptime_ms, microseconds(self.arrived_at))

    def waited_ms(self, now: datetime) -> int:
        """How long it has waited here: its items are so much older than they were at sending."""
        return max(0, (now - self.arrived_at) // timedelta(milliseconds=1))

    def by_clock(self, now: datetime, now_s: float) -> Run:
        """The same by the hub's clock as it is at `now`: where that was set while the run waited, it has not
        waited for hours, and its edge's clock is no hours off.
        """
        set_by = now - self.arrived_at - timedelta(seconds=now_s - self.arrived_s)
        if abs(set_by) <= SET:
            return self
        offset_us = self.offset_us - set_by // timedelta(microseconds=1)
        return replace(self, arrived_at=self.arrived_at + set_by, offset_us=offset_us)

    def split(self, most: int) -> tuple[Run, Run | None]:
        """The first `most` items, and the rest."""
        if len(self.items) <= most:
            return self, None
        head = replace(self, count=most, items=self.items[:most])
        tail = replace(self, first=self.first + most, count=self.count - most, items=self.items[most:])
        return head, tail


def open_run(message: Message) -> Run:
    """Open a lane message; never fails: what does not decode is a spoiled run."""
    header = message.header
    if header.lane is None:
        raise AssertionError("the gate lets only lane messages through on lane topics")
    run = Run(
        message.sender,
        header.lane,
        header.epoch,
        header.first,
        header.count,
        0,
        message.at,
        arrived_s=message.at_s,
    )
    # A count beyond what has come would carry the lane over items that are still on their way; an item and
    # its age take two bytes at least. A tombstone's items come no more.
    carried = header.count if header.type == Type.TOMBSTONE else len(message.payload) // 2
    try:
        if header.type == Type.TOMBSTONE:
            return replace(run, tombstone=_open_tombstone(message))
        items = decode_items(header.type, message.payload)
        carried = len(items.items)
        if not len(items.items) == len(items.ages_ms) == header.count:
            raise _Miscounted(
                f"{len(items.items)} items and {len(items.ages_ms)} ages where the header says {header.count}"
            )
    except WireError as error:
        spoiled = Spoiled(error.code, error.detail, message.payload)
        return replace(run, count=min(header.count, max(1, carried)), spoiled=spoiled)
    return replace(
        run,
        offset_us=items.sent_at - microseconds(message.at),
        uptime_ms=items.uptime_ms,
        items=tuple(
            RawItem(header.first + index, age_ms, data)
            for index, (age_ms, data) in enumerate(zip(items.ages_ms, items.items, strict=True))
        ),
    )


def _open_tombstone(message: Message) -> Tombstone:
    tombstone = decode_payload(message.payload, Tombstone)
    if tombstone.count != message.header.count:
        raise _Miscounted(f"a tombstone of {tombstone.count} where the header says {message.header.count}")
    if len(tombstone.readings) not in (0, 2 * tombstone.count):
        raise _Miscounted(f"a tombstone of {tombstone.count} with {len(tombstone.readings)} bytes of readings")
    return tombstone


class _Miscounted(WireError):
    """Payload and header disagree about how many items there are."""

    code = "miscounted"
