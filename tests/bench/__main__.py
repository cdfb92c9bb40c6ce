"""`make bench`: latency, throughput and memory of the street on this machine, as a table and as JSON.

Everything runs on the loopback of one machine: embedded PostgreSQL with fsync, embedded broker, the hub's
three processes, one edge. Ratios are against a baseline measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import psycopg

from tests.bench.ingest import measure_ingest
from tests.bench.latency import Screen, measure_latency
from tests.bench.street import Street, run_street


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--samples", type=int, default=2_000, help="presses for each latency")
    parser.add_argument("--readings", type=int, default=1_000_000, help="readings for the throughput")
    options = parser.parse_args(arguments)
    with run_street() as street:
        figures = measure(street, options.samples, options.readings)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(street: Street, samples: int, readings: int) -> dict[str, object]:
    """All figures of one run."""
    client = street.log_in()
    screen = Screen(client)
    ingest = measure_ingest(street, readings)
    idle = measure_latency(street, screen, samples, "idle")
    load = int(ingest.readings_per_s / 2)
    street.edge.ask(f"rate {load}")
    loaded = measure_latency(street, screen, samples, "load50")
    street.edge.ask("rate 0")
    return {
        "machine": (
            f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()},"
            f" {server(street.dsn)}"
        ),
        "ingest": {
            "readings": ingest.readings,
            "readings_per_s": round(ingest.readings_per_s),
            "copy_raw_per_s": round(ingest.raw_per_s),
            "copy_rows_per_s": round(ingest.rows_per_s),
            "ratio_to_copy": round(ingest.readings_per_s / ingest.raw_per_s, 3),
            "ratio_to_copy_rows": round(ingest.readings_per_s / ingest.rows_per_s, 3),
        },
        "alarm_latency": {
            "idle": asdict(idle),
            "load50": {**asdict(loaded), "load_readings_per_s": load},
        },
        "memory_mb": {name: round(memory_mb(pid), 1) for name, pid in street.pids.items()},
    }


def memory_mb(pid: int) -> float:
    """Proportional memory of a process and its children, in MB (shared pages count once over all)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )
    return own / 1024 + sum(memory_mb(int(child)) for child in children)


def server(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT split_part(version(), ' on ', 1)").fetchone()
    return str(row[0]) if row else ""


def table(figures: dict[str, object]) -> str:
    """The figures, a line each."""
    lines = []

    def walk(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else key, inner)
        else:
            lines.append(f"{name:42} {value}")

    walk("", figures)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
