"""`make bench`: the street's speed, latency and memory on this machine, as a table and as JSON.

Everything runs on the loopback of one machine: embedded PostgreSQL with fsync, embedded broker, the hub's
three processes, real edges. Ratios are against a baseline measured in the same run, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.bench.alarms import measure_alarms
from tests.bench.county import measure_county
from tests.bench.figures import table
from tests.bench.flatness import measure_flatness
from tests.bench.ingest import measure_ingest
from tests.bench.latency import Screen, measure_latency
from tests.bench.memory import measure_memory
from tests.bench.school import School
from tests.bench.stages import measure_stages
from tests.bench.street import Street, run_street

PARTS: Final = ("ingest", "alarms", "latency", "flatness", "memory", "stages", "county")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    readings: int
    singles: int
    backlog: int
    samples: int
    rows: tuple[int, int]
    """Rows in the table, few and many, between which the rate should stay flat."""
    devices: tuple[int, int]
    county: tuple[int, int]
    """Schools, and devices of all of them."""


FULL: Final = Extent(5, 400_000, 8_000, 40_000, 2_000, (1_000_000, 20_000_000), (2_000, 20_000), (500, 200_000))
QUICK: Final = Extent(1, 60_000, 600, 3_000, 60, (100_000, 200_000), (50, 100), (20, 2_000))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of the whole; its figures mean little"
    )
    options = parser.parse_args(arguments)
    figures = measure(set(options.only or PARTS), QUICK if options.quick else FULL)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(parts: set[str], extent: Extent) -> dict[str, Any]:
    """All figures of one run."""
    figures: dict[str, Any] = {"load_before": os.getloadavg()[0], "took_s": {}}
    if parts & {"ingest", "alarms", "latency"}:
        with run_street(School()) as street:
            figures["machine"] = machine(street.dsn)
            measure_street(street, parts, extent, figures)
    if "flatness" in parts:
        with timed(figures, "flatness"), run_street(School()) as street:
            flat = measure_flatness(street, *extent.rows, extent.readings, extent.rounds)
        figures.setdefault("ingest", {})["flatness"] = flat.pop("flatness")
        figures["table"] = flat
    if "memory" in parts:
        with timed(figures, "memory"):
            figures["memory_mb"] = {str(devices): measure_memory(devices) for devices in extent.devices}
    if "stages" in parts:
        with timed(figures, "stages"):
            figures["stages"] = measure_stages(extent.readings, extent.backlog)
    if "county" in parts:
        with timed(figures, "county"):
            figures |= measure_county(*extent.county, extent.rounds)
    return figures


def measure_street(street: Street, parts: set[str], extent: Extent, figures: dict[str, Any]) -> None:
    screen = Screen(street.log_in())
    # The loads of the latencies are shares of what this run can take.
    rounds = extent.rounds if "ingest" in parts else 1
    if parts & {"ingest", "latency"}:
        with timed(figures, "ingest"):
            figures["ingest"] = measure_ingest(street, extent.readings, rounds)
    if "latency" in parts:
        full = figures["ingest"]["readings_per_s"]
        with timed(figures, "latency"):
            figures["alarm_latency"] = {
                name: measure_latency(street, screen, extent.samples, full * share // 100, name)
                for name, share in (("idle", 0), ("load50", 50), ("load90", 90))
            }
    if "alarms" in parts:
        with timed(figures, "alarms"):
            figures["alarms"] = measure_alarms(street, extent.singles, extent.backlog, extent.rounds)


@contextmanager
def timed(figures: dict[str, Any], part: str) -> Iterator[None]:
    """Note how long a part took, in whole seconds."""
    begun = time.monotonic()
    yield
    figures["took_s"][part] = round(time.monotonic() - begun)


def machine(dsn: str) -> str:
    """What it was measured on."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT split_part(version(), ' on ', 1)").fetchone()
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{cores}, Python {platform.python_version()}, {row[0] if row else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
