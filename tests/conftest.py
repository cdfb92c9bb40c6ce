"""The services that tests run against: real ones, each on its own port of the loopback and in its own folder.

`postgres`, `database`, `broker` are the embedded ones and always there. `timescale`, `mosquitto`, `chromium`
are what `make services` sets up; without it their tests are left out and named at the end. `any_database` and
`any_broker` run a test once on each: one suite, every implementation; `every_broker` adds nats-server.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Protocol

import psycopg
import pytest
from psycopg import sql

from hub.store.migration import migrate
from sanfang.embedded.broker import EmbeddedBroker
from sanfang.embedded.postgres import EmbeddedPostgres, usable_home
from sanfang.ports import LOOPBACK
from sanfang.supervisor import Child, Service
from tests.ports import reserve_port
from tests.services import chromium as chromium_service
from tests.services import mosquitto as mosquitto_service
from tests.services import nats as nats_service
from tests.services import timescale as timescale_service

TEMPLATE = "sanfang_template"
LEFT_OUT_FILE = "SANFANG_LEFT_OUT_FILE"
"""Environment variable: where the parts of `make test` gather what each of them left out."""
_numbers = itertools.count(1)


class Server(Protocol):
    """A database server of a test run."""

    def dsn(self, dbname: str = ...) -> str: ...


class RunningPostgres:
    """A started embedded PostgreSQL; `kill` and `start` are for tests of crashes."""

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server = server
        self.port = server.port
        server.prepare()
        self.child = Child(server.service(), folder, folder)
        self.child.start()

    def dsn(self, dbname: str = "postgres") -> str:
        return self.server.dsn(dbname)

    @property
    def pid(self) -> int | None:
        return self.child.pid

    def kill(self) -> None:
        self.child.kill()

    def start(self) -> None:
        self.child.start()

    def stop(self) -> None:
        self.child.stop()


class RunningBroker:
    """A started MQTT broker on `host`:`port`; it keeps its port over `kill` and `start`."""

    def __init__(self, service: Service, port: int, folder: Path) -> None:
        self.host = LOOPBACK
        self.port = port
        self.child = Child(service, folder, folder)
        self.child.start()

    @property
    def pid(self) -> int | None:
        return self.child.pid

    def kill(self) -> None:
        self.child.kill()

    def start(self) -> None:
        self.child.start()

    def stop(self) -> None:
        self.child.stop()


def open_folder() -> Path:
    """A temporary folder that PostgreSQL's unprivileged account can enter (pytest's own is for root only)."""
    folder = Path(tempfile.mkdtemp(prefix="sanfang-test-"))
    folder.chmod(0o755)
    return usable_home(folder)


def run_sql(dsn: str, statement: sql.Composed) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def new_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """One embedded PostgreSQL for the run. No fsync: kill -9 of it loses nothing all the same, and tests are
    not about power cuts."""
    folder = open_folder()
    server = RunningPostgres(EmbeddedPostgres(folder, reserve_port(), fsync=False), folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(postgres: RunningPostgres) -> str:
    """The name of a migrated, empty database to copy from."""
    postgres.server.ensure_database(TEMPLATE)
    migrate(postgres.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database(postgres: RunningPostgres, template: str) -> Iterator[str]:
    """The connection URL of a fresh, migrated database on the embedded server."""
    name = new_name()
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    run_sql(postgres.dsn(), copy)
    yield postgres.dsn(name)
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def own_postgres() -> Iterator[RunningPostgres]:
    """An embedded PostgreSQL of the test's own, to kill."""
    folder = open_folder()
    server = RunningPostgres(EmbeddedPostgres(folder, reserve_port()), folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """A fresh embedded broker."""
    embedded = EmbeddedBroker(reserve_port(), tmp_path / "broker")
    running = RunningBroker(embedded.service(), embedded.port, embedded.directory)
    try:
        yield running
    finally:
        running.stop()


class RunningTimescale:
    """A started TimescaleDB of the test run."""

    def __init__(self, server: timescale_service.TimescaleServer, folder: Path) -> None:
        self.server = server
        self.port = server.port
        server.prepare()
        self.child = Child(server.service(), folder, folder)
        self.child.start()

    def dsn(self, dbname: str = "postgres") -> str:
        return self.server.dsn(dbname)

    def stop(self) -> None:
        self.child.stop()
        self.server.remove()


def leave_out(service: str) -> NoReturn:
    """Skip for want of a service; in CI (SANFANG_REQUIRE_SERVICES) that is a failure."""
    if os.environ.get("SANFANG_REQUIRE_SERVICES"):
        pytest.fail(f"{service} is required here and is not set up: run `make services`")
    pytest.skip(f"left out: {service} is not set up (make services)")


@pytest.fixture(scope="session")
def timescale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTimescale]:
    """One real TimescaleDB server for the run; mark tests that use it `services`."""
    if not timescale_service.is_set_up() or os.geteuid() != 0:
        leave_out("TimescaleDB")
    server = timescale_service.TimescaleServer(new_name(), reserve_port())
    running = RunningTimescale(server, tmp_path_factory.mktemp("timescale"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[RunningBroker]:
    """A fresh real Mosquitto; mark tests that use it `services`."""
    if mosquitto_service.find_mosquitto() is None:
        leave_out("Mosquitto")
    server = mosquitto_service.MosquittoServer(reserve_port(), tmp_path / "mosquitto")
    running = RunningBroker(server.service(), server.port, server.directory)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a headless-capable Chromium; mark tests that use it `e2e`."""
    path = chromium_service.find_chromium()
    if path is None:
        leave_out("Chromium")
    return path


@pytest.fixture(params=["embedded", pytest.param("timescale", marks=pytest.mark.services)])
def any_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, migrated database, once on the embedded PostgreSQL and once on the real TimescaleDB."""
    if request.param == "embedded":
        yield request.getfixturevalue("database")
        return
    server: Server = request.getfixturevalue("timescale")
    name = new_name()
    run_sql(server.dsn(), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(server.dsn(name))
    yield server.dsn(name)
    run_sql(server.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.services)])
def any_broker(request: pytest.FixtureRequest) -> RunningBroker:
    """A fresh broker, once the embedded one and once a real Mosquitto."""
    running: RunningBroker = request.getfixturevalue("broker" if request.param == "embedded" else "mosquitto")
    return running


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[RunningBroker]:
    """A fresh real nats-server with MQTT."""
    if nats_service.find_nats() is None:
        leave_out("nats-server")
    server = nats_service.NatsServer(reserve_port(), reserve_port(), tmp_path / "nats")
    running = RunningBroker(server.service(), server.port, server.directory)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.services), "nats"])
def every_broker(request: pytest.FixtureRequest) -> RunningBroker:
    """A fresh broker of each kind that is supported between edge and hub."""
    name = {"embedded": "broker"}.get(request.param, request.param)
    running: RunningBroker = request.getfixturevalue(name)
    return running


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    return reserve_port()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What drives a browser, and what measures or kills whole programs, has the machine to itself."""
    for item in items:
        if item.get_closest_marker("e2e") is not None:
            item.add_marker("alone")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every suite that was left out, and how to have it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    words = [reason.removeprefix("Skipped: ") for reason in reasons]
    left_out = Counter(word.removeprefix("left out: ") for word in words if word.startswith("left out: "))
    if left_out:
        lines = [f"{count:4} tests {reason}" for reason, count in sorted(left_out.items())]
        terminalreporter.section("suites left out")
        for line in lines:
            terminalreporter.line(line)
        if LEFT_OUT_FILE in os.environ:
            with Path(os.environ[LEFT_OUT_FILE]).open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
