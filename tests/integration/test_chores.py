"""The chores: what time asks for, done by one process, seen to be alive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.contract.vocabulary import Lane
from hub.domain.chain import Seal
from hub.domain.retention import DEFAULT
from hub.jobs import partitioning
from hub.jobs.chore import Chore
from hub.jobs.deadline import deadline_chore
from hub.jobs.retention import Retention, first_kept, retention_chore
from hub.jobs.runner import ROLE, Runner
from hub.store.database import Connection, connect, hold_role
from hub.store.liveness import load_liveness
from hub.store.migration import layout_of, migrate
from hub.store.partition import open_range
from tests.conftest import RunningPostgres
from tests.faults.proxy import standing_before
from tests.intake_scene import SITE, count, event, furnish, items_frame, pack_event
from tests.intake_worker import shipped_book
from tests.integration.test_intake import Hub
from tests.waiting import wait_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    furnish(any_database)
    opened = connect(any_database, application="test")
    yield opened
    opened.close()


def unsigned(site: str, seq: int, row_hash: bytes, at: datetime) -> Seal:
    return Seal(site, seq, at, row_hash)


@contextmanager
def running(runner: Runner) -> Iterator[Runner]:
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join(10)
        assert not thread.is_alive()


def partitions(connection: Connection, table: str) -> list[str]:
    query = (
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = %s ORDER BY 1"
    )
    return [row[0] for row in connection.execute(query, (table,))]


def test_the_first_day_kept_is_counted_from_utc_midnight() -> None:
    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    assert first_kept(DEFAULT, "readings", now) == date(2026, 1, 30)
    assert first_kept({"events": None}, "events", now) is None


def test_partitions_are_made_ahead_and_old_ones_dropped(connection: Connection) -> None:
    later = datetime.now(UTC) + timedelta(days=60)
    series = (SITE, 1, 1.0, 0)
    made = partitioning.make_ahead(connection, [SITE], later)
    for at in (datetime.now(UTC), later):
        connection.execute(
            "INSERT INTO readings (site, series, observed_at, recorded_at, value, quality)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (*series[:2], at, at, *series[2:]),
        )
    if layout_of(connection) == "native":
        begin, end = open_range(later)
        assert made == 2 * (end - begin).days
        assert partitioning.make_ahead(connection, [SITE], later) == 0
    before = partitions(connection, "events")
    # None of it is in the roll-ups yet, so nothing of it goes.
    assert Retention(unsigned).work(connection, [SITE], later) < 20
    assert count(connection, "SELECT count(*) FROM readings") == 2
    connection.execute("INSERT INTO rollup_mark (site, recorded_at) VALUES (%s, %s)", (SITE, later))
    assert Retention(unsigned).work(connection, [SITE], later) > 0
    assert count(connection, "SELECT count(*) FROM readings") == 1
    assert partitions(connection, "events") == before
    assert Retention(unsigned).work(connection, [SITE], later) == 0


def test_an_alarm_that_nobody_takes_is_escalated(database: str) -> None:
    furnish(database)
    hub = Hub(database)
    try:
        hub.take(items_frame(Lane.ALARM, 1, [pack_event(event("panic.pressed", "gate-button"))]))
        chore = deadline_chore(shipped_book())
        assert chore.work(hub.connection, [SITE], datetime.now(UTC)) == 0
        assert chore.work(hub.connection, [SITE], datetime.now(UTC) + timedelta(seconds=31)) >= 1
    finally:
        hub.connection.close()


def test_one_process_does_the_chores_and_says_so(connection: Connection, any_database: str) -> None:
    runner = Runner(
        any_database, (deadline_chore(shipped_book()), partitioning.CHORE, retention_chore(unsigned))
    )
    with running(runner):
        wait_until(lambda: load_liveness(connection, ROLE))
        assert hold_role(connection, ROLE) is False
        with running(Runner(any_database, ())):
            first = load_liveness(connection, ROLE)
            later = wait_until(
                lambda: (row := load_liveness(connection, ROLE)) and first and row["at"] > first["at"] and row
            )
            assert later["started_at"] == (first or {})["started_at"]
    wait_until(lambda: hold_role(connection, ROLE), why="the role is free again")


def test_chores_whose_line_swallowed_their_end_get_their_role_back(
    connection: Connection, any_database: str
) -> None:
    """What the server holds for a line that is dead must not keep the escalations from going on."""

    def beat() -> datetime | None:
        row = load_liveness(connection, ROLE)
        return row["at"] if row else None

    port = int(str(conninfo_to_dict(any_database)["port"]))
    with standing_before(port) as (proxy,), running(Runner(make_conninfo(any_database, port=proxy.port), ())):
        wait_until(beat, why="the chores run")
        proxy.swallow()
        wait_until(lambda: proxy.accepted > 1, 15, "the runner gave the line up")
        proxy.heal()
        last = beat()
        assert last is not None
        wait_until(lambda: (at := beat()) is not None and at > last, 15, "the chores run again")


def test_a_chore_that_fails_stops_no_other(database: str) -> None:
    furnish(database)
    connection = connect(database, application="test")

    def fail(_connection: Connection, _sites: list[str], _now: datetime) -> int:
        raise ZeroDivisionError

    def wait(connection: Connection, _sites: list[str], _now: datetime) -> int:
        connection.execute("SET statement_timeout = 50")
        connection.execute("SELECT pg_sleep(5)")
        return 1

    done: list[str] = []

    def work(_connection: Connection, sites: list[str], _now: datetime) -> int:
        done.extend(sites)
        return 1

    runner = Runner(database, (Chore("bad", 1, fail), Chore("slow", 1, wait), Chore("good", 1, work)))
    runner.step(connection, NOW, 100.0)
    assert done == [SITE]
    assert runner.failed == {"bad": 1, "slow": 1}
    runner.step(connection, NOW, 100.5)
    assert done == [SITE]
    runner.step(connection, NOW, 101.0)
    assert done == [SITE, SITE]
    connection.close()


def test_the_chores_wait_for_a_database_that_is_away(own_postgres: RunningPostgres) -> None:
    own_postgres.server.ensure_database("school")
    dsn = own_postgres.dsn("school")
    migrate(dsn)
    furnish(dsn)
    with running(Runner(dsn, ())) as runner:
        look = connect(dsn, application="test")
        first = wait_until(lambda: load_liveness(look, ROLE))
        look.close()
        own_postgres.kill()
        own_postgres.start()
        look = connect(dsn, application="test")
        wait_until(lambda: (row := load_liveness(look, ROLE)) and row["at"] > first["at"], 20)
        look.close()
        assert runner.failed == {}
