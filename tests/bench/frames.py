"""Frames of the alarm lane, made and signed before the clock runs, and a sender that keeps to receipts.

A process of its own, so that it takes no turn of the benchmark's interpreter: a line of JSON on standard
input says what to send, another one sends it, one answers how long it took. `window` bounds the messages that
have no receipt yet, as an edge's own window does; without it (0) they flood.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.codec import VERSION, decode_payload, derive_key, encode_payload, open_frame, seal
from adapters.contract.message import Direction, Event, EventItem, Header, Items, Receipt, Type
from adapters.contract.topic import Sender, down_topic, lane_topic
from adapters.contract.vocabulary import KINDS, Lane
from tests.bench.school import DOORS, door_name

MIX: Final = "mix"
"""What a returning edge of a school has held back: of 20 events 12 doors opened and shut, 4 refused cards, 2
motions, 1 button test, and 1 door held too long that raises or clears its alarm."""
REPEATS: Final = "repeats"
"""Every event an occurrence of an open alarm: somebody tailgates at one of the doors."""
RECORDS: Final = "records"
"""Doors opened and shut: judged, recorded, no alarm."""


def make_events(what: str, count: int) -> Iterator[Event]:
    """Events of a kind of news, spread over the doors."""
    for number in range(count):
        kind, device, active = _choose(what, number)
        yield Event(
            device=device,
            address="",
            kind=kind,
            active=active if KINDS[kind].condition else None,
            observed_at=None,
            edge_at=time.time_ns() // 1_000,
            attributes={"reason": "expired"} if kind == "access.denied" else {},
            identity=f"{what}-{number}",
        )


def _choose(what: str, number: int) -> tuple[str, str, bool]:
    device = door_name(number % DOORS)
    turn = number // DOORS % 2 == 0
    if what == REPEATS:
        return "access.tailgating", device, True
    if what == RECORDS:
        return "door.opened", device, turn
    # Doors and turns are mixed so that each door opens before it shuts.
    place = number % 20
    if place < 12:
        return "door.opened", device, turn
    if place < 16:
        # One refused card in a door's two minutes is nobody's alarm; the rule that counts them is asked.
        return "access.denied", device, True
    if place < 18:
        return "camera.motion", device, turn
    return ("panic.test", device, True) if place == 18 else ("door.held", device, turn)


def make_frames(
    sender: Sender, key: bytes, key_number: int, epoch: int, what: str, count: int, batch: int, *, late: bool
) -> list[bytes]:
    """Signed messages of `batch` items each."""
    events = list(make_events(what, count))
    frames = []
    for at in range(0, count, batch):
        part = events[at : at + batch]
        items = [encode_payload(EventItem([event])) for event in part]
        age_ms = 3_600_000 if late else 0
        payload = encode_payload(Items(time.time_ns() // 1_000, [age_ms] * len(part), items))
        header = Header(
            site=sender.site,
            edge=sender.edge,
            type=int(Type.ITEMS),
            direction=Direction.UP,
            lane=Lane.ALARM,
            epoch=epoch,
            first=at + 1,
            count=len(part),
            key_number=key_number,
            version=VERSION,
        )
        frames.append(seal(header, payload, key))
    return frames


class Road:
    """Publishes frames and counts receipts."""

    def __init__(self, port: int, sender: Sender, key: bytes, epoch: int) -> None:
        self._key, self._epoch, self._sender = key, epoch, sender
        self._moved = threading.Condition()
        self._ready = threading.Event()
        self._position = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(1_000)
        self._client.on_message = self._hear
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(down_topic(sender, "receipt"), qos=1)
        self._client.loop_start()
        if not self._ready.wait(10.0):
            raise RuntimeError("the broker does not answer")

    def send(self, topic: str, frames: list[bytes], batch: int, window: int) -> float:
        """Send all; returns the seconds until all were taken by the broker, or, with a window, receipted."""
        begun = time.monotonic()
        infos = []
        for number, frame in enumerate(frames):
            if window:
                self._await(lambda number=number: number * batch - self._position < window * batch)
            infos.append(self._client.publish(topic, frame, qos=1))
        for info in infos:
            info.wait_for_publish(120.0)
        if window:
            self._await(lambda: self._position >= len(frames) * batch)
        return time.monotonic() - begun

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _await(self, condition: Any) -> None:
        with self._moved:
            if not self._moved.wait_for(condition, 120.0):
                raise RuntimeError(f"no receipt beyond {self._position} within 120 s")

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        _, payload = open_frame(message.payload, self._key)
        for epoch, lane, position in decode_payload(payload, Receipt).cursors:
            if epoch == self._epoch and lane == Lane.ALARM:
                with self._moved:
                    self._position = max(self._position, position)
                    self._moved.notify()


def main() -> None:
    order = json.loads(sys.stdin.readline())
    sender = Sender(order["site"], order["edge"])
    key = derive_key(bytes.fromhex(order["root_secret"]), order["key_number"])
    frames = make_frames(
        sender,
        key,
        order["key_number"],
        order["epoch"],
        order["what"],
        order["count"],
        order["batch"],
        late=order["late"],
    )
    road = Road(order["port"], sender, key, order["epoch"])
    print(json.dumps({"frames": len(frames)}), flush=True)
    sys.stdin.readline()
    topic = order.get("topic") or lane_topic(sender, Lane.ALARM)
    took_s = road.send(topic, frames, order["batch"], order["window"])
    print(json.dumps({"took_s": took_s}), flush=True)
    road.close()


if __name__ == "__main__":
    main()
