"""An edge whose spool is fed with readings at a rate that the benchmark asks for on standard input.

Everything behind the spool is the edge as it is; its devices on MQTT are read as always. A line
`burst N GROUP` appends N readings of a group as fast as the spool takes them, `rate R GROUP` goes on with R
readings a second, `rate 0 GROUP` pauses. Each answer is one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np

from adapters.contract.codec import encode_payload
from adapters.contract.message import ReadingColumns, pack_readings
from adapters.registry import load_drivers
from edge.app import Edge
from edge.clock import SystemClock
from edge.configuration import load_configuration, load_identity

BATCH = 2_000
"""Readings in an item, at most."""
UNDER_WAY = 16
"""Batches that may be on their way to the disk."""

SeriesKey = tuple[str, str, str]


class Source:
    """Makes items of a group of series, each point once an item; a group that is too large takes turns."""

    def __init__(self, series: list[SeriesKey]) -> None:
        self._parts = [series[at : at + BATCH] for at in range(0, len(series), BATCH)]
        self._turn = 0
        self._random = np.random.default_rng(7)

    def make_item(self) -> tuple[bytes, int]:
        """An item, and how many readings it has. Values lie far from every limit."""
        part = self._parts[self._turn % len(self._parts)]
        self._turn += 1
        count = len(part)
        now_us = time.time_ns() // 1_000
        observed_at = now_us - np.arange(count, dtype=np.int64)[::-1]
        value = self._random.normal(5.0, 1.0, count)
        index = np.arange(count, dtype=np.uint16)
        columns = ReadingColumns(index, observed_at, value, np.zeros(count, dtype=np.uint8))
        return encode_payload(pack_readings(now_us, part, columns)), count


class Feeder:
    """Appends items to an edge's spool."""

    def __init__(self, edge: Edge, sources: dict[str, Source]) -> None:
        self._edge = edge
        self._sources = sources
        self.rate = 0
        self.group = next(iter(sources))
        self.items = 0
        """Items appended since the start."""

    async def burst(self, readings: int, group: str) -> int:
        """Append about so many readings, bounded only by the disk; returns how many."""
        waiting: set[asyncio.Future[None]] = set()
        appended = 0
        while appended < readings:
            if len(waiting) >= UNDER_WAY:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            item, count = self._make(group)
            waiting.add(asyncio.wrap_future(self._edge.reception.store_readings(item)))
            appended += count
        if waiting:
            await asyncio.wait(waiting)
        return appended

    async def keep_rate(self) -> None:
        """Append items so that `rate` readings a second go in, for as long as the task runs."""
        due = time.monotonic()
        while True:
            if not self.rate:
                await asyncio.sleep(0.01)
                due = time.monotonic()
                continue
            item, count = self._make(self.group)
            await asyncio.wrap_future(self._edge.reception.store_readings(item))
            due += count / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _make(self, group: str) -> tuple[bytes, int]:
        self.items += 1
        return self._sources[group].make_item()


async def run(config: Path, groups: dict[str, list[list[str]]]) -> None:
    configuration = load_configuration(config)
    edge = Edge(configuration, load_identity(configuration.data_dir), load_drivers(), SystemClock())
    await edge.start()
    sources = {group: Source([tuple(key) for key in keys]) for group, keys in groups.items() if keys}
    feeder = Feeder(edge, sources)
    pace = asyncio.create_task(feeder.keep_rate())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    answer({"ready": True})
    while line := (await reader.readline()).split():
        word, number, group = line[0].decode(), int(line[1]), line[2].decode()
        if word == "burst":
            answer({"appended": await feeder.burst(number, group), "items": feeder.items})
        else:
            feeder.rate, feeder.group = number, group
            answer({"rate": number})
    pace.cancel()
    await edge.stop()


def answer(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
