"""`sanfang demo`: a whole school on one machine, from the database to the simulated campus.

Starts embedded PostgreSQL, embedded broker, hub, simulated campus and one edge, each when the one before is
ready; restarts what dies; on Ctrl-C stops them in the reverse order. The folder keeps everything, so the next
start goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from sanfang import console
from sanfang.embedded.broker import EmbeddedBroker
from sanfang.embedded.postgres import EmbeddedPostgres, usable_home
from sanfang.installation import (
    EDGE,
    SHIPPED,
    DemoError,
    Installation,
    lock_folder,
    make_folder,
    open_installation,
    require_school,
)
from sanfang.ports import CONTROL_PORT, accepts
from sanfang.supervisor import Child, Service, Supervisor, write_pid

__all__ = ["DATABASE", "DEFAULT_FOLDER", "DemoError", "DemoOptions", "run_demo"]

DEFAULT_FOLDER = Path(".data") / "demo"
DATABASE = "sanfang"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose. `data` None is the default folder below the current one."""

    data: Path | None = None
    http_port: int = 8080
    simulation: tuple[str, ...] = ()
    """Options handed on to `sanfang simulate`."""


def run_demo(options: DemoOptions) -> int:
    """Run until SIGINT or SIGTERM, then stop everything; returns 0. Raises DemoError, PortError, PostgresError
    or StartFailed, after stopping what had been started.
    """
    require_school()
    folder = (options.data or DEFAULT_FOLDER).absolute()
    make_folder(folder)
    with lock_folder(folder):
        home = usable_home(folder, None if options.data else _name_for(folder))
        if home != folder:
            say(f"Only root may enter {folder}, and PostgreSQL does not run as root: the database is in {home}")
        installation = open_installation(folder, home, options.http_port)
        if not console.is_built():
            raise DemoError("the console is not built yet: run `make console` (or `make demo`) in the checkout")
        supervisor = Supervisor(installation.run_dir, installation.log_dir, say)
        pid_file = installation.run_dir / "demo.pid"
        write_pid(pid_file, os.getpid())
        with stopping_on_signals(supervisor):
            try:
                Street(installation, supervisor, options.simulation).start()
                supervisor.watch()
            finally:
                say("Stopping …")
                supervisor.stop_all()
                pid_file.unlink(missing_ok=True)
    say("Stopped; the data stays in " + str(folder))
    return 0


def say(line: str) -> None:
    """One line to the person; where nobody reads any more (a closed pipe), the demo goes on in silence."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _name_for(folder: Path) -> str:
    return f"sanfang-demo-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


@contextmanager
def stopping_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Within, SIGINT, SIGTERM and SIGHUP ask the supervisor to stop; a second one changes nothing."""

    def ask(number: int, frame: FrameType | None) -> None:
        supervisor.request_stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Street:
    """The parts of one demo in the order of their starting."""

    def __init__(self, installation: Installation, supervisor: Supervisor, simulation: tuple[str, ...]) -> None:
        self._installation = installation
        self._supervisor = supervisor
        self._simulation = simulation
        self._campus: Child | None = None
        self._postgres = EmbeddedPostgres(
            installation.database_home, installation.ports["postgres"], installation.database_password
        )

    def start(self) -> None:
        """Start all, say how to log in. Returns early when a stop is asked for meanwhile."""
        begun = time.monotonic()
        for name, where, start in (
            ("database", f"PostgreSQL, 127.0.0.1:{self._installation.ports['postgres']}", self._start_postgres),
            ("broker", f"MQTT, 127.0.0.1:{self._installation.ports['broker']}", self._start_broker),
            ("hub", f"api, worker, chores; {self._installation.console}", self._start_hub),
            ("campus", f"simulated devices; orders: {self._installation.control}", self._await_campus),
            ("edge", f"{EDGE}, reads the devices", self._start_edge),
        ):
            step = time.monotonic()
            start()
            if self._supervisor.stopping:
                return
            say(f"  {name:10}ready {time.monotonic() - step:5.1f} s   {where}")
        self._invite_person(time.monotonic() - begun)

    def _start_postgres(self) -> None:
        self._postgres.prepare()
        self._supervisor.start(self._postgres.service())
        if not self._supervisor.stopping:
            self._postgres.ensure_database(DATABASE)
        self._installation.write_configuration(self._postgres.dsn(DATABASE))

    def _start_broker(self) -> None:
        folder = self._installation.folder / "broker"
        self._supervisor.start(EmbeddedBroker(self._installation.ports["broker"], folder).service())

    def _start_hub(self) -> None:
        hub = self._spawn("hub", ["hub", "--config", str(self._installation.hub_file)], self._hub_is_ready)
        # The campus does not need the hub: it opens its ports meanwhile.
        campus, control = SHIPPED / "demo" / "campus.yaml", self._installation.control
        arguments = ["simulate", str(campus), "--control", control, *self._simulation]
        self._campus = self._spawn("simulator", arguments, lambda: accepts(self._installation.ports["control"]))
        self._await(hub)

    def _await_campus(self) -> None:
        if self._campus is not None:
            self._await(self._campus)

    def _start_edge(self) -> None:
        self._enrol()
        begun = datetime.now(UTC)
        arguments = ["edge", "--config", str(self._installation.edge_file)]
        self._await(self._spawn("edge", arguments, lambda: self._hub_heard_edge_since(begun)))

    def _await(self, child: Child) -> None:
        child.await_ready(lambda: self._supervisor.stopping)

    def _spawn(self, name: str, arguments: list[str], ready: Callable[[], bool]) -> Child:
        command = [sys.executable, "-m", "sanfang", *arguments]
        service = Service(
            name,
            command,
            ready,
            environment=self._installation.environment(),
            directory=self._installation.run_dir,  # its parent has folders named as our packages
            start_deadline_s=60.0,
            stop_deadline_s=15.0,
        )
        return self._supervisor.spawn(service)

    def _hub_is_ready(self) -> bool:
        answer = get_json(f"{self._installation.console}/readyz")
        return answer is not None and answer.get("ready") is True

    def _hub_heard_edge_since(self, begun: datetime) -> bool:
        from hub.store.database import connect
        from hub.store.edge import load_edges
        from hub.store.site import find_edges

        connection = connect(self._postgres.dsn(DATABASE), application="sanfang demo")
        try:
            rows = [row for site in find_edges(connection, EDGE) for row in load_edges(connection, site)]
        finally:
            connection.close()
        return any(
            row["edge"] == EDGE and row["heard_at"] is not None and row["heard_at"] > begun for row in rows
        )

    def _enrol(self) -> None:
        """Enrol the edge at the first start, and when the broker's port had to change since."""
        from edge import app as edge
        from edge.configuration import IDENTITY_FILE
        from hub import app as hub

        identity = self._installation.folder / "edge" / IDENTITY_FILE
        if identity.exists():
            known = json.loads(identity.read_text(encoding="utf-8"))
            if known["broker"]["port"] == self._installation.ports["broker"]:
                return
        edge.enrol(hub.invite(self._installation.hub_file, None, EDGE), self._installation.edge_file)

    def _invite_person(self, took_s: float) -> None:
        from hub import app as hub

        say(f"\nSanfang runs ({took_s:.1f} s). The console: {self._installation.console}")
        token = hub.setup_token(self._installation.hub_file)
        if token is not None:
            say(f"First start: choose a name and a password there. The one-time set-up token:\n\n    {token}\n")
        say(f"Cause an alarm by hand, in another terminal:\n\n    {self._order('press gate-button')}\n")
        say("Ctrl-C ends it.")

    def _order(self, order: str) -> str:
        """The command line that gives an order to this demo's campus, as short as it can be."""
        port = self._installation.ports["control"]
        control = "" if port == CONTROL_PORT else f" --control {self._installation.control}"
        campus = os.path.relpath(SHIPPED / "demo" / "campus.yaml")
        program = sys.argv[0] if shutil.which("sanfang") is None else "sanfang"
        return f'{program} simulate {campus} --do "{order}"{control}'


def get_json(url: str) -> dict[str, object] | None:
    """The JSON object at a loopback address, also of a 503; None when nobody answers sensibly."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2.0) as response:
            document = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            try:
                document = json.load(error)
            except ValueError:
                return None
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
