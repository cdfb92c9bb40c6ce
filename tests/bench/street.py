"""The whole street for a benchmark: database, broker, hub, an edge that can be fed, a person logged in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2
import psycopg
import yaml

from edge import app as edge_app
from hub import app as hub_app
from sanfang.demo import get_json
from sanfang.embedded.broker import EmbeddedBroker
from sanfang.embedded.postgres import EmbeddedPostgres, usable_home
from sanfang.ports import choose_port
from sanfang.supervisor import Child, Service
from tests.bench.school import CONFIG, EDGE, SITE, write_school
from tests.waiting import wait_until

DATABASE = "bench"
PASSWORD = "correct horse battery staple 7"


class FedEdge:
    """The feeder process and its one-line dialogue."""

    def __init__(self, config: Path, log: IO[bytes]) -> None:
        command = [sys.executable, "-m", "tests.bench.feeder", str(config)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.read()

    def ask(self, order: str) -> dict[str, int]:
        if self.process.stdin is None:
            raise AssertionError("started with a pipe")
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> dict[str, int]:
        if self.process.stdout is None:
            raise AssertionError("started with a pipe")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the feeder ended; see its log")
        answer: dict[str, int] = json.loads(line)
        return answer

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class Street:
    """What a measurement needs to reach."""

    folder: Path
    dsn: str
    broker_port: int
    console: str
    edge: FedEdge
    pids: dict[str, int]

    def log_in(self) -> httpx2.Client:
        """The first account's session."""
        client = httpx2.Client(base_url=self.console, headers={"X-Sanfang": "1"}, timeout=10.0, trust_env=False)
        token = hub_app.setup_token(self.folder / "hub.yaml")
        person = {"token": token, "name": "bench", "display_name": "bench", "password": PASSWORD}
        client.post("/api/v1/setup", json=person).raise_for_status()
        return client


@contextmanager
def run_street() -> Iterator[Street]:
    """Start everything in a temporary folder, stop it backwards."""
    folder = Path(tempfile.mkdtemp(prefix="sanfang-bench-"))
    folder.chmod(0o755)
    children: list[Child] = []
    edge: FedEdge | None = None
    try:
        postgres = EmbeddedPostgres(usable_home(folder), choose_port())
        postgres.prepare()
        children.append(_start(postgres.service(), folder))
        postgres.ensure_database(DATABASE)
        # So that a row can say when it was committed, by the server's clock.
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        children[0].stop()
        children[0].start()
        broker = EmbeddedBroker(choose_port(), folder / "broker")
        children.append(_start(broker.service(), folder))
        http_port = choose_port()
        console = f"http://127.0.0.1:{http_port}"
        _write_configuration(folder, postgres.dsn(DATABASE), broker.port, http_port)
        hub = Service(
            "hub",
            [sys.executable, "-m", "sanfang", "hub", "--config", str(folder / "hub.yaml")],
            ready=lambda: (get_json(f"{console}/readyz") or {}).get("ready") is True,
            start_deadline_s=60.0,
        )
        children.append(_start(hub, folder))
        edge_app.enrol(hub_app.invite(folder / "hub.yaml", SITE, EDGE), folder / "edge.yaml")
        with (folder / "edge.log").open("wb") as log:
            edge = FedEdge(folder / "edge.yaml", log)
        pids = {
            name: int((folder / "run" / f"{name}.pid").read_text())
            for name in ("hub-api", "hub-worker", "hub-chores")
        }
        pids |= {"edge": edge.process.pid, "broker": _pid(children[1]), "postgres": _pid(children[0])}
        street = Street(folder, postgres.dsn(DATABASE), broker.port, console, edge, pids)
        wait_until(lambda: _settings_applied(street.dsn), 30.0, "the edge applied its settings")
        yield street
    finally:
        if edge is not None:
            edge.stop()
        for child in reversed(children):
            child.stop()
        if "SANFANG_BENCH_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


def _start(service: Service, folder: Path) -> Child:
    child = Child(service, folder, folder)
    child.start()
    return child


def _pid(child: Child) -> int:
    if child.pid is None:
        raise AssertionError("a started child has a pid")
    return child.pid


def _settings_applied(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT settings_applied = settings_version AND settings_version > 0 FROM edge"
        ).fetchone()
    return bool(row and row[0])


def _write_configuration(folder: Path, dsn: str, broker_port: int, http_port: int) -> None:
    write_school(folder / "site.yaml", broker_port)
    hub = {
        "database": dsn,
        "broker": {"host": "127.0.0.1", "port": broker_port},
        "http": {"host": "127.0.0.1", "port": http_port},
        "sites": ["site.yaml"],
        "profiles": str(CONFIG / "profiles"),
        "rules": str(CONFIG / "rules"),
        "plans": str(CONFIG / "plans"),
        "run_dir": "run",
        "data_dir": "hub",
    }
    (folder / "hub.yaml").write_text(yaml.safe_dump(hub), encoding="utf-8")
    (folder / "edge.yaml").write_text(yaml.safe_dump({"data_dir": "edge", "run_dir": "run"}), encoding="utf-8")
