"""The whole street under fire: every program as it is run, a fault proxy on every line, nothing shared.

devices ─► device broker ◄─(line)─ edges ─(line)─► broker ◄─(line)─ hub ─(line)─► PostgreSQL
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from psycopg import sql

from edge import app as edge_app
from hub import app as hub_app
from sanfang.demo import get_json
from sanfang.embedded.broker import EmbeddedBroker
from sanfang.embedded.postgres import EmbeddedPostgres, reachable_binaries, usable_home
from sanfang.ports import LOOPBACK
from sanfang.supervisor import Child, Service
from tests.chaos.school import CONFIG, EDGES, SITE, School, write_school
from tests.conftest import open_folder
from tests.faults.proxy import FaultProxy
from tests.ports import reserve_port
from tests.waiting import wait_until

DATABASE: Final = "fire"
EDGES_HOST: Final = "127.0.0.2"
"""Where the edges reach the broker: the loopback, too, but a line of their own."""
_RESTART_S: Final = 0.3
_TEND_S: Final = 0.05
_ROOT: Final = Path(__file__).resolve().parents[2]
_CLOCK: Final = Path(__file__).with_name("clock")
HUB_PARTS: Final = ("hub-worker", "hub-api", "hub-chores")
MOUNT_BYTES: Final = 96 * 1024 * 1024


@dataclass(slots=True)
class _Part:
    child: Child
    held: bool = False
    """It is not to be started again for now."""
    ended_at: float | None = None
    starts: int = 1


class Street:
    """Starts everything, keeps it running as a supervisor would, and lets itself be broken."""

    def __init__(self, school: School) -> None:
        self.folder = open_folder()
        self.school = school
        self.kills = 0
        self.mounted: set[str] = set()
        self._parts: dict[str, _Part] = {}
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._running = threading.Event()
        self.postgres = EmbeddedPostgres(usable_home(self.folder), reserve_port())
        self.http_port = reserve_port()
        self.broker = EmbeddedBroker(reserve_port(), self.folder / "broker")
        self.device_broker = EmbeddedBroker(reserve_port(), self.folder / "device-broker")
        hub_broker = FaultProxy(self.broker.port)
        self.lines = {
            "hub-database": FaultProxy(self.postgres.port),
            "hub-broker": hub_broker,
            # The hub tells the edges one address of the broker: host of their own, port of the hub.
            "edge-broker": FaultProxy(self.broker.port, host=EDGES_HOST, port=hub_broker.port),
            "edge-devices": FaultProxy(self.device_broker.port),
        }

    # Starting and stopping.

    def start(self) -> None:
        """Start all. The programs are children of a thread that lives as long as they do, since Linux ends a
        tethered child with the thread that started it."""
        for line in self.lines.values():
            line.start()
        self._keeper = threading.Thread(target=self._keep, name="street", daemon=True)
        self._keeper.start()
        wait_until(lambda: self._running.is_set() or self._failure is not None, 180.0, "the street runs")
        if self._failure is not None:
            raise self._failure

    def stop(self, *, keep: bool) -> None:
        """Stop all; the folder goes unless it is to be kept."""
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join(60.0)
        for line in self.lines.values():
            line.stop()
        for edge in tuple(self.mounted):
            if keep:
                shutil.copytree(self.data(edge), self.folder / f"data-{edge}-kept")
            self.unmount(edge)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self) -> None:
        try:
            self._start_all()
            self._running.set()
            while not self._stop.wait(_TEND_S):
                with self._lock:
                    for part in self._parts.values():
                        _tend(part)
        except Exception as error:  # noqa: BLE001 - told to who started us
            self._failure = error
        finally:
            for name in reversed(self._parts):
                with suppress(ProcessLookupError):
                    self.resume(name)
                self._parts[name].child.stop()

    def _start_all(self) -> None:
        self.postgres.prepare()
        self._add(self.postgres.service())
        self.postgres.ensure_database(DATABASE)
        self._add(self.broker.service("broker"))
        self._add(self.device_broker.service("device-broker"))
        self._write_configuration()
        self._add(self._hub_service())
        for edge in EDGES:
            self.data(edge).mkdir()
            self.enrol(edge)
            self._add(self._edge_service(edge))
        wait_until(self.settings_applied, 60.0, "the edges have applied their settings", poll_s=0.2)

    def _add(self, service: Service) -> None:
        child = Child(service, self.folder, self.folder)
        child.start()
        self._parts[service.name] = _Part(child)

    def _hub_service(self) -> Service:
        return Service(
            "hub",
            [sys.executable, "-m", "sanfang", "hub", "--config", str(self.folder / "hub.yaml")],
            ready=self.hub_ready,
            environment=self._environment("hub"),
            directory=_ROOT,
            start_deadline_s=60.0,
        )

    def _edge_service(self, edge: str) -> Service:
        return Service(
            edge,
            [sys.executable, "-m", "sanfang", "edge", "--config", str(self.folder / f"{edge}.yaml")],
            ready=lambda: True,
            environment=self._environment("edge", edge),
            directory=_ROOT,
        )

    def _environment(self, program: str, name: str = "hub") -> dict[str, str]:
        clock = self.folder / f"clock-{name}"
        clock.write_text("0", encoding="ascii")
        path = os.pathsep.join((str(_CLOCK), str(_ROOT)))
        return {"CHAOS_CLOCK": str(clock), "CHAOS_CLOCK_OF": program, "PYTHONPATH": path}

    def _write_configuration(self) -> None:
        write_school(self.folder / "site.yaml", self.school, self.lines["edge-devices"].port)
        hub = {
            "database": self.dsn(through="hub-database"),
            "broker": {"host": LOOPBACK, "port": self.lines["hub-broker"].port, "name": EDGES_HOST},
            "http": {"host": "127.0.0.1", "port": self.http_port},
            "sites": ["site.yaml"],
            "profiles": str(CONFIG / "profiles"),
            "rules": str(CONFIG / "rules"),
            "plans": str(CONFIG / "plans"),
            "run_dir": "run",
            "data_dir": "hub-data",
        }
        (self.folder / "hub.yaml").write_text(yaml.safe_dump(hub), encoding="utf-8")
        for edge in EDGES:
            document = {"data_dir": f"data-{edge}", "run_dir": f"run-{edge}"}
            (self.folder / f"{edge}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    # What a fault may do to a program.

    def kill(self, name: str) -> None:
        """kill -9; the keeper starts it again. A part of the hub is started again by the hub."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)
        self.kills += 1

    def kill_hub(self) -> None:
        """kill -9 of the hub and all its processes at once."""
        for name in ("hub", *HUB_PARTS):
            with suppress(OSError, ValueError):
                self.kill(name)

    def hold(self, name: str) -> None:
        """Kill it and leave it dead until `release`."""
        with self._lock:
            self._parts[name].held = True
        if name == "hub":
            self.kill_hub()
        else:
            self.kill(name)
        part = self._parts[name]
        wait_until(lambda: part.child.exit_code() is not None, 10.0, f"{name} is dead")

    def release(self, name: str) -> None:
        with self._lock:
            self._parts[name].held = False

    def suspend(self, name: str) -> None:
        """SIGSTOP: of PostgreSQL all its processes."""
        for pid in self._pids(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        with suppress(OSError, ValueError):
            for pid in self._pids(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def pid(self, name: str) -> int:
        """Raises OSError or ValueError where a hub's part has no pid at the moment."""
        if name in HUB_PARTS:
            return int((self.folder / "run" / f"{name}.pid").read_text(encoding="ascii"))
        pid = self._parts[name].child.pid
        assert pid is not None, name
        return pid

    def _pids(self, name: str) -> list[int]:
        pid = self.pid(name)
        if name != "postgres":
            return [pid]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [pid, *map(int, children.split())]

    def set_clock(self, name: str, shift_s: float) -> None:
        """Shift the clock of the hub's processes or of an edge, from now on."""
        (self.folder / f"clock-{name}").write_text(f"{shift_s:.0f}", encoding="ascii")

    def limit_files(self, edge: str, room: int) -> None:
        """No file of an edge may grow by more than `room` bytes over what its log has now (RLIMIT_FSIZE)."""
        largest = max((file.stat().st_size for file in self.data(edge).glob("spool.sqlite*")), default=0)
        with suppress(ProcessLookupError):
            resource.prlimit(self.pid(edge), resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))

    def unlimit_files(self, edge: str) -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(
                self.pid(edge), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )

    # Disks: a small one of its own for an edge, where this machine lets us mount.

    def mount(self, edge: str) -> bool:
        """Move an edge's data to a small tmpfs, once; False where that is not allowed here."""
        if edge in self.mounted:
            return True
        self.hold(edge)
        try:
            kept = self.folder / f"moving-{edge}"
            self.data(edge).rename(kept)
            self.data(edge).mkdir()
            done = _run("mount", "-t", "tmpfs", "-o", f"size={MOUNT_BYTES}", "tmpfs", str(self.data(edge)))
            if done:
                self.mounted.add(edge)
            shutil.copytree(kept, self.data(edge), dirs_exist_ok=True)
            shutil.rmtree(kept)
            return done
        finally:
            self.release(edge)

    def unmount(self, edge: str) -> None:
        _run("umount", str(self.data(edge)))
        self.mounted.discard(edge)

    def fill_disk(self, edge: str) -> None:
        """Leave no byte free on an edge's own disk."""
        with (self.data(edge) / "ballast").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65_536))
        with (self.data(edge) / "ballast").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))

    def empty_disk(self, edge: str) -> None:
        (self.data(edge) / "ballast").unlink(missing_ok=True)

    def set_read_only(self, edge: str, read_only: bool) -> bool:
        """Remount an edge's disk; only while nobody has a file there open for writing."""
        return _run("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(self.data(edge)))

    # Edges and databases.

    def data(self, edge: str) -> Path:
        return self.folder / f"data-{edge}"

    def enrol(self, edge: str) -> None:
        """Invite and enrol."""
        edge_app.enrol(hub_app.invite(self.folder / "hub.yaml", SITE, edge), self.folder / f"{edge}.yaml")

    def held_items(self, edge: str) -> int:
        """Items and tombstones that an edge still holds."""
        file = self.data(edge) / "spool.sqlite"
        if not file.exists():
            return 0
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5.0)) as spool:
            row = spool.execute(
                "SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM tombstone)"
            ).fetchone()
        return int(row[0])

    def drained(self, edge: str) -> bool:
        """Whether the hub has receipted all that an edge holds."""
        try:
            return self.held_items(edge) == 0
        except sqlite3.Error:
            return False

    def dsn(self, database: str = DATABASE, through: str = "") -> str:
        """A database's URL, direct or through a line."""
        port = self.lines[through].port if through else self.postgres.port
        return self.postgres.dsn(database).replace(f":{self.postgres.port}/", f":{port}/")

    @contextmanager
    def connect(self, database: str = DATABASE) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            yield connection

    def back_up(self, name: str) -> None:
        """A copy of the hub's database as it is now, for `restore`."""
        self._run_tool("pg_dump", "-Fc", "-f", str(self.folder / f"{name}.dump"), self.dsn())

    def restore(self, name: str, keep_as: str) -> None:
        """Put the copy in the database's place; the present one stays under the name `keep_as`. The hub must
        be dead."""
        with self.connect("postgres") as connection:
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (DATABASE,)
            )
            connection.execute(rename.format(sql.Identifier(DATABASE), sql.Identifier(keep_as)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        self._run_tool("pg_restore", "--no-owner", "-d", self.dsn(), str(self.folder / f"{name}.dump"))

    def _run_tool(self, tool: str, *arguments: str) -> None:
        command = [str(reachable_binaries() / "bin" / tool), *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})

    # How it goes.

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def hub_ready(self) -> bool:
        return (get_json(f"{self.console}/readyz") or {}).get("ready") is True

    def settings_applied(self) -> bool:
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT settings_applied = settings_version AND settings_version > 0 FROM edge"
            ).fetchall()
        return len(rows) == len(EDGES) and all(row[0] for row in rows)

    def memory_mb(self) -> dict[str, float]:
        """Resident memory of each program."""
        found = {}
        for name in (*EDGES, *HUB_PARTS):
            with suppress(OSError, ValueError, AssertionError):
                status = Path(f"/proc/{self.pid(name)}/status").read_text(encoding="ascii")
                kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
                found[name] = int(kb) / 1_024
        return found


def _tend(part: _Part) -> None:
    child = part.child
    if child.exit_code() is None:
        part.ended_at = None
        return
    now = time.monotonic()
    if part.ended_at is None:
        part.ended_at = now
    if not part.held and now - part.ended_at >= _RESTART_S:
        part.ended_at = None
        part.starts += 1
        child.spawn()


def _run(*command: str) -> bool:
    """Whether a system command succeeded."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
