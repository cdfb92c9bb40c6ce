"""From a button to the committed row and to the screen's stream, under a steady load of readings.

Presses come at their own pace whether the one before has arrived or not (so that a slow moment is not hidden
by the presses that it delays), at random distances, on buttons in turn.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import defaultdict
from typing import Any, Final

import httpx2
import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.figures import percentile_ms
from tests.bench.school import BUTTONS, PLAIN, SITE, button_name
from tests.bench.street import Street

PRESSES_PER_S: Final = 25.0
SETTLE_S: Final = 3.0
"""A new load runs for so long before the first press counts."""
_DEADLINE_S: Final = 30.0


class Screen:
    """A screen's live stream: notes when each occurrence of a subject's alarm is on the screen, brought by a
    change or, after a flood, by the picture.
    """

    def __init__(self, client: httpx2.Client) -> None:
        self._arrived = threading.Condition()
        self._at: dict[str, list[float]] = defaultdict(list)
        self._shown: dict[str, tuple[int, int]] = {}
        """Subject -> (alarm, its occurrences) as the screen has it."""
        self._ready = threading.Event()
        self._client = client
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if not self._ready.wait(10.0):
            raise RuntimeError("the live stream gave no snapshot")

    def _read(self) -> None:
        with self._client.stream("GET", f"/api/v1/sites/{SITE}/live", timeout=None) as response:
            response.raise_for_status()
            kind = ""
            for line in response.iter_lines():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:") and kind == "snapshot":
                    self._note(json.loads(line[5:])["alarms"], time.time())
                    self._ready.set()
                elif line.startswith("data:") and kind == "change":
                    at, change = time.time(), json.loads(line[5:])
                    if change["alarm"] is not None:
                        self._note([change["alarm"]], at)

    def _note(self, alarms: list[dict[str, Any]], at: float) -> None:
        with self._arrived:
            for alarm in alarms:
                subject, number, occurrences = alarm["subject"], alarm["alarm"], alarm["occurrences"]
                known, before = self._shown.get(subject, (number, 0))
                self._at[subject] += [at] * (occurrences - (before if known == number else 0))
                self._shown[subject] = (number, occurrences)
            self._arrived.notify()

    def await_changes(self, subject: str, count: int) -> list[float]:
        """When the first `count` occurrences of the subject were on the screen (seconds since 1970)."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._at[subject]) >= count, _DEADLINE_S):
                raise RuntimeError(f"{subject}: {len(self._at[subject])} of {count} occurrences on the screen")
            return self._at[subject][:count]

    def forget(self) -> None:
        with self._arrived:
            self._at.clear()


def measure_latency(street: Street, screen: Screen, samples: int, load: int, tag: str) -> dict[str, Any]:
    """Press `samples` times while `load` readings a second go in; milliseconds."""
    street.edge.ask(f"rate {load} {PLAIN}")
    time.sleep(SETTLE_S)
    screen.forget()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", street.broker_port)
    client.loop_start()
    bare = _BareCommits(street.dsn)
    pressed = _press(client, samples, tag)
    by_subject: dict[str, list[float]] = defaultdict(list)
    for subject, at in pressed.values():
        by_subject[subject].append(at)
    to_screen = [
        arrived - at
        for subject, times in by_subject.items()
        for at, arrived in zip(times, screen.await_changes(subject, len(times)), strict=True)
    ]
    commits = bare.stop()
    street.edge.ask(f"rate 0 {PLAIN}")
    client.disconnect()
    client.loop_stop()
    to_commit = _commit_times(street.dsn, {identity: at for identity, (_, at) in pressed.items()})
    return {
        "samples": samples,
        "load_readings_per_s": load,
        "p50_ms": percentile_ms(to_screen, 50),
        "p99_ms": percentile_ms(to_screen, 99),
        "max_ms": percentile_ms(to_screen, 100),
        "commit_p50_ms": percentile_ms(to_commit, 50),
        "commit_p99_ms": percentile_ms(to_commit, 99),
        "bare_commit_p50_ms": percentile_ms(commits, 50),
        "bare_commit_p99_ms": percentile_ms(commits, 99),
    }


def _press(client: mqtt.Client, samples: int, tag: str) -> dict[str, tuple[str, float]]:
    """Press, and return (button, time) by the device's own identity of the message."""
    chance = random.Random(11)
    pressed: dict[str, tuple[str, float]] = {}
    due = time.monotonic()
    for number in range(samples):
        due += chance.uniform(0.5, 1.5) / PRESSES_PER_S
        time.sleep(max(0.0, due - time.monotonic()))
        subject, at = button_name(number % BUTTONS), time.time()
        identity = f"{tag}-{number}"
        pressed[identity] = (subject, at)
        body = {"id": identity, "type": "pressed", "at": _iso(at)}
        client.publish(f"campus/{subject}/event", json.dumps(body), qos=1)
    return pressed


class _BareCommits:
    """What the database needs for nothing but a commit at the same time: one row, over and over."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute("CREATE TABLE IF NOT EXISTS bare_commit (at timestamptz NOT NULL)")
        self._took: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(1.0 / PRESSES_PER_S):
            begun = time.monotonic()
            self._connection.execute("INSERT INTO bare_commit VALUES (now())")
            self._took.append(time.monotonic() - begun)

    def stop(self) -> list[float]:
        self._stopping.set()
        self._thread.join()
        self._connection.close()
        return self._took


def _commit_times(dsn: str, pressed: dict[str, float]) -> list[float]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT identity, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM events"
            " WHERE identity = ANY(%s)",
            (list(pressed),),
        ).fetchall()
    if len(rows) != len(pressed):
        raise RuntimeError(f"{len(pressed)} presses, {len(rows)} rows")
    return [committed - pressed[identity] for identity, committed in rows]


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
