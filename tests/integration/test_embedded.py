"""The embedded services come up, keep what they promised to keep over kill -9, and stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from sanfang.ports import accepts
from tests.conftest import RunningBroker, RunningPostgres, open_folder
from tests.waiting import wait_until


def test_a_database_is_fresh_and_migrated(any_database: str, request: pytest.FixtureRequest) -> None:
    with psycopg.connect(any_database) as connection:
        assert connection.execute("SELECT count(*) FROM site").fetchone() == (0,)
        query = "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"
        real = request.node.callspec.params["any_database"] == "timescale"
        assert connection.execute(query).fetchone() == (int(real),)


def test_postgres_comes_back_after_kill_with_what_was_committed(own_postgres: RunningPostgres) -> None:
    with psycopg.connect(own_postgres.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 500) AS n")
    own_postgres.kill()
    own_postgres.start()
    with psycopg.connect(own_postgres.dsn()) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (500,)


def test_an_interrupt_in_the_terminal_does_not_break_the_making_of_a_database() -> None:
    folder = open_folder()
    script = (
        "import signal, sys; from pathlib import Path; from sanfang.embedded.postgres import EmbeddedPostgres;"
        "signal.signal(signal.SIGINT, lambda *_: None);"
        "EmbeddedPostgres(Path(sys.argv[1]), 1, fsync=False).prepare()"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], start_new_session=True)
    try:
        wait_until(lambda: any((folder / "postgres.partial").glob("*")), why="initdb has begun", poll_s=0.005)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        assert process.wait(30) == 0
        assert (folder / "postgres" / "PG_VERSION").exists()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def test_postgres_never_runs_as_root(own_postgres: RunningPostgres) -> None:
    status = Path(f"/proc/{own_postgres.pid}/status").read_text(encoding="ascii")
    assert "\nUid:\t0\t" not in status or os.geteuid() != 0


def test_the_broker_keeps_its_port_over_a_kill(any_broker: RunningBroker) -> None:
    broker = any_broker
    first = broker.pid
    broker.kill()
    wait_until(lambda: not accepts(broker.port), why="the killed broker's port closed")
    broker.start()
    assert accepts(broker.port)
    assert broker.pid != first
