"""Where the worker's time goes: its own stack, sampled every 2 ms in a run of its own, by stage.

Wall time of the worker's thread while it has something to do; "waits" means that the database is at work. The
samples are taken by `sampling/sitecustomize.py` inside the process, so the rates of such a run are not used.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.bench.alarms import BATCH, WINDOW, send_rate
from tests.bench.frames import MIX
from tests.bench.ingest import WARM_UP, append
from tests.bench.school import PLAIN, WATCHED, School
from tests.bench.street import run_street
from tests.waiting import wait_until

_IDLE: Final = "hub/intake/inbox:wait"
_STAGES: Final = (
    ("hub/store/reading:copy_readings", "COPY readings"),
    ("hub/store/reading:binary_rows", "COPY readings"),
    ("hub/store/reading:", "latest values"),
    ("hub/store/event:", "COPY events"),
    ("hub/store/journal:", "journal"),
    ("hub/store/alarm:", "alarms and evidence"),
    ("hub/store/hazard:", "hazards"),
    ("hub/store/column:", "rows to bytes"),
    ("hub/store/", "other statements"),
    ("hub/intake/clerk:", "begin and commit"),
    ("adapters/contract/", "frames, MACs, decoding"),
    ("hub/intake/gate:", "frames, MACs, decoding"),
    ("hub/intake/run:", "frames, MACs, decoding"),
    ("hub/intake/unpack:", "items to rows"),
    ("hub/intake/series:", "items to rows"),
    ("hub/intake/clock:", "items to rows"),
    ("hub/domain/moment:", "items to rows"),
    ("hub/rules/", "rules"),
    ("hub/alarms/", "desks and dispatch"),
    ("hub/hazards/", "desks and dispatch"),
    ("hub/incidents/", "desks and dispatch"),
    ("hub/dispatch/", "desks and dispatch"),
)
"""By the beginning of a sample's name; the first that fits."""


def measure_stages(readings: int, events: int) -> dict[str, Any]:
    """The share of each stage for readings no rule concerns, for readings with a predicate, for a backlog."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples.json"
        found: dict[str, Any] = {}
        with (
            run_street(School(), samples_to=file) as street,
            psycopg.connect(street.dsn, autocommit=True) as base,
        ):
            for group in (PLAIN, WATCHED):
                append(street, base, WARM_UP, group)
                before = _read(file)
                append(street, base, readings, group)
                found[f"readings_{group}"] = shares(_read(file), before)
            send_rate(street, MIX, 2_000, BATCH, WINDOW)
            before = _read(file)
            send_rate(street, MIX, events, BATCH, WINDOW, late=True)
            found["backlog"] = shares(_read(file), before)
    return found


def shares(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, float]:
    """The share of each stage of the samples between the two readings, idle ones left out; largest first."""
    counted: Counter[str] = Counter()
    for name, count in after.items():
        if not name.startswith(_IDLE):
            counted[stage_of(name)] += count - before.get(name, 0)
    total = max(1, counted.total())
    return {stage: round(count / total, 3) for stage, count in counted.most_common() if count}


def stage_of(sample: str) -> str:
    """`hub/store/event:copy_events (database)` belongs to a stage."""
    return next((stage for head, stage in _STAGES if sample.startswith(head)), "everything else")


def _read(file: Path) -> dict[str, int]:
    """The counts, at least one writing later than now."""
    seen = time.time()
    wait_until(lambda: file.exists() and file.stat().st_mtime > seen, 20.0, "the worker writes its samples")
    counts: dict[str, int] = json.loads(file.read_text())
    return counts
