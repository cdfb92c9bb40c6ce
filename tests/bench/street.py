"""The whole street for a benchmark: database, broker, hub, edges that can be fed, a person logged in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import httpx2
import psycopg
import yaml

from edge import app as edge_app
from edge.configuration import Identity, load_identity
from hub import app as hub_app
from sanfang.demo import get_json
from sanfang.embedded.broker import EmbeddedBroker
from sanfang.embedded.postgres import EmbeddedPostgres, usable_home
from sanfang.ports import choose_port
from sanfang.supervisor import Child, Service
from tests.bench.school import CONFIG, FRAMES, SITE, School, write_school
from tests.waiting import wait_until

DATABASE: Final = "bench"
PASSWORD: Final = "correct horse battery staple 7"
SAMPLING: Final = Path(__file__).with_name("sampling")
"""A folder whose `sitecustomize` makes the worker sample itself."""


class FedEdge:
    """A feeder process and its one-line dialogue."""

    def __init__(self, config: Path, series: Path, log: IO[bytes]) -> None:
        command = [sys.executable, "-m", "tests.bench.feeder", str(config), str(series)]
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
    edges: list[FedEdge]
    frames: Identity
    """The identity of the edge that no process runs: the benchmark signs its frames."""
    pids: dict[str, int]

    @property
    def edge(self) -> FedEdge:
        """The first edge, which also has the buttons."""
        return self.edges[0]

    def log_in(self) -> httpx2.Client:
        """The first account's session."""
        client = httpx2.Client(base_url=self.console, headers={"X-Sanfang": "1"}, timeout=10.0, trust_env=False)
        token = hub_app.setup_token(self.folder / "hub.yaml")
        person = {"token": token, "name": "bench", "display_name": "bench", "password": PASSWORD}
        client.post("/api/v1/setup", json=person).raise_for_status()
        return client


@contextmanager
def run_street(school: School, *, samples_to: Path | None = None) -> Iterator[Street]:
    """Start everything in a temporary folder, stop it backwards. With `samples_to` the hub's worker samples its
    own stack into that file (measure nothing else then).
    """
    folder = Path(tempfile.mkdtemp(prefix="sanfang-bench-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        if "SANFANG_BENCH_KEEP" not in os.environ:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def start(service: Service) -> Child:
            child = Child(service, folder, folder)
            stack.callback(child.stop)
            child.start()
            return child

        postgres = EmbeddedPostgres(usable_home(folder), choose_port())
        postgres.prepare()
        server = start(postgres.service())
        postgres.ensure_database(DATABASE)
        # So that a row can say when it was committed, by the server's clock.
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        server.stop()
        server.start()
        broker = EmbeddedBroker(choose_port(), folder / "broker")
        broker_child = start(broker.service())
        http_port = choose_port()
        console = f"http://127.0.0.1:{http_port}"
        write_school(folder, school, broker.port)
        _write_configuration(folder, school, postgres.dsn(DATABASE), broker.port, http_port)
        environment = (
            {}
            if samples_to is None
            else {
                "PYTHONPATH": os.pathsep.join([str(SAMPLING), str(CONFIG.parent)]),
                "SANFANG_SAMPLES": str(samples_to),
            }
        )
        start(
            Service(
                "hub",
                [sys.executable, "-m", "sanfang", "hub", "--config", str(folder / "hub.yaml")],
                ready=lambda: (get_json(f"{console}/readyz") or {}).get("ready") is True,
                environment=environment,
                start_deadline_s=120.0,
            )
        )
        edges: list[FedEdge] = []
        log = stack.enter_context((folder / "edge.log").open("wb"))
        for name in [*school.edges, FRAMES]:
            edge_app.enrol(hub_app.invite(folder / "hub.yaml", SITE, name), folder / f"{name}.yaml")
        for name in school.edges:
            edges.append(FedEdge(folder / f"{name}.yaml", folder / f"{name}.series.json", log))
            stack.callback(edges[-1].stop)
        pids = {
            name: int((folder / "run" / f"{name}.pid").read_text())
            for name in ("hub-api", "hub-worker", "hub-chores")
        }
        pids |= {"edge": edges[0].process.pid, "broker": _pid(broker_child), "postgres": _pid(server)}
        dsn = postgres.dsn(DATABASE)
        frames = load_identity(folder / FRAMES)
        wait_until(lambda: _settings_applied(dsn), 120.0, "the edges applied their settings", 0.2)
        yield Street(folder, dsn, broker.port, console, edges, frames, pids)


def _pid(child: Child) -> int:
    if child.pid is None:
        raise AssertionError("a started child has a pid")
    return child.pid


def _settings_applied(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT bool_and(settings_applied = settings_version AND settings_version > 0) FROM edge"
            " WHERE edge <> %s",
            (FRAMES,),
        ).fetchone()
    return bool(row and row[0])


def _write_configuration(folder: Path, school: School, dsn: str, broker_port: int, http_port: int) -> None:
    hub: dict[str, Any] = {
        "database": dsn,
        "broker": {"host": "127.0.0.1", "port": broker_port},
        "http": {"host": "127.0.0.1", "port": http_port},
        "sites": ["site.yaml"],
        "profiles": str(CONFIG / "profiles"),
        "rules": "rules",
        "plans": str(CONFIG / "plans"),
        "run_dir": "run",
        "data_dir": "hub",
    }
    (folder / "hub.yaml").write_text(yaml.safe_dump(hub), encoding="utf-8")
    for edge in [*school.edges, FRAMES]:
        places = {"data_dir": edge, "run_dir": f"run-{edge}"}
        (folder / f"{edge}.yaml").write_text(yaml.safe_dump(places), encoding="utf-8")
