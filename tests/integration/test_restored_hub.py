"""A hub restored from an older backup ends well: no missing alarm, none twice, no false quiet.

Real worker, real edge, real broker; the backup is taken while both go on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from pydantic import SecretBytes

from adapters.base import Observation
from adapters.contract.message import Event
from adapters.registry import load_drivers
from edge.app import Edge
from edge.clock import SystemClock
from edge.configuration import BrokerAddress, EdgeConfiguration, Identity
from hub.intake.worker import Worker
from hub.store.backup import back_up, restore
from hub.store.database import Connection, connect
from tests.conftest import RunningBroker, RunningPostgres, new_name, run_sql
from tests.intake_scene import EDGE, ROOT_SECRET, SITE, count, event, furnish
from tests.intake_worker import make_worker
from tests.waiting import wait_until

DEADLINE_S = 30


@contextmanager
def working(dsn: str, broker: RunningBroker) -> Iterator[Worker]:
    worker = make_worker(dsn, broker.host, broker.port)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(15)
        assert not thread.is_alive()


class RunningEdge:
    """An edge in a thread of its own, which hears what a test tells it."""

    def __init__(self, broker: RunningBroker, folder: Path) -> None:
        self._configuration = EdgeConfiguration(data_dir=folder / "edge", run_dir=folder / "edge")
        (folder / "edge").mkdir()
        self._identity = Identity(
            site=SITE,
            edge=EDGE,
            root_secret=SecretBytes(ROOT_SECRET),
            key_number=1,
            broker=BrokerAddress(host=broker.host, port=broker.port),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.edge = self._do(self._start())

    async def _start(self) -> Edge:
        edge = Edge(self._configuration, self._identity, load_drivers(), SystemClock())
        await edge.start()
        return edge

    def hears(self, *events: Event) -> None:
        self._do(self.edge.reception.take(Observation(events, ())))

    def stop(self) -> None:
        self._do(self.edge.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def edge(broker: RunningBroker, tmp_path: Path) -> Iterator[RunningEdge]:
    running = RunningEdge(broker, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def empty(postgres: RunningPostgres) -> Iterator[str]:
    name = new_name()
    run_sql(postgres.dsn(), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres.dsn(name)
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def alarms(connection: Connection) -> dict[tuple[str, str], tuple[bool | None, int]]:
    """(device, kind) -> (active, occurrences) of the open alarms; fails where one is there twice."""
    rows = connection.execute("SELECT subject, kind, active, occurrences FROM alarm WHERE state <> 'closed'")
    found = {}
    for subject, kind, active, occurrences in rows:
        key = (subject.partition(":")[0] if not subject.startswith("edge:") else "edge", kind)
        assert key not in found
        found[key] = (active, occurrences)
    return found


def until(dsn: str, holds: Callable[[Connection], object], why: str) -> None:
    with connect(dsn, application="test") as connection:
        wait_until(lambda: holds(connection), DEADLINE_S, why)


LEAK, FAULT, TAMPER = ("water.leak", "lab-air"), ("fire.fault", "lab-smoke"), ("device.tamper", "gate-door")


def test_an_older_backup_is_restored_and_everything_ends_well(
    any_database: str, empty: str, broker: RunningBroker, edge: RunningEdge, tmp_path: Path
) -> None:
    furnish(any_database)
    file = tmp_path / "older.tar"
    with working(any_database, broker):
        edge.hears(event(*LEAK, active=True), event(*FAULT, active=True), event(*TAMPER, active=False))
        until(any_database, lambda c: len(alarms(c)) >= 2, "both alarms are raised")
        with connect(any_database, application="test") as connection:
            connection.execute(
                "INSERT INTO command (site, command, device, kind, precedence, state, source, requested_at,"
                " expires_at) VALUES (%s, 'old', 'gate-door', 'door.release', 5, 'requested', 'x', %s, %s)",
                (SITE, datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) - timedelta(minutes=59)),
            )
        back_up(any_database, file, at=datetime.now(UTC), software="test")
        # What this database learns from here on, the restored one does not know.
        edge.hears(event(*FAULT, active=False))
        edge.hears(event(*TAMPER, active=True))
        edge.hears(event("panic.pressed", "gate-button"))
        until(any_database, lambda c: ("gate-button", "panic.pressed") in alarms(c), "the press is stored")
        until(
            any_database,
            lambda c: count(c, "SELECT count(*) FROM condition WHERE kind = 'device.tamper' AND active") == 1,
            "the tamper is stored",
        )
        with connect(any_database, application="test") as connection:
            before = alarms(connection)
    assert before["lab-smoke", "fire.fault"][0] is False or ("lab-smoke", "fire.fault") not in before
    restore(empty, file, at=datetime.now(UTC), actor="system:restore")
    with connect(empty, application="test") as connection:
        # That is the false picture: a fault that is over, and a tamper that nobody sees.
        assert alarms(connection)["lab-smoke", "fire.fault"] == (True, 1)
        assert ("gate-door", "device.tamper") not in alarms(connection)
    with working(empty, broker):
        until(empty, lambda c: ("gate-door", "device.tamper") in alarms(c), "the tamper is told anew")
        until(
            empty,
            lambda c: count(c, "SELECT count(*) FROM condition WHERE kind = 'fire.fault' AND NOT active") == 1,
            "the fault's end is told anew",
        )
        until(empty, lambda c: ("edge", "lane.gap") in alarms(c), "what cannot come is an alarm")
        edge.hears(event(*LEAK, active=False))
        until(
            empty,
            lambda c: count(c, "SELECT count(*) FROM condition WHERE kind = 'water.leak' AND NOT active") == 1,
            "the street goes on",
        )
    with connect(empty, application="test") as connection:
        after = alarms(connection)
        assert after.get(("lab-smoke", "fire.fault"), (False, 1)) == (False, 1)
        assert after["gate-door", "device.tamper"] == (True, 1)
        assert after.get(("lab-air", "water.leak"), (False, 1)) == (False, 1)
        retold = connection.execute(
            "SELECT device, kind FROM events WHERE attributes ->> 'retold' = 'true'"
            " AND device NOT LIKE 'edge:%'"
        ).fetchall()
        assert sorted(retold) == [("gate-door", "device.tamper"), ("lab-smoke", "fire.fault")]
        assert connection.execute("SELECT state FROM command").fetchone() == ("requested",)
        assert count(connection, "SELECT count(*) FROM journal WHERE kind = 'store.restored'") == 1
