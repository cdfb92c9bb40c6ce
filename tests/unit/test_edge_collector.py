"""Readings in columns: how they are cut, and when a device's message is settled."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Future

from adapters.base import Reading
from adapters.contract.codec import decode_item
from adapters.contract.message import MAX_ITEM_BYTES, ReadingsItem, unpack_readings
from adapters.contract.vocabulary import Quality
from edge.clock import SystemClock
from edge.collector import BATCH_READINGS, PENDING_BATCHES, WAITING_MESSAGES, ReadingCollector


class Disk:
    """Takes items, and is done with them when told so."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.futures: list[Future[None]] = []

    def store(self, item: bytes) -> Future[None]:
        self.items.append(item)
        self.futures.append(Future())
        return self.futures[-1]

    def finish(self) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(None)

    def decoded(self) -> list[ReadingsItem]:
        items = [decode_item(item) for item in self.items]
        return [item for item in items if isinstance(item, ReadingsItem)]


def read(n: int, *, value: float = 1.5, at: int | None = 7, address: str = "") -> Reading:
    return Reading(f"fridge-{n}", address, "temperature_c", value, Quality.GOOD, at)


def test_values_arrive_as_they_were_read() -> None:
    async def run() -> None:
        disk = Disk()
        collector = ReadingCollector(disk.store, SystemClock())
        collector.add([read(1), read(2, value=math.nan), read(1, at=None), read(1, at=2**80)], settles=False)
        stored = collector.flush()
        (item,) = disk.decoded()
        assert item.series == [("fridge-1", "", "temperature_c"), ("fridge-2", "", "temperature_c")]
        columns = unpack_readings(item)
        assert columns.index.tolist() == [0, 1, 0, 0]
        assert columns.observed_at[:2].tolist() == [7, 7]
        assert abs(columns.observed_at[2:] - item.edge_at).max() < 10**6
        assert columns.quality.tolist() == [Quality.GOOD, Quality.BAD, Quality.GOOD, Quality.UNCERTAIN]
        assert not stored.done()
        disk.finish()
        await stored

    asyncio.run(run())


def test_batches_are_cut_by_number_and_by_size() -> None:
    async def run() -> None:
        disk = Disk()
        collector = ReadingCollector(disk.store, SystemClock())
        collector.add([read(n % 10) for n in range(BATCH_READINGS * 2 + 5)], settles=False)
        assert [len(item.quality) for item in disk.decoded()] == [BATCH_READINGS] * 2
        collector.add([read(n, address="x" * 200) for n in range(2_000)], settles=False)
        collector.flush()
        assert sum(len(item.quality) for item in disk.decoded()) == BATCH_READINGS * 2 + 5 + 2_000
        assert max(map(len, disk.items)) < MAX_ITEM_BYTES
        disk.finish()

    asyncio.run(run())


def test_names_that_cannot_travel_are_left_out_alone() -> None:
    async def run() -> None:
        disk = Disk()
        collector = ReadingCollector(disk.store, SystemClock())
        bad = [read(1, address=address) for address in ("\ud800", "a\0b", "x" * 5_000)]
        assert collector.add(bad, settles=True).done()
        collector.add([*bad, read(2)], settles=False)
        collector.flush()
        assert [len(item.quality) for item in disk.decoded()] == [1]
        assert collector.refused == 6
        disk.finish()

    asyncio.run(run())


def test_waiting_device_messages_hasten_the_batch_and_time_does_too() -> None:
    async def run() -> None:
        disk = Disk()
        collector = ReadingCollector(disk.store, SystemClock())
        stored = [collector.add([read(n)], settles=True) for n in range(WAITING_MESSAGES)]
        assert len(disk.items) == 1, "nobody waits for a timer behind a broker's window"
        disk.finish()
        await asyncio.gather(*stored)
        later = collector.add([read(1)], settles=True)
        assert len(disk.items) == 1
        while len(disk.items) < 2:
            await asyncio.wait({later}, timeout=0.02)
        disk.finish()
        await asyncio.wait_for(later, 5)

    asyncio.run(run())


def test_a_slow_disk_makes_devices_wait() -> None:
    async def run() -> None:
        disk = Disk()
        collector = ReadingCollector(disk.store, SystemClock())
        for n in range(PENDING_BATCHES):
            await collector.make_room()
            collector.add([read(n)], settles=False)
            collector.flush()
        waiting = asyncio.ensure_future(collector.make_room())
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        disk.futures[0].set_result(None)
        await asyncio.wait_for(waiting, 5)
        disk.finish()
        await asyncio.sleep(0)

    asyncio.run(run())
