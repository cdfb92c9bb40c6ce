"""A tiny hub that speaks the contract over real MQTT, for tests of the edge."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.contract.codec import (
    VERSION,
    decode_item,
    decode_items,
    decode_payload,
    derive_key,
    encode_payload,
    open_frame,
    read_header,
    seal,
)
from adapters.contract.message import (
    Command,
    Direction,
    EventItem,
    GapRequest,
    Header,
    Heartbeat,
    ReadingsItem,
    Receipt,
    ResultItem,
    Settings,
    Tombstone,
    Type,
)
from adapters.contract.settings import split_settings
from adapters.contract.topic import Sender, down_topic, read_topic, up_filter
from adapters.contract.vocabulary import Lane

WHAT = {
    Type.RECEIPT: "receipt",
    Type.GAP_REQUEST: "gap",
    Type.COMMAND: "command",
    Type.SETTINGS: "settings",
}


@dataclass(frozen=True)
class Taken:
    """One item as it was stored."""

    epoch: int
    lane: Lane
    sequence: int
    age_ms: int
    data: bytes


class StandInHub:
    """Stores in memory what a hub would commit. `silent`: hears, stores and answers nothing."""

    def __init__(self, host: str, port: int, sender: Sender, root_secret: bytes, key_number: int = 1) -> None:
        self.sender = sender
        self.key_number = key_number
        self.key = derive_key(root_secret, key_number)
        self.silent = False
        self.ignored: list[bytes] = []
        """What came in while it was silent."""
        self.lock = threading.Lock()
        self.cursors: dict[tuple[int, int], int] = defaultdict(int)
        self.items: list[Taken] = []
        self.tombstones: list[tuple[int, Lane, int, Tombstone]] = []
        self.heartbeats: list[Heartbeat] = []
        self.messages: list[tuple[float, Header]] = []
        self.bad = 0
        self.address = (host, port)
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"standin-{secrets.token_hex(4)}",
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self.client.max_inflight_messages_set(1_000)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(0.05, 0.2)

    def start(self) -> StandInHub:
        self.client.connect(*self.address)
        self.client.loop_start()
        return self

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def events(self) -> list[Any]:
        with self.lock:
            taken = list(self.items)
        decoded = [decode_item(one.data) for one in taken]
        return [event for item in decoded if isinstance(item, EventItem) for event in item.events]

    def results(self) -> list[ResultItem]:
        with self.lock:
            taken = list(self.items)
        return [item for one in taken if isinstance(item := decode_item(one.data), ResultItem)]

    def readings(self) -> int:
        with self.lock:
            taken = [one for one in self.items if one.lane is Lane.TELEMETRY]
        decoded = [decode_item(one.data) for one in taken]
        return sum(len(item.quality) for item in decoded if isinstance(item, ReadingsItem))

    def send(self, payload: Any, kind: Type, *, key: bytes | None = None, to: Sender | None = None) -> None:
        self.publish_raw(kind, self.frame(payload, kind, key=key, to=to))

    def frame(self, payload: Any, kind: Type, *, key: bytes | None = None, to: Sender | None = None) -> bytes:
        to = to or self.sender
        header = Header(to.site, to.edge, kind, Direction.DOWN, None, 0, 0, 0, self.key_number, VERSION)
        return seal(header, encode_payload(payload), key or self.key)

    def publish_raw(self, kind: Type, frame: bytes) -> None:
        self.client.publish(down_topic(self.sender, WHAT[kind]), frame, qos=1)

    def send_command(self, command: str, device: str, kind: str, *, valid_ms: int = 10_000) -> None:
        now = time.time_ns() // 1_000
        order = Command(command, device, "", kind, {}, now, now + valid_ms * 1_000, valid_ms)
        self.send(order, Type.COMMAND)

    def send_settings(self, version: int, document: bytes) -> None:
        for part in split_settings(Settings(version, self.key_number, document)):
            self.send(part, Type.SETTINGS)

    def _on_connect(self, client: Client, *_: Any) -> None:
        for what in ("alarm", "telemetry", "heartbeat"):
            client.subscribe(up_filter(what), qos=1)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        frame = bytes(message.payload)
        if self.silent:
            self.ignored.append(frame)
            return
        header, _ = read_header(frame)
        header, payload = open_frame(frame, self.key)
        place = read_topic(message.topic)
        assert place is not None and place[0] == self.sender == Sender(header.site, header.edge)
        with self.lock:
            self.messages.append((time.monotonic(), header))
            answer = self._take(header, payload)
        if answer is not None:
            self.send(*answer)

    def _take(self, header: Header, payload: bytes) -> tuple[Any, Type] | None:
        now = time.time_ns() // 1_000
        if header.type == Type.HEARTBEAT:
            heartbeat = decode_payload(payload, Heartbeat)
            self.heartbeats.append(heartbeat)
            for status in heartbeat.lanes:
                assert self.cursors[status.epoch, status.lane] >= status.lowest_held - 1, (
                    "deleted before stored"
                )
            cursors = [(one.epoch, one.lane, self.cursors[one.epoch, one.lane]) for one in heartbeat.lanes]
            return Receipt(heartbeat.nonce, now, cursors), Type.RECEIPT
        assert header.lane is not None
        key = (header.epoch, int(header.lane))
        last = header.first + header.count - 1
        cursor = self.cursors[key]
        if header.first > cursor + 1:
            return GapRequest(header.epoch, int(header.lane), cursor + 1), Type.GAP_REQUEST
        if last > cursor:
            if header.type == Type.TOMBSTONE:
                self.tombstones.append(
                    (header.epoch, header.lane, header.first, decode_payload(payload, Tombstone))
                )
            else:
                items = decode_items(header.type, payload)
                assert len(items.items) == len(items.ages_ms) == header.count
                for n in range(cursor + 1, last + 1):
                    at = n - header.first
                    self.items.append(Taken(header.epoch, header.lane, n, items.ages_ms[at], items.items[at]))
            self.cursors[key] = last
        return Receipt(0, now, [(header.epoch, int(header.lane), self.cursors[key])]), Type.RECEIPT
