"""Memory of hub and edges when every device has reported: proportional set size, shared pages counted once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.bench.feeder import BATCH
from tests.bench.ingest import committed_items
from tests.bench.latency import Screen
from tests.bench.school import PLAIN, POINTS, School
from tests.bench.street import run_street
from tests.waiting import wait_until

SETTLE_S: Final = 3.0


def measure_memory(devices: int) -> dict[str, Any]:
    """MB of each process of a school with so many devices, four points each, with one screen open."""
    school = School(bodies=("ordinary",), reporters=devices, buttons=0, doors=1)
    with run_street(school) as street, psycopg.connect(street.dsn, autocommit=True) as connection:
        screen = Screen(street.log_in())
        items = 0
        for name, edge in zip(school.edges, street.edges, strict=True):
            readings = len(school.series(name)[PLAIN])
            edge.ask(f"burst {readings} {PLAIN}")
            items += -(-readings // BATCH)
        wait_until(lambda: committed_items(connection) >= items, 300.0, "every point has reported", 0.1)
        time.sleep(SETTLE_S)
        edges = [memory_mb(edge.process.pid) for edge in street.edges]
        hub = {name: round(memory_mb(pid), 1) for name, pid in street.pids.items() if name != "edge"}
        screen.forget()
    return {
        "series": devices * len(POINTS[PLAIN]),
        "edges": len(edges),
        **hub,
        "edge_each": round(max(edges), 1),
        "edges_together": round(sum(edges), 1),
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
