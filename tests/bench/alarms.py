"""Events of the alarm lane a second: one a message against the bare client, and a backlog in batches.

The frames are made and signed beforehand; what is measured is broker, hub and database: verified, judged,
dispatched, committed, receipted.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from adapters.contract.topic import Sender, lane_topic
from adapters.contract.vocabulary import Lane
from tests.bench.figures import ratio, spread
from tests.bench.frames import MIX, RECORDS, REPEATS
from tests.bench.street import Street

BATCH: Final = 500
"""Events in a message of a backlog."""
WINDOW: Final = 8
"""Messages of a backlog without a receipt, as an edge's window has it."""
SINGLE_WINDOW: Final = 256
"""Live alarms without a receipt, as an edge's window has it."""
_NOBODY: Final = "bench-nobody"
"""A site that no hub holds: what goes there only the bare client hears."""


def measure_alarms(street: Street, single: int, backlog: int, rounds: int) -> dict[str, Any]:
    """All figures of the alarm lane; `single` and `backlog`: events in a round."""
    alone: dict[str, list[float]] = {RECORDS: [], REPEATS: []}
    batched: dict[str, list[float]] = {MIX: [], RECORDS: [], REPEATS: []}
    bare: list[float] = []
    for what in (RECORDS, REPEATS, MIX):
        send_rate(street, what, 2_000, BATCH, WINDOW)  # series, alarms and caches are warm
    for _ in range(rounds):
        for what, rates in alone.items():
            rates.append(send_rate(street, what, single, 1, SINGLE_WINDOW))
        bare.append(bare_rate(street, single))
        for what, rates in batched.items():
            rates.append(send_rate(street, what, backlog, BATCH, WINDOW, late=True))
    return {
        "singles": single,
        "backlog": backlog,
        "single_per_s": round(spread(alone[RECORDS])["median"]),
        "single_occurrences_per_s": round(spread(alone[REPEATS])["median"]),
        "client_per_s": round(spread(bare)["median"]),
        "ratio_to_client": ratio(alone[RECORDS], bare),
        "ratio_occurrences_to_client": ratio(alone[REPEATS], bare),
        "events_per_s": round(spread(batched[MIX])["median"]),
        "records_per_s": round(spread(batched[RECORDS])["median"]),
        "occurrences_per_s": round(spread(batched[REPEATS])["median"]),
        "spread": {
            "client": spread(bare, 0),
            **{f"single_{what}": spread(rates, 0) for what, rates in alone.items()},
            **{f"backlog_{what}": spread(rates, 0) for what, rates in batched.items()},
        },
    }


def send_rate(street: Street, what: str, count: int, batch: int, window: int, *, late: bool = False) -> float:
    """Events a second from the first frame to the receipt of the last; every one must be a row."""
    epoch = secrets.randbits(62) + 1
    order = {**_order(street, what, count, batch), "epoch": epoch, "window": window, "late": late}
    with _ask("tests.bench.frames", order) as process:
        _tell(process, "go")
        took_s = float(_hear(process)["took_s"])
    with psycopg.connect(street.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM events WHERE epoch = %s", (epoch,)).fetchone()
    if row is None or row[0] != count:
        raise RuntimeError(f"{count} events sent, {row[0] if row else 0} stored")
    return count / took_s


def bare_rate(street: Street, count: int) -> float:
    """Messages a second that the hub's client receives when nothing is done with them."""
    receiving = {"count": count, "port": street.broker_port, "site": _NOBODY}
    topic = lane_topic(Sender(_NOBODY, street.frames.edge), Lane.ALARM)
    order = {**_order(street, RECORDS, count, 1), "epoch": 1, "window": 0, "late": False, "topic": topic}
    with _ask("tests.bench.receiver", receiving) as receiver, _ask("tests.bench.frames", order) as sender:
        _tell(sender, "go")
        heard = _hear(receiver)
        _hear(sender)
    return float(heard["count"]) / float(heard["took_s"])


def _order(street: Street, what: str, count: int, batch: int) -> dict[str, Any]:
    return {
        "site": street.frames.site,
        "edge": street.frames.edge,
        "root_secret": street.frames.root_secret.get_secret_value().hex(),
        "key_number": street.frames.key_number,
        "port": street.broker_port,
        "what": what,
        "count": count,
        "batch": batch,
    }


@contextmanager
def _ask(module: str, order: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A process that has prepared what it was ordered to do."""
    process = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        _tell(process, json.dumps(order))
        _hear(process)
        yield process
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is None:
        raise AssertionError("started with a pipe")
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    if process.stdout is None:
        raise AssertionError("started with a pipe")
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the benchmark ended without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer
