"""From a button to the committed row and to the screen's stream, press by press."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

import httpx2
import numpy as np
import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.school import BUTTONS, SITE, button_name
from tests.bench.street import Street


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; `commit_*` to the row's commit, the others to the event on the stream."""

    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    commit_p50_ms: float
    commit_p99_ms: float


class Screen:
    """A screen's live stream: notes when the change of a subject arrives."""

    def __init__(self, client: httpx2.Client) -> None:
        self._arrived = threading.Condition()
        self._at: dict[str, float] = {}
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
                    self._ready.set()
                elif line.startswith("data:") and kind == "change":
                    at = time.time()
                    alarm = json.loads(line[5:]).get("alarm")
                    if alarm:
                        with self._arrived:
                            self._at[alarm["subject"]] = at
                            self._arrived.notify()

    def await_change(self, subject: str, after: float, deadline_s: float = 30.0) -> float:
        """When a change of the subject arrived after the given time (seconds since 1970)."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._at.get(subject, 0.0) > after, deadline_s):
                raise RuntimeError(f"{subject}: nothing on the stream within {deadline_s:g} s")
            return self._at[subject]


def measure_latency(street: Street, screen: Screen, samples: int, tag: str) -> Latency:
    """Press one button after the other, each when the one before is on the screen."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", street.broker_port)
    client.loop_start()
    pressed: dict[str, float] = {}
    to_screen: list[float] = []
    for number in range(samples):
        subject = button_name(number % BUTTONS)
        identity = f"{tag}-{number}"
        at = time.time()
        pressed[identity] = at
        body = {"id": identity, "type": "pressed", "at": _iso(at)}
        client.publish(f"campus/{subject}/event", json.dumps(body), qos=1)
        to_screen.append(screen.await_change(subject, at) - at)
    client.disconnect()
    client.loop_stop()
    to_commit = _commit_times(street.dsn, pressed)
    screen_ms, commit_ms = np.array(to_screen) * 1e3, np.array(to_commit) * 1e3
    return Latency(
        samples=samples,
        p50_ms=round(float(np.percentile(screen_ms, 50)), 2),
        p99_ms=round(float(np.percentile(screen_ms, 99)), 2),
        max_ms=round(float(screen_ms.max()), 2),
        commit_p50_ms=round(float(np.percentile(commit_ms, 50)), 2),
        commit_p99_ms=round(float(np.percentile(commit_ms, 99)), 2),
    )


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
