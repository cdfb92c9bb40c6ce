"""The street with real parts: devices, an edge program, a broker, an intake worker program, a database.

What lies between edge and broker, and between broker and hub, may be a port of a fault proxy's.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.contract.topic import Sender
from hub.store.database import Connection, connect
from tests.intake_scene import EDGE, ROOT_SECRET, SITE, furnish
from tests.integration.test_edge_street import BUTTONS, Campus, EdgeProcess, settings_document
from tests.waiting import wait_until

SENDER = Sender(SITE, EDGE)


class RealStreet:
    """`presses` are stored by the hub's worker, or will be."""

    def __init__(self, dsn: str, edge: EdgeProcess, campus: Campus) -> None:
        self.dsn = dsn
        self.edge = edge
        self.campus = campus
        self.reader: Connection = connect(dsn, application="test")
        self.reader.autocommit = True
        self.pressed: list[str] = []

    def press(self, count: int = 1) -> None:
        """Press buttons, one after the other."""
        for _ in range(count):
            self.pressed.append(f"press-{len(self.pressed)}")
            self.campus.press(f"button-{len(self.pressed) % BUTTONS}", self.pressed[-1])

    @contextmanager
    def pressing(self, every_s: float = 0.05) -> Iterator[None]:
        """Somebody presses all the time."""
        ended = threading.Event()

        def press_on() -> None:
            while not ended.wait(every_s):
                self.press()

        thread = threading.Thread(target=press_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def stored(self) -> Counter[str]:
        """How often each press is stored."""
        rows = self.reader.execute("SELECT identity FROM events WHERE kind = 'panic.pressed'").fetchall()
        return Counter(row["identity"] if isinstance(row, dict) else row[0] for row in rows)

    def row(self, what: str) -> Any:
        """A column of the edge's row."""
        found = self.reader.execute(f"SELECT {what} AS x FROM edge WHERE edge = %s", (EDGE,)).fetchone()  # type: ignore[arg-type]  # noqa: S608
        assert found is not None
        return found["x"] if isinstance(found, dict) else found[0]

    def settle_in(self) -> None:
        """The edge has its settings from the hub and hears its devices."""
        wait_until(
            lambda: self.row("settings_applied") == self.row("settings_version"), 30, "settings are in force"
        )
        self.await_press(30)

    def await_press(self, deadline_s: float) -> None:
        """One press after the other until one is stored: the street is whole."""

        def try_one() -> bool:
            self.press()
            wanted = self.pressed[-1]
            try:
                wait_until(lambda: self.stored()[wanted], 1.0)
            except AssertionError:
                return False
            return True

        wait_until(try_one, deadline_s, "a press is stored")

    def check(self, deadline_s: float = 40.0) -> None:
        """Each press is stored, and once."""
        wanted = set(self.pressed)
        wait_until(lambda: wanted <= set(self.stored()), deadline_s, "all presses are stored")
        assert {name: n for name, n in self.stored().items() if n > 1} == {}
        assert not any("Traceback" in file.read_text() for file in self.edge.folder.glob("*.log"))


@contextmanager
def real_street(dsn: str, broker: Any, devices: Any, folder: Path, **more: Any) -> Iterator[RealStreet]:
    """A furnished database and an edge enrolled for `broker` (host, port), not started; `devices` is the broker
    that devices speak to. `more` goes into the settings document.
    """
    furnish(dsn)
    edge = EdgeProcess(folder / "edge", broker, ROOT_SECRET, sender=SENDER)
    campus = Campus(devices.host, devices.port).start()
    street = RealStreet(dsn, edge, campus)
    document = {**json.loads(settings_document(devices.host, devices.port)), "site": SITE, "edge": EDGE, **more}
    street.reader.execute(
        "UPDATE edge SET settings = %s, settings_version = 4 WHERE edge = %s", (json.dumps(document), EDGE)
    )
    for number in range(BUTTONS):
        street.reader.execute(
            "INSERT INTO device (site, device, name, family, zone, edge, connection, profile, configuration)"
            " VALUES (%s, %s, '{}', 'panic_button', 'gate', %s, 'campus', 'p', '{}')",
            (SITE, f"button-{number}", EDGE),
        )
    try:
        yield street
    finally:
        if edge.process is not None and edge.process.poll() is None:
            edge.kill()
        campus.stop()
        street.reader.close()
