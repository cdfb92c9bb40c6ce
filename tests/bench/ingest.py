"""Readings a second, durably stored from the edge's spool to the hub's commit and receipt, against binary COPY.

In each round the groups and the baseline take turns, so that what else the machine does hits all of them.
"""

from __future__ import annotations

import time
from typing import Any, Final

import psycopg

from tests.bench.baseline import copy_rate
from tests.bench.figures import ratio, spread
from tests.bench.school import DEMO, PLAIN, WATCHED
from tests.bench.street import Street
from tests.waiting import wait_until

WARM_UP: Final = 100_000
_NAMES: Final = {PLAIN: "ratio_to_copy", DEMO: "ratio_demo_rules", WATCHED: "ratio_one_predicate"}


def measure_ingest(street: Street, readings: int, rounds: int) -> dict[str, Any]:
    """Rates of every group and of the baseline, and the middle of their ratios."""
    rates: dict[str, list[float]] = {group: [] for group in _NAMES}
    raw: list[float] = []
    with psycopg.connect(street.dsn, autocommit=True) as connection:
        for group in _NAMES:  # the first rows make series and warm the caches
            append(street, connection, WARM_UP, group)
        for _ in range(rounds):
            for group in _NAMES:
                rates[group].append(ingest_rate(street, connection, readings, group))
            raw.append(copy_rate(connection, readings))
    return {
        "readings": readings,
        "readings_per_s": round(spread(rates[PLAIN])["median"]),
        "copy_per_s": round(spread(raw)["median"]),
        **{name: ratio(rates[group], raw) for group, name in _NAMES.items()},
        "spread": {group: spread(found, 0) for group, found in [*rates.items(), ("copy", raw)]},
    }


def ingest_rate(street: Street, connection: psycopg.Connection, readings: int, group: str) -> float:
    """Readings a second: from the first append to the commit of the last one. Every row is counted."""
    rows_before = _count(connection)
    begun = time.monotonic()
    appended = append(street, connection, readings, group)
    took = time.monotonic() - begun
    stored = _count(connection) - rows_before
    if stored != appended:
        raise RuntimeError(f"{appended} readings appended, {stored} rows stored")
    return appended / took


def append(street: Street, connection: psycopg.Connection, readings: int, group: str) -> int:
    """Append about so many readings and wait until the hub has committed all that was ever appended."""
    answer = street.edge.ask(f"burst {readings} {group}")
    wait_until(
        lambda: committed_items(connection) >= answer["items"], 600.0, "all readings are committed", 0.01
    )
    return answer["appended"]


def _count(connection: psycopg.Connection) -> int:
    """Rows of the last half hour: the bench's own, whatever was filled in behind them."""
    row = connection.execute(
        "SELECT count(*) FROM readings WHERE observed_at > now() - interval '30 minutes'"
    ).fetchone()
    return int(row[0]) if row else 0


def committed_items(connection: psycopg.Connection) -> int:
    """Items of the telemetry lane that are committed; each is one batch of readings here."""
    row = connection.execute("SELECT coalesce(sum(position), 0) FROM cursor WHERE lane = 2").fetchone()
    return int(row[0]) if row else 0
