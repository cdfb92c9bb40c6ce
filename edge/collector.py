"""Readings of all devices, gathered into columns: thousands share one item, one append, one message.

Runs in the event loop. A batch goes to the spool when it is full, when it has waited 200 ms, or when
many device messages wait for it: brokers hand out only so many unacknowledged messages at a time, and an
alarm may stand behind them.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from adapters.base import Reading
from adapters.contract.codec import encode_payload
from adapters.contract.message import ReadingsItem
from adapters.contract.vocabulary import Quality
from edge.clock import Clock

BATCH_READINGS: Final = 2_000
BATCH_BYTES: Final = 100_000
BATCH_WAIT_S: Final = 0.2
WAITING_MESSAGES: Final = 12
"""Mosquitto hands out 20 unacknowledged messages by default."""
PENDING_BATCHES: Final = 32
"""So many batches may be under way to the disk before whoever adds has to wait."""
_READING_BYTES: Final = 19
_NAME_BYTES: Final = 1_024


class ReadingCollector:
    """Columns being filled. `store` takes an encoded readings item and is done when it is on the disk."""

    def __init__(self, store: Callable[[bytes], Future[None]], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._series: dict[tuple[str, str, str], int] = {}
        self._index = array("H")
        self._observed_at = array("q")
        self._value = array("d")
        self._quality = bytearray()
        self._replayed = False
        self._series_bytes = 0
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stored: asyncio.Future[None] | None = None
        self._pending: set[asyncio.Future[None]] = set()
        self.refused = 0
        """Readings whose names cannot travel."""

    async def make_room(self) -> None:
        """Wait while the disk is behind."""
        while len(self._pending) >= PENDING_BATCHES:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)

    def add(self, readings: Sequence[Reading], *, settles: bool) -> asyncio.Future[None]:
        """Take readings in; the future is done when they are on the disk.

        `settles`: a device message waits for that.
        """
        now = self._clock.now_us()
        stored: asyncio.Future[None] | None = None
        for reading in readings:
            if reading.replayed is not self._replayed:
                self.flush()  # an item is all news or all memory
                self._replayed = reading.replayed
            name = (reading.device, reading.address, reading.point)
            place = self._series.get(name)
            if place is None:
                size = _measure_name(name)
                if size is None:
                    self.refused += 1
                    continue
                if self._series_bytes + size + _READING_BYTES * len(self._quality) > BATCH_BYTES:
                    self.flush()
                self._series_bytes += size
                place = self._series[name] = len(self._series)
            at, quality = reading.observed_at, reading.quality
            if at is None:
                at = now
            elif not -(2**63) <= at < 2**63:
                at, quality = now, max(quality, Quality.UNCERTAIN)
            self._index.append(place)
            self._observed_at.append(at)
            self._value.append(reading.value)
            self._quality.append(quality)
            if len(self._quality) >= BATCH_READINGS:
                stored = self.flush()
        loop = asyncio.get_running_loop()
        if not self._quality:
            if stored is None:
                stored = loop.create_future()
                stored.set_result(None)
            return stored
        if self._stored is None:
            self._stored = loop.create_future()
            self._timer = loop.call_later(BATCH_WAIT_S, self.flush)
        self._waiting += settles
        if self._waiting >= WAITING_MESSAGES:
            return self.flush()
        return self._stored

    def flush(self) -> asyncio.Future[None]:
        """Hand the batch to the spool now; the future is done when it is on the disk."""
        loop = asyncio.get_running_loop()
        stored = self._stored or loop.create_future()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._stored = None
        if not self._quality:
            stored.set_result(None)
            return stored
        if sys.byteorder == "big":
            for column in (self._index, self._observed_at, self._value):
                column.byteswap()
        item = ReadingsItem(
            edge_at=self._clock.now_us(),
            series=list(self._series),
            index=self._index.tobytes(),
            observed_at=self._observed_at.tobytes(),
            value=self._value.tobytes(),
            quality=bytes(self._quality),
            replayed=self._replayed,
        )
        self._series = {}
        self._index, self._observed_at, self._value = array("H"), array("q"), array("d")
        self._quality = bytearray()
        self._series_bytes = self._waiting = 0
        self._pending.add(stored)
        stored.add_done_callback(self._pending.discard)
        future = asyncio.wrap_future(self._store(encode_payload(item)))
        future.add_done_callback(lambda done: _pass_on(done, stored))
        return stored


def _measure_name(name: tuple[str, str, str]) -> int | None:
    """Encoded bytes of a series' name; None where it cannot travel."""
    try:
        size = sum(len(part.encode()) for part in name) + 8
    except UnicodeEncodeError:
        return None
    return None if size > _NAME_BYTES or any("\0" in part for part in name) else size


def _pass_on(done: asyncio.Future[None], stored: asyncio.Future[None]) -> None:
    if stored.done():
        return
    if done.cancelled():
        stored.cancel()
    elif (error := done.exception()) is not None:
        stored.set_exception(error)
    else:
        stored.set_result(None)
