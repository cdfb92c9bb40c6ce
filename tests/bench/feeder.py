"""An edge whose spool is fed with readings at a rate that the benchmark asks for on standard input.

Everything behind the spool is the edge as it is; its devices on MQTT are read as always. A line
`burst N` appends N readings as fast as the spool takes them, `rate R` goes on with R readings a second,
`rate 0` pauses. Each answer is one line of JSON.
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

DEVICES = 500
POINTS = ("temperature_c", "humidity_pct", "signal_dbm", "voltage_v")
UNDER_WAY = 16
"""Batches that may be on their way to the disk."""


def device_name(number: int) -> str:
    """The name of a reporting device."""
    return f"reporter-{number:04d}"


SERIES = [(device_name(number), "", point) for number in range(DEVICES) for point in POINTS]
BATCH = len(SERIES)
"""Readings in an item: each point once."""


class Feeder:
    """Makes batches of readings, each point once, and appends them to an edge's spool."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._index = np.arange(BATCH, dtype=np.uint16)
        self._quality = np.zeros(BATCH, dtype=np.uint8)
        self._random = np.random.default_rng(7)
        self.rate = 0
        self.items = 0
        """Items appended since the start."""

    def make_item(self) -> bytes:
        self.items += 1
        now_us = time.time_ns() // 1_000
        observed_at = now_us - np.arange(BATCH, dtype=np.int64)[::-1]
        value = self._random.normal(20.0, 1.0, BATCH)
        columns = ReadingColumns(self._index, observed_at, value, self._quality)
        return encode_payload(pack_readings(now_us, SERIES, columns))

    async def burst(self, readings: int) -> int:
        """Append about so many readings, bounded only by the disk; returns how many."""
        batches = -(-readings // BATCH)
        waiting: set[asyncio.Future[None]] = set()
        for _ in range(batches):
            if len(waiting) >= UNDER_WAY:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            waiting.add(asyncio.wrap_future(self._edge.reception.store_readings(self.make_item())))
        if waiting:
            await asyncio.wait(waiting)
        return batches * BATCH

    async def keep_rate(self) -> None:
        """Append batches so that `rate` readings a second go in, for as long as the task runs."""
        due = time.monotonic()
        while True:
            if not self.rate:
                await asyncio.sleep(0.01)
                due = time.monotonic()
                continue
            await asyncio.wrap_future(self._edge.reception.store_readings(self.make_item()))
            due += BATCH / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def run(config: Path) -> None:
    configuration = load_configuration(config)
    edge = Edge(configuration, load_identity(configuration.data_dir), load_drivers(), SystemClock())
    await edge.start()
    feeder = Feeder(edge)
    pace = asyncio.create_task(feeder.keep_rate())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    answer({"ready": True})
    while line := (await reader.readline()).split():
        word, number = line[0].decode(), int(line[1])
        if word == "burst":
            answer({"appended": await feeder.burst(number), "items": feeder.items})
        else:
            feeder.rate = number
            answer({"rate": number})
    pace.cancel()
    await edge.stop()


def answer(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
