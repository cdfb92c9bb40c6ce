"""72 hours without the hub: it comes back, an edge tells all of it, and a new alarm meanwhile is seen at once.

`python -m tests.chaos.outage` runs the full size (a million items, two thousand of them alarms).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub import app as hub_app
from sanfang.ports import LOOPBACK
from tests.chaos.hoard import PRESSES_EACH
from tests.chaos.school import SITE, School
from tests.chaos.street import Street
from tests.waiting import wait_until

EDGE: Final = "west"
HOURS: Final = 72.0
SEEN_WITHIN_S: Final = 2.0
PASSWORD: Final = "correct horse battery staple 7"
_PRESS_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much was held back."""

    items: int = 1_000_000
    """Of both lanes."""
    alarms: int = 2_000
    drain_s: float = 900.0
    """No drain may take longer."""

    @property
    def buttons(self) -> int:
        """Buttons that were pressed in the outage; as many others are there for new presses."""
        return self.alarms // PRESSES_EACH

    @property
    def school(self) -> School:
        return School(buttons=2 * self.buttons if self.buttons < 500 else 900, doors=0, sensors=50)


@dataclass(slots=True)
class Outcome:
    """What was found (should be nothing) and measured."""

    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Wall:
    """A screen: notes when an alarm about a device first appears, stored or not yet."""

    def __init__(self, street: Street) -> None:
        self.seen: dict[str, float] = {}
        self.early: set[str] = set()
        """Devices whose alarm was seen before it was stored."""
        self._arrived = threading.Condition()
        self._ready = threading.Event()
        self._client = httpx2.Client(
            base_url=street.console, headers={"X-Sanfang": "1"}, timeout=20.0, trust_env=False
        )
        token = hub_app.setup_token(street.folder / "hub.yaml")
        person = {"token": token, "name": "wall", "display_name": "wall", "password": PASSWORD}
        self._client.post("/api/v1/setup", json=person).raise_for_status()
        self._thread = threading.Thread(target=self._read, name="wall", daemon=True)
        self._thread.start()
        assert self._ready.wait(20.0), "the live stream gave no snapshot"

    def close(self) -> None:
        """When the hub has ended: so has the stream."""
        self._thread.join(10.0)
        self._client.close()

    def _read(self) -> None:
        with self._client.stream("GET", f"/api/v1/sites/{SITE}/live", timeout=None) as response:
            kind = ""
            try:
                for line in response.iter_lines():
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                    elif line.startswith("data:"):
                        self._take(kind, json.loads(line[5:]))
            except httpx2.HTTPError:
                return  # the hub was stopped: the run is over

    def _take(self, kind: str, data: Mapping[str, Any]) -> None:
        at = time.monotonic()
        match kind:
            case "snapshot":
                self._ready.set()
                subjects = [alarm["subject"] for alarm in data["alarms"]]
            case "change" if data["kind"] in ("alarm.raised", "alarm.repeated"):
                subjects = [data["alarm"]["subject"]]
            case "unreceipted":
                subjects = [item["device"] for item in data["items"]]
                self.early.update(subject for subject in subjects if subject not in self.seen)
            case _:
                return
        with self._arrived:
            for subject in subjects:
                self.seen.setdefault(subject, at)
            self._arrived.notify_all()

    def await_seen(self, device: str, timeout_s: float) -> float | None:
        """When (monotonic) it was first seen; None where not in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: device in self.seen, timeout_s)
            return self.seen.get(device)


def survive(size: Size, say: Callable[[str], None]) -> Outcome:
    """Run it whole; the street and its folder are gone afterwards."""
    outcome = Outcome()
    street = Street(size.school)
    wall: Wall | None = None
    try:
        street.start()
        street.hold("hub")
        street.hold(EDGE)
        _fill(street, size, outcome)
        street.release("hub")
        wait_until(street.hub_ready, 60.0, "the hub is back", poll_s=0.2)
        wall = Wall(street)
        say(f"{street.held_items(EDGE)} items are held; the edge comes back")
        street.release(EDGE)
        _drain(street, size, wall, outcome)
        _account(street, size, outcome)
    finally:
        street.stop(keep=bool(os.environ.get("KEEP")))
        if wall is not None:
            wall.close()
    return outcome


def _fill(street: Street, size: Size, outcome: Outcome) -> None:
    command = [sys.executable, "-m", "tests.chaos.hoard", str(street.folder / f"{EDGE}.yaml"), EDGE]
    command += [str(size.items - size.alarms), str(size.alarms), str(HOURS)]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    spool = street.data(EDGE) / "spool.sqlite"
    outcome.figures |= {
        "items held": street.held_items(EDGE),
        "filled in": f"{time.monotonic() - begun:.1f} s",
        "spool": f"{spool.stat().st_size / 1e6:.0f} MB",
    }


def _drain(street: Street, size: Size, wall: Wall, outcome: Outcome) -> None:
    """Press a new button every second until all is told; how long each took to the screen."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(LOOPBACK, street.device_broker.port)
    client.loop_start()
    begun = time.monotonic()
    took: list[float] = []
    memory: dict[str, float] = {}
    alarms_told_s = drained_s = 0.0
    number = size.buttons
    try:
        while not drained_s:
            time.sleep(_PRESS_EVERY_S)
            if time.monotonic() - begun > size.drain_s:
                outcome.findings.append(
                    f"not drained within {size.drain_s:.0f} s: {street.held_items(EDGE)} left"
                )
                break
            if number < size.school.buttons:
                took.append(_press(client, wall, f"{EDGE}-button-{number:04d}", outcome))
                number += 1
            memory = {name: max(mb, memory.get(name, 0.0)) for name, mb in street.memory_mb().items()}
            if not alarms_told_s and _alarms_told(street, size):
                alarms_told_s = time.monotonic() - begun
            if street.drained(EDGE):
                drained_s = time.monotonic() - begun
    finally:
        client.disconnect()
        client.loop_stop()
    outcome.figures |= {
        "drained in": f"{drained_s:.1f} s ({size.items / max(drained_s, 0.1):.0f} items/s)",
        "alarm lane told within": f"{alarms_told_s:.1f} s",
        "new alarms meanwhile": len(took),
        "worst new alarm": f"{max(took, default=0.0) * 1_000:.0f} ms",
        "median new alarm": f"{sorted(took)[len(took) // 2] * 1_000 if took else 0:.0f} ms",
        "seen before stored": len([name for name in wall.early if int(name[-4:]) >= size.buttons]),
        "most memory MB": {name: round(mb) for name, mb in memory.items()},
        "new presses": [f"{one * 1_000:.0f}" for one in took[:6]],
    }
    if len(took) < 3:
        outcome.findings.append("the drain was over before three new alarms came: choose a larger size")


def _press(client: mqtt.Client, wall: Wall, button: str, outcome: Outcome) -> float:
    """Press; seconds until it is on the screen."""
    at = time.monotonic()
    body = {"id": f"new-{button}", "type": "pressed"}
    client.publish(f"campus/{button}/event", json.dumps(body), qos=1)
    seen = wall.await_seen(button, 30.0)
    took = (seen or time.monotonic()) - at
    if seen is None or took > SEEN_WITHIN_S:
        outcome.findings.append(f"a new alarm ({button}) was seen after {took:.1f} s")
    return took


def _alarms_told(street: Street, size: Size) -> bool:
    with street.connect() as connection:
        row = connection.execute("SELECT count(*) FROM events WHERE identity LIKE 'old-%'").fetchone()
    return bool(row and row[0] >= size.alarms)


def _account(street: Street, size: Size, outcome: Outcome) -> None:
    """All is stored, each once; what was late is marked so, and has ordered nothing."""
    readings = 2 * (size.items - size.alarms)
    checks: dict[str, tuple[str, int]] = {
        "readings stored": ("SELECT count(*) FROM readings", readings),
        "readings stored once": (
            "SELECT count(*) FROM (SELECT DISTINCT series, observed_at FROM readings) AS each", readings),
        "presses stored": ("SELECT count(*) FROM events WHERE identity LIKE 'old-%'", size.alarms),
        "presses stored once": (
            "SELECT count(DISTINCT identity) FROM events WHERE identity LIKE 'old-%'", size.alarms),
        "presses marked late": (
            "SELECT count(*) FROM events WHERE identity LIKE 'old-%' AND late", size.alarms),
        "presses that are evidence": (
            "SELECT count(*) FROM alarm_evidence v JOIN events e USING (site, event)"
            " WHERE e.identity LIKE 'old-%'", size.alarms),
        "late alarms": ("SELECT count(*) FROM alarm WHERE kind = 'panic.pressed' AND late", size.buttons),
        "tombstones": ("SELECT count(*) FROM tombstone", 0),
        "quarantined": ("SELECT count(*) FROM quarantine", 0),
        "unjudged": ("SELECT count(*) FROM alarm WHERE unjudged", 0),
        "gaps": ("SELECT count(*) FROM events WHERE kind = 'lane.gap'", 0),
        "commands": ("SELECT count(*) FROM command", 0),
    }  # fmt: skip
    with street.connect() as connection:
        connection.execute("SET work_mem = '256MB'")
        for what, (query, wanted) in checks.items():
            row = connection.execute(query).fetchone()
            found = int(row[0]) if row else 0
            if found != wanted:
                outcome.findings.append(f"{what}: {found} instead of {wanted}")
        started = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE state = 'proposed') FROM incident"
        ).fetchone()
    outcome.figures["incidents (of these only proposed)"] = started


def main() -> int:
    size = Size(int(os.environ.get("ITEMS") or 1_000_000), int(os.environ.get("ALARMS") or 2_000))
    outcome = survive(size, lambda words: print(words, flush=True))
    for name, value in outcome.figures.items():
        print(f"  {name:36} {value}")
    for finding in outcome.findings:
        print(f"  NOT WELL: {finding}")
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
