"""A small school in a database, and an edge that speaks the contract: what tests of intake stand on."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.codec import VERSION, decode_payload, derive_key, encode_payload, open_frame, seal
from adapters.contract.message import (
    Command,
    Direction,
    Event,
    EventItem,
    GapRequest,
    Header,
    Heartbeat,
    Items,
    LaneStatus,
    ReadingColumns,
    Receipt,
    ResultItem,
    SettingsPart,
    Tombstone,
    Type,
    pack_readings,
)
from adapters.contract.topic import Sender, down_filter, heartbeat_topic, lane_topic
from adapters.contract.vocabulary import Lane
from hub.domain.moment import microseconds
from hub.store.database import Connection, connect

SITE, EDGE = "test-school", "test-edge"
SENDER = Sender(SITE, EDGE)
ROOT_SECRET = b"r" * 32
DEVICES = {
    "gate-button": ("panic_button", "gate"),
    "lab-smoke": ("fire_alarm", "lab"),
    "lab-heat": ("fire_alarm", "lab"),
    "lab-air": ("environment", "lab"),
    "gate-door": ("access_control", "gate"),
}
"""Device -> (family, zone), all on the one edge."""
_SHAPES: Mapping[int, type[Any]] = {
    Type.RECEIPT: Receipt,
    Type.GAP_REQUEST: GapRequest,
    Type.COMMAND: Command,
    Type.SETTINGS: SettingsPart,
}


def furnish(dsn: str, *, site: str = SITE, edge: str = EDGE) -> None:
    """Put the school into a migrated database, its edge enrolled."""
    connection = connect(dsn, application="test")
    name = '{"zh": "校", "en": "school"}'
    with connection.transaction():
        connection.execute("INSERT INTO site (site, name) VALUES (%s, %s)", (site, name))
        for zone, parent, kind in (
            ("main", None, "building"),
            ("lab", "main", "room"),
            ("gate", None, "outdoor"),
        ):
            connection.execute(
                "INSERT INTO zone (site, zone, parent, name, kind) VALUES (%s, %s, %s, %s, %s)",
                (site, zone, parent, name, kind),
            )
        for each, secret in ((edge, ROOT_SECRET), ("other-edge", None)):
            connection.execute(
                "INSERT INTO edge (site, edge, name, root_secret, settings_version, settings)"
                " VALUES (%s, %s, %s, %s, 3, '{\"devices\": []}')",
                (site, each, name, secret),
            )
        rows = {**{device: (*facts, edge) for device, facts in DEVICES.items()}}
        rows["far-door"] = ("access_control", "gate", "other-edge")
        for device, (family, zone, on) in rows.items():
            connection.execute(
                "INSERT INTO device (site, device, name, family, zone, edge, connection, profile,"
                " configuration) VALUES (%s, %s, %s, %s, %s, %s, 'c', 'p', '{\"writes\": [\"door.release\"]}')",
                (site, device, name, family, zone, on),
            )
        for post in ("security-room", "duty-leader"):
            connection.execute("INSERT INTO post (site, post, name) VALUES (%s, %s, %s)", (site, post, name))
    connection.close()


def now_us() -> int:
    return microseconds(datetime.now(UTC))


def event(kind: str, device: str, *, active: bool | None = None, at: int | None = None, **more: Any) -> Event:
    """An event just taken in by the edge."""
    return Event(
        device=device,
        address=more.pop("address", ""),
        kind=kind,
        active=active,
        observed_at=at,
        edge_at=more.pop("edge_at", now_us()),
        **more,
    )


def pack_event(*events: Event) -> bytes:
    return encode_payload(EventItem(list(events)))


def pack_result(command: str, state: str, detail: str = "") -> bytes:
    return encode_payload(ResultItem(command, state, detail, now_us()))


def pack_values(
    device: str,
    point: str,
    values: Sequence[float],
    *,
    at: Sequence[int] | None = None,
    edge_at: int | None = None,
) -> bytes:
    """Readings of one series, a millisecond apart unless said otherwise."""
    taken = now_us() if edge_at is None else edge_at
    times = [taken - 1000 * n for n in range(len(values))][::-1] if at is None else at
    columns = ReadingColumns(
        np.zeros(len(values), "u2"), np.array(times, "i8"), np.array(values, "f8"), np.zeros(len(values), "u1")
    )
    return encode_payload(pack_readings(taken, [(device, "", point)], columns))


def frame(
    kind: Type,
    payload: bytes,
    *,
    lane: Lane | None = None,
    epoch: int = 7,
    first: int = 0,
    count: int = 0,
    sender: Sender = SENDER,
    secret: bytes = ROOT_SECRET,
    version: int = VERSION,
) -> bytes:
    """A sealed frame as an edge sends it."""
    header = Header(
        site=sender.site,
        edge=sender.edge,
        type=int(kind),
        direction=Direction.UP,
        lane=lane,
        epoch=epoch,
        first=first,
        count=count,
        key_number=1,
        version=version,
    )
    return seal(header, payload, derive_key(secret, 1))


def items_frame(
    lane: Lane,
    first: int,
    items: Sequence[bytes],
    *,
    age_ms: int = 0,
    sent_at: int | None = None,
    uptime_ms: int = -1,
    **more: Any,
) -> bytes:
    """A lane message of encoded items, sent now unless `sent_at` (µs, the edge's clock) says otherwise."""
    at = now_us() if sent_at is None else sent_at
    payload = encode_payload(Items(at, [age_ms] * len(items), list(items), uptime_ms))
    return frame(Type.ITEMS, payload, lane=lane, first=first, count=len(items), **more)


def tombstone_frame(
    lane: Lane, first: int, count: int, reason: str = "full", readings: bytes = b"", **more: Any
) -> bytes:
    payload = encode_payload(Tombstone(count, reason, now_us(), readings))
    return frame(Type.TOMBSTONE, payload, lane=lane, first=first, count=count, **more)


class StandIn:
    """An edge on the broker that sends what it is told and remembers what comes down."""

    def __init__(self, host: str, port: int, sender: Sender = SENDER) -> None:
        self.sender = sender
        self.down: list[Any] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda *_: self._client.subscribe(down_filter(sender), 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._remember
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._subscribed.wait(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, lane: Lane, data: bytes) -> None:
        self._client.publish(lane_topic(self.sender, lane), data, 1).wait_for_publish(5)

    def beat(self, lanes: Sequence[LaneStatus] = (), *, nonce: int = 1, epoch: int = 7, **more: Any) -> None:
        beat = Heartbeat(
            nonce, more.pop("edge_at", now_us()), 1000, list(lanes), more.pop("settings_version", 3), **more
        )
        data = frame(Type.HEARTBEAT, encode_payload(beat), epoch=epoch, sender=self.sender)
        self._client.publish(heartbeat_topic(self.sender), data, 1).wait_for_publish(5)

    def receipts(self) -> dict[tuple[int, int], int]:
        """(epoch, lane) -> the highest position receipted."""
        found: dict[tuple[int, int], int] = {}
        for each in list(self.down):
            if isinstance(each, Receipt):
                for epoch, lane, position in each.cursors:
                    found[epoch, lane] = max(position, found.get((epoch, lane), 0))
        return found

    def gaps(self) -> list[tuple[int, int, int]]:
        found = [each for each in list(self.down) if isinstance(each, GapRequest)]
        return [(each.epoch, each.lane, each.expected) for each in found]

    def _remember(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        header, payload = open_frame(bytes(message.payload), derive_key(ROOT_SECRET, 1))
        assert header.direction is Direction.DOWN
        self.down.append(decode_payload(payload, _SHAPES[header.type]))


def count(connection: Connection, query: str, *parameters: Any) -> int:
    """The one number that a query gives."""
    row = connection.execute(query, parameters).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)
