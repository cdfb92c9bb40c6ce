"""A spool that an edge filled through days without its hub: older epochs, old items, made in seconds.

`python -m tests.chaos.hoard CONFIG READINGS_ITEMS ALARMS HOURS` for an edge that does not run.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from adapters.contract.codec import encode_payload
from adapters.contract.message import Event, EventItem, ReadingsItem
from adapters.contract.vocabulary import Lane
from edge.configuration import SPOOL_FILE, load_configuration
from edge.quota import Budget
from edge.spool import Spool

EPOCHS: Final = 3
"""The edge was started so often in that time."""
POINTS: Final = ("temperature_c", "humidity_pct")
CRITICAL_RANK: Final = 0
TELEMETRY_RANK: Final = 9
PRESSES_EACH: Final = 4
"""So often each button was pressed."""
_TRANSACTION: Final = 20_000


def hoard(config: Path, edge: str, items: int, alarms: int, hours: float) -> None:
    """Append `items` readings items of two readings and `alarms` presses, spread over the past `hours`."""
    configuration = load_configuration(config)
    now_us = time.time_ns() // 1_000
    begun_us = now_us - int(hours * 3_600_000_000)
    for epoch in range(EPOCHS):
        spool = Spool(
            configuration.data_dir / SPOOL_FILE,
            epoch=1_000 + epoch,
            opened_at=begun_us,
            budget=Budget(configuration.spool_bytes),
            boot=f"an earlier boot {epoch}",
        )
        share = range(epoch * items // EPOCHS, (epoch + 1) * items // EPOCHS)
        step_us = (now_us - begun_us) // (items + 1)
        rows = iter(_make_items(edge, share, items, alarms, begun_us, step_us))
        while group := list(islice(rows, _TRANSACTION)):
            spool.begin()
            for lane, rank, data in group:
                spool.append(lane, data, rank=rank, mono_ms=0)
            spool.commit()
        spool.close()


def button_of(edge: str, press: int) -> str:
    """Which button the nth press of the outage was on."""
    return f"{edge}-button-{press // PRESSES_EACH:04d}"


def _make_items(
    edge: str, share: range, items: int, alarms: int, begun_us: int, step_us: int
) -> Iterator[tuple[Lane, int, bytes]]:
    every = max(1, items // alarms)
    for number in share:
        at = begun_us + number * step_us
        sensor = f"{edge}-sensor-{number % 50:04d}"
        series = [(sensor, "", point) for point in POINTS]
        item = ReadingsItem(
            at,
            series,
            b"\0\0\1\0",
            struct.pack("<qq", at, at),
            struct.pack("<dd", 20.0 + number % 1_000 / 1_000, 40.0),
            b"\0\0",
        )
        yield Lane.TELEMETRY, TELEMETRY_RANK, encode_payload(item)
        press, rest = divmod(number, every)
        if rest == 0 and press < alarms:
            event = Event(button_of(edge, press), "", "panic.pressed", None, at, at, identity=f"old-{press}")
            yield Lane.ALARM, CRITICAL_RANK, encode_payload(EventItem([event]))


if __name__ == "__main__":
    begun = time.monotonic()
    hoard(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    print(json.dumps({"seconds": round(time.monotonic() - begun, 1)}))
