"""A spool rolled back, copied to a second machine, or gone: the edge and the real worker end well with it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import yaml
from pydantic import SecretBytes

from edge.configuration import BrokerAddress, Identity, save_identity
from hub.store.database import Connection, connect
from tests.conftest import RunningBroker
from tests.intake_scene import EDGE, ROOT_SECRET, SITE, count, furnish
from tests.intake_worker import worker_process
from tests.waiting import wait_until

PROGRAM = """
import asyncio, sys
from pathlib import Path
from adapters.contract.message import Event
from edge.app import Edge
from edge.clock import SystemClock
from edge.configuration import load_configuration, load_identity

async def run():
    configuration = load_configuration(Path(sys.argv[1]))
    clock = SystemClock()
    edge = Edge(configuration, load_identity(configuration.data_dir), {}, clock)
    await edge.start()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while name := (await reader.readline()).decode().strip():
        edge.reception.report(
            [Event("gate-button", "", "panic.pressed", None, None, clock.now_us(), {}, b"", name)]
        )
    await edge.stop()

asyncio.run(run())
"""


class Machine:
    """An edge on a data folder of its own, told on its standard input what is pressed."""

    def __init__(self, folder: Path, broker: RunningBroker) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        save_identity(
            self.data,
            Identity(
                site=SITE,
                edge=EDGE,
                root_secret=SecretBytes(ROOT_SECRET),
                key_number=1,
                broker=BrokerAddress(host=broker.host, port=broker.port),
            ),
        )
        self.config = folder / "edge.yaml"
        self.config.write_text(yaml.safe_dump({"data_dir": "data", "run_dir": "run"}))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def spool(self) -> Path:
        return self.data / "spool.sqlite"

    def start(self) -> None:
        command = [sys.executable, "-c", PROGRAM, str(self.config)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def press(self, *names: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write("".join(f"{name}\n" for name in names).encode())
        self.process.stdin.flush()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process = None

    def held(self) -> int:
        """Alarm items that the spool holds."""
        if not self.spool.exists():
            return 0
        with closing(sqlite3.connect(f"{self.spool.as_uri()}?mode=ro", uri=True)) as db:
            try:
                return int(db.execute("SELECT COUNT(*) FROM item WHERE lane = 1").fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    def copy_to(self, target: Path) -> None:
        """What a backup program does while the edge runs."""
        with closing(sqlite3.connect(self.spool)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def put_back(self, copy: Path) -> None:
        for part in self.data.glob("spool.sqlite*"):
            part.unlink()
        shutil.copy(copy, self.spool)


class School:
    """A worker on a database, and edges with their machines."""

    def __init__(self, dsn: str, broker: RunningBroker, folder: Path, stack: ExitStack) -> None:
        self.dsn, self.broker, self.folder, self.stack = dsn, broker, folder, stack
        self.reader: Connection = connect(dsn, application="test")
        stack.callback(self.reader.close)

    def start_worker(self) -> None:
        self.stack.enter_context(worker_process(self.dsn, self.broker.host, self.broker.port))

    def machine(self, name: str) -> Machine:
        machine = Machine(self.folder / name, self.broker)
        self.stack.callback(machine.kill)
        return machine

    def pressed(self) -> Counter[str]:
        query = "SELECT identity FROM events WHERE kind = 'panic.pressed'"
        return Counter(identity for (identity,) in self.reader.execute(query).fetchall())

    def await_presses(self, *names: str) -> None:
        wait_until(lambda: set(names) <= set(self.pressed()), 30, f"{names} are stored")

    def told(self, kind: str) -> int:
        return count(self.reader, "SELECT count(*) FROM events WHERE kind = %s AND active IS NOT FALSE", kind)


@pytest.fixture
def school(database: str, broker: RunningBroker, tmp_path: Path) -> Iterator[School]:
    furnish(database)
    with ExitStack() as stack:
        yield School(database, broker, tmp_path, stack)


def test_an_older_copy_of_the_spool_put_back_ends_well(school: School) -> None:
    edge = school.machine("edge")
    edge.start()
    edge.press(*(f"early-{n}" for n in range(5)))
    wait_until(lambda: edge.held() >= 5, 15)
    copy = school.folder / "copy.sqlite"
    edge.copy_to(copy)
    edge.press(*(f"later-{n}" for n in range(5)))
    school.start_worker()
    school.await_presses("early-0", "later-4")
    wait_until(lambda: edge.held() == 0, 15)
    edge.kill()
    edge.put_back(copy)
    edge.start()
    edge.press("after")
    school.await_presses("after")
    wait_until(lambda: edge.held() == 0, 20, "no lane stands still: the hub is ahead of the copy")
    wait_until(lambda: school.told("lane.gap") == 1, 15, "somebody put an old copy back: that is told")
    assert set(school.pressed().values()) == {1} and len(school.pressed()) == 11
    marks = "SELECT count(*) FROM cursor WHERE edge = %s AND lane = 1 AND position > 0"
    assert count(school.reader, marks, EDGE) == 2, "what is new has an epoch of its own"


def test_a_spool_copied_to_a_second_machine_loses_nothing_and_is_told(school: School) -> None:
    original, clone = school.machine("edge"), school.machine("clone")
    original.start()
    original.press(*(f"shared-{n}" for n in range(5)))
    wait_until(lambda: original.held() >= 5, 15)
    original.copy_to(clone.spool)
    clone.start()
    original.press("from-original")
    clone.press("from-clone")
    wait_until(lambda: clone.held() >= 6, 15)
    school.start_worker()
    school.await_presses("shared-0", "shared-4", "from-original", "from-clone")
    wait_until(lambda: original.held() == 0 and clone.held() == 0, 30, "both are rid of what they held")
    assert set(school.pressed().values()) == {1} and len(school.pressed()) == 7
    wait_until(lambda: school.told("edge.cloned") == 1, 40, "two machines with one name")
    original.press("on")
    clone.press("and-on")
    school.await_presses("on", "and-on")


def test_an_edge_installed_anew_begins_anew(school: School) -> None:
    edge = school.machine("edge")
    school.start_worker()
    edge.start()
    edge.press("before")
    school.await_presses("before")
    edge.kill()
    for part in edge.data.glob("spool.*"):
        part.unlink()
    edge.start()
    edge.press("anew")
    school.await_presses("anew")
    wait_until(lambda: edge.held() == 0, 15)
    assert school.pressed() == {"before": 1, "anew": 1}
    assert school.told("lane.gap") == 0, "nothing was lost, and nothing is claimed to be"
