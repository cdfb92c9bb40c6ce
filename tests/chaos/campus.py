"""Thousands of devices that speak through one connection, and the ledger of what they said.

A device's rule: what it said since `RESEND_S` before its broker was lost, and what was not acknowledged, it
says again with the same id at the next connect, and again 3 and 8 seconds later; what happens
while the broker is away waits. Telemetry of that time is not made up for.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from sanfang.ports import LOOPBACK
from tests.chaos.school import School

RESEND_S: Final = 120.0
_RESEND_AFTER_S: Final = (0.0, 3.0, 8.0)
_REST_S: Final = {"panic.pressed": 1.0, "access.granted": 1.0, "door.forced": 3.0}
"""A device rests so long between two events of a kind: nothing here is chattering."""
_TICK_S: Final = 0.02
_IN_FLIGHT: Final = 4_000


@dataclass(slots=True)
class Saying:
    """One event, as the ledger has it, and how often it went out."""

    number: int
    edge: str
    device: str
    kind: str
    active: bool | None
    identity: str
    topic: str
    payload: bytes
    sent_at: float = 0.0
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """One telemetry message: its value is like no other of its device."""

    edge: str
    device: str
    value: float
    at_s: float


@dataclass(slots=True)
class _Door:
    forced: bool = False
    rested_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is said in a second."""

    events: float = 40.0
    measurements: float = 80.0


@dataclass(slots=True)
class _Wire:
    """What went out and is not settled yet. Guarded by the campus's lock."""

    waiting: deque[Saying] = field(default_factory=deque)
    said: deque[Saying] = field(default_factory=deque)
    by_mid: dict[int, Saying] = field(default_factory=dict)
    repeat_at: list[float] = field(default_factory=list)
    repeat_since: float = 0.0


class Campus:
    """The devices of a school in a thread of their own."""

    def __init__(self, port: int, school: School, ledger: Path, seed: int, pace: Pace) -> None:
        self.sayings: list[Saying] = []
        self.measurements: list[Measurement] = []
        self.losses: list[tuple[float, float]] = []
        """When the devices' broker was lost and found again, seconds since 1970."""
        self._pace = pace
        self._chance = random.Random(seed)
        self._devices = {
            sort: [device for device in school.devices() if device.sort == sort]
            for sort in ("button", "door", "sensor")
        }
        self._doors = {device.name: _Door() for device in self._devices["door"]}
        self._rested: dict[tuple[str, str], float] = {}
        self._values: dict[str, int] = {}
        self._ledger = ledger.open("ab", buffering=0)
        self._wire = _Wire()
        self._lock = threading.Lock()
        self._reports: deque[tuple[str, int]] = deque()
        self._quiet: set[str] = set()
        self._stopping = threading.Event()
        self._connected = False
        self._lost_at = 0.0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="campus-under-fire")
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.connect(LOOPBACK, port, keepalive=10)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="campus", daemon=True)
        self._thread.start()

    def hush(self, edge: str) -> None:
        """The devices of an edge fall silent."""
        with self._lock:
            self._quiet.add(edge)

    def speak(self, edge: str) -> None:
        """They speak again; what they said before is done with (an installer has paired them anew)."""
        with self._lock:
            self._quiet.discard(edge)
            self._wire.said = deque(saying for saying in self._wire.said if saying.edge != edge)

    def settled(self, edge: str) -> bool:
        """Whether the broker has all that an edge's devices said, and nothing will be said again."""
        with self._lock:
            wire = self._wire
            waits = any(saying.edge == edge for saying in wire.waiting)
            open_ = any(saying.edge == edge and not saying.acknowledged for saying in wire.said)
            return not (waits or open_ or wire.repeat_at)

    @property
    def said(self) -> int:
        """How many events the ledger has."""
        return len(self.sayings)

    def stop(self) -> None:
        """Say nothing new; repeat what the rule asks for, then end."""
        self._quiet.update(("west", "east"))
        end = time.monotonic() + 20.0
        while time.monotonic() < end and not (self.settled("west") and self.settled("east")):
            time.sleep(0.1)
        self._stopping.set()
        self._thread.join(5.0)
        self._client.disconnect()
        self._client.loop_stop()
        self._ledger.close()

    def _run(self) -> None:
        before = time.monotonic()
        owed = {"event": 0.0, "measurement": 0.0}
        while not self._stopping.wait(_TICK_S):
            now = time.monotonic()
            with self._lock:
                owed["event"] += (now - before) * self._pace.events
                owed["measurement"] += (now - before) * self._pace.measurements
                while owed["event"] >= 1.0:
                    owed["event"] -= 1.0
                    self._happen(now)
                while owed["measurement"] >= 1.0:
                    owed["measurement"] -= 1.0
                    self._measure()
                self._hear_reports(now)
                self._repeat(now)
                self._flush(now)
            before = now

    def _happen(self, now: float) -> None:
        kind = self._chance.choices(("panic.pressed", "door.forced", "access.granted"), (50, 30, 20))[0]
        device = self._chance.choice(self._devices["button" if kind == "panic.pressed" else "door"])
        if device.edge in self._quiet or now - self._rested.get((device.name, kind), -1e9) < _REST_S[kind]:
            return
        self._rested[device.name, kind] = now
        number = len(self.sayings)
        identity = f"c{number}"
        body: dict[str, Any] = {"id": identity, "at": _iso(time.time())}
        active: bool | None = None
        if kind == "panic.pressed":
            body["type"] = "pressed"
        elif kind == "access.granted":
            body |= {"type": "granted", "holder": f"h{number % 97}"}
        else:
            door = self._doors[device.name]
            active = door.forced = not door.forced
            body |= {"type": "forced", "active": active}
        saying = Saying(
            number, device.edge, device.name, kind, active, identity,
            f"campus/{device.name}/event", json.dumps(body).encode(),
        )  # fmt: skip
        line = {key: getattr(saying, key) for key in ("device", "kind", "active", "identity")}
        self._ledger.write(json.dumps({**line, "at": body["at"]}).encode() + b"\n")
        self.sayings.append(saying)
        self._wire.waiting.append(saying)

    def _measure(self) -> None:
        device = self._chance.choice(self._devices["sensor"])
        if device.edge in self._quiet or not self._connected:
            return
        count = self._values[device.name] = self._values.get(device.name, 0) + 1
        value, at_s = 15.0 + count / 1_000, time.time()
        self.measurements.append(Measurement(device.edge, device.name, value, at_s))
        payload = json.dumps({"at": _iso(at_s), "temperature_c": value}).encode()
        self._client.publish(f"campus/{device.name}/telemetry", payload, qos=1)

    def _repeat(self, now: float) -> None:
        wire = self._wire
        if not (self._connected and wire.repeat_at and now >= wire.repeat_at[0]):
            return
        wire.repeat_at.pop(0)
        # Also what was said since: an edge may come back to its broker seconds after the devices did.
        for saying in [one for one in wire.said if not one.acknowledged or one.sent_at > wire.repeat_since]:
            self._say(saying, saying.sent_at)

    def _flush(self, now: float) -> None:
        wire = self._wire
        while self._connected and wire.waiting:
            saying = wire.waiting.popleft()
            wire.said.append(saying)
            self._say(saying, now)
        while wire.said and wire.said[0].acknowledged and now - wire.said[0].sent_at > RESEND_S:
            wire.said.popleft()

    def _say(self, saying: Saying, at: float) -> None:
        saying.sent_at = at
        info = self._client.publish(saying.topic, saying.payload, qos=1)
        self._wire.by_mid[info.mid] = saying

    # paho's own thread calls these with its locks held: they only note what happened.

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        self._reports.append(("connected", 0))

    def _on_disconnect(self, client: mqtt.Client, *_: Any) -> None:
        self._reports.append(("lost", 0))

    def _on_publish(self, client: mqtt.Client, _userdata: Any, mid: int, *_: Any) -> None:
        self._reports.append(("acknowledged", mid))

    def _hear_reports(self, now: float) -> None:
        while self._reports:
            what, mid = self._reports.popleft()
            if what == "acknowledged":
                saying = self._wire.by_mid.pop(mid, None)
                if saying is not None:
                    saying.acknowledged = True
            elif what == "lost" and self._connected:
                self._connected = False
                self._lost_at = time.time()
            elif what == "connected":
                self._connected = True
                if self._lost_at:
                    self._begin_repeating(now)

    def _begin_repeating(self, now: float) -> None:
        wire = self._wire
        self.losses.append((self._lost_at, time.time()))
        wire.repeat_since = now - (time.time() - self._lost_at) - RESEND_S
        wire.by_mid.clear()
        wire.repeat_at = [now + after for after in _RESEND_AFTER_S]


def _iso(at_s: float) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
