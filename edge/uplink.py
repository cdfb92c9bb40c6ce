"""The street to the hub: sends what `Window` decides, hears receipts, gap requests, commands and settings.

One thread. Everything that happens comes through one inbox, so there is nothing to lock: the
connection's reports, the spool's commits, the settings' outcome. All deciding is in `window.py`
and `heartbeat.py`; here is only I/O.
"""

from __future__ import annotations

import logging
import queue
import secrets
import sqlite3
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.contract.codec import decode_payload, encode_payload
from adapters.contract.error import WireError
from adapters.contract.message import (
    AGE_UNKNOWN,
    Command,
    GapRequest,
    Heartbeat,
    Items,
    Receipt,
    Settings,
    Tombstone,
    Type,
)
from adapters.contract.topic import Sender, heartbeat_topic, lane_topic, read_topic
from adapters.contract.vocabulary import Lane
from edge.clock import Clock
from edge.configuration import BrokerAddress
from edge.error import SpoolError
from edge.heartbeat import Change, Heart
from edge.keys import Keys
from edge.link import Acknowledged, Arrived, Link, LinkReport, Lost, Opened
from edge.reader import Batch, SpoolReader
from edge.window import Progress, Send, Window

_log = logging.getLogger(__name__)

MESSAGE_BYTES: Final = 128 * 1024
MESSAGE_ITEMS: Final = 2_000
TELEMETRY_ON_THE_WIRE: Final = 2
"""Telemetry messages that the broker has not taken yet: an alarm finds at most so many in front of it."""
RECONNECT_MS: Final = (200, 400, 800, 1_600, 3_200, 5_000)
OPEN_MS: Final = 10_000
_TICK_S: Final = 1.0


class Host(Protocol):
    """Who the uplink works for. Called in the uplink's thread; nothing here may block."""

    def forget(self, news: list[Progress]) -> None:
        """The hub holds these; the spool may delete them."""

    def take_command(self, command: Command, hub_offset_us: int | None) -> None: ...

    def take_settings(self, settings: Settings) -> None: ...

    def notice_hub(self, change: Change) -> None:
        """The hub is lost or came back."""

    def tell_again(self, telling: str) -> None:
        """The hub's mark of what it knows; another one than before asks for all conditions anew."""

    def status(self) -> tuple[int, dict[str, int]]:
        """Bytes held in the spool, and counts of what was dropped or refused."""


@dataclass(frozen=True, slots=True)
class Road:
    """Where the uplink leads and who speaks."""

    sender: Sender
    broker: BrokerAddress
    epoch: int
    software: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The spool committed; the last number of each lane."""

    assigned: dict[Lane, int]


@dataclass(frozen=True, slots=True)
class SettingsOutcome:
    """Settings were applied (`error` empty) or refused."""

    version: int
    error: str


@dataclass(frozen=True, slots=True)
class _Reported:
    link: Link
    report: LinkReport


_Happening = Stored | SettingsOutcome | _Reported | None


class Uplink:
    """The uplink's thread."""

    def __init__(self, road: Road, window: Window, keys: Keys, host: Host, clock: Clock) -> None:
        self._road = road
        self._window = window
        self._keys = keys
        self._host = host
        self._clock = clock
        self._inbox: queue.SimpleQueue[_Happening] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._guard, name="uplink", daemon=True)
        self.ended: Future[None] = Future()
        """Done when the thread ended; carries the error that ended it, a SpoolError for a damaged spool."""
        self._stopping = False
        self._reader: SpoolReader | None = None
        self._started = clock.monotonic_ms()
        self._heart = Heart(self._started)
        self._link: Link | None = None
        self._open = False
        self._attempts = 0
        self._retry_at = self._started
        self._telemetry_on_wire: set[int] = set()
        self._settings_version = 0
        self._settings_error = ""
        self._telling = ""
        self.counts: Counter[str] = Counter()

    def start(self, reader: SpoolReader) -> None:
        self._reader = reader
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Close the connection and end the thread."""
        self._stopping = True
        self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def note_stored(self, assigned: dict[Lane, int]) -> None:
        """From the spool's thread, after each commit."""
        self._inbox.put(Stored(assigned))

    def note_settings(self, version: int, error: str, key_number: int | None = None) -> None:
        """What became of settings: the version in force, or the refused one with its reason."""
        if key_number is not None:
            self._keys.raise_number(key_number)
        self._inbox.put(SettingsOutcome(version, error))

    def _guard(self) -> None:
        """Run, and never end unnoticed."""
        try:
            self._run()
        finally:
            error = sys.exception()
            if self._link is not None:
                self._link.close()
            if self._reader is not None:
                self._reader.close()
            if error is None:
                self.ended.set_result(None)
            elif isinstance(error, sqlite3.Error):
                self.ended.set_exception(SpoolError(f"the spool is damaged: {error}"))
            else:
                self.ended.set_exception(error)

    def _run(self) -> None:
        while not self._stopping:
            now = self._clock.monotonic_ms()
            self._keep_link(now)
            self._pass_time(now)
            self._send_all()
            self._wait()

    def _wait(self) -> None:
        deadlines = [self._heart.lost_at] if not self._heart.lost else []
        if self._open:
            deadlines.append(self._heart.due)
        else:
            deadlines.append(self._retry_at)
        if (rewind := self._window.next_deadline()) is not None:
            deadlines.append(rewind)
        wait_s = max(0.0, min(_TICK_S, (min(deadlines) - self._clock.monotonic_ms()) / 1_000))
        try:
            happening = self._inbox.get(timeout=wait_s + 0.001)
            while True:
                self._take(happening)
                happening = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _take(self, happening: _Happening) -> None:
        match happening:
            case Stored(assigned):
                for lane, last in assigned.items():
                    self._window.note_stored(lane, last)
            case SettingsOutcome(version, error):
                self._settings_version, self._settings_error = version, error
                self._heart.hasten(self._clock.monotonic_ms())
            case _Reported(link, report) if link is self._link:
                self._take_report(report)

    def _take_report(self, report: LinkReport) -> None:
        now = self._clock.monotonic_ms()
        match report:
            case Opened():
                if self._attempts > 1:
                    _log.warning("connected to the broker again")
                self._open = True
                self._attempts = 0
                self._telemetry_on_wire.clear()
                self._window.connect()
                self._heart.hasten(now)
            case Lost(reason):
                self._lose_link(reason, now)
            case Acknowledged(message):
                self._telemetry_on_wire.discard(message)
            case Arrived(topic, payload):
                self._take_message(topic, payload, now)

    def _keep_link(self, now: int) -> None:
        if self._link is not None:
            if not self._open and now >= self._retry_at:
                self._lose_link("it does not answer", now)
            return
        if now < self._retry_at:
            return
        self._attempts += 1
        link = Link(
            self._road.broker, self._road.sender, lambda link, report: self._inbox.put(_Reported(link, report))
        )
        self._link = link
        self._retry_at = now + OPEN_MS
        try:
            link.open()
        except OSError as error:
            self._lose_link(str(error), self._clock.monotonic_ms())

    def _lose_link(self, reason: str, now: int) -> None:
        if self._open or self._attempts == 1:
            broker = self._road.broker
            _log.warning("no connection to the broker %s:%d: %s", broker.host, broker.port, reason)
        if self._open:
            self._attempts = 1
        self._open = False
        self._window.disconnect()
        if self._link is not None:
            self._link.close()
            self._link = None
        self._retry_at = now + RECONNECT_MS[min(max(self._attempts, 1), len(RECONNECT_MS)) - 1]

    def _pass_time(self, now: int) -> None:
        self._window.pass_time(now)
        if (change := self._heart.check(now)) is not None:
            _log.warning("the hub has been silent for %d s", change.silent_ms // 1_000)
            self._host.notice_hub(change)
        if self._open and now >= self._heart.due:
            self._beat(now)

    def _beat(self, now: int) -> None:
        nonce = secrets.randbits(63) or 1
        spool_bytes, dropped = self._host.status()
        heartbeat = Heartbeat(
            nonce=nonce,
            edge_at=self._clock.now_us(),
            uptime_ms=now - self._started,
            lanes=self._window.statuses(),
            settings_version=self._settings_version,
            settings_error=self._settings_error,
            spool_bytes=spool_bytes,
            dropped={**dropped, **self.counts},
            software=self._road.software,
        )
        frame = self._keys.seal_up(Type.HEARTBEAT, encode_payload(heartbeat), epoch=self._road.epoch)
        self._heart.beat(nonce, now)
        self._publish(heartbeat_topic(self._road.sender), frame)

    def _send_all(self) -> None:
        """Send what may be sent; back to the inbox as soon as there is something in it."""
        while self._open:
            allowed = len(self._telemetry_on_wire) < TELEMETRY_ON_THE_WIRE
            send = self._window.next_to_send(telemetry_allowed=allowed)
            if send is None or not self._send(send):
                return
            if not self._inbox.empty():
                return

    def _send(self, send: Send) -> bool:
        """Send one message; false where it could not be."""
        assert self._reader is not None
        max_items = 1 if send.alone else min(MESSAGE_ITEMS, send.last_assigned - send.first + 1)
        try:
            run = self._reader.read(
                send.epoch, send.lane, send.first, max_items=max_items, max_bytes=MESSAGE_BYTES
            )
        except sqlite3.OperationalError as error:
            self.counts["spool_unread"] += 1
            if self.counts["spool_unread"] == 1:
                _log.error("the spool cannot be read: %s", error)
            return False
        if run is None:
            return False
        if isinstance(run, Batch):
            now = self._clock.monotonic_ms()
            present = send.epoch == self._road.epoch
            ages = [max(0, now - at) if present else AGE_UNKNOWN for at in run.mono_ms]
            payload = encode_payload(Items(self._clock.now_us(), ages, run.items))
            kind, count, last = Type.ITEMS, len(run.items), run.last
        else:
            count = min(run.count, send.last_assigned - run.first + 1)
            payload = encode_payload(Tombstone(count, run.reason, run.dropped_at))
            kind, last = Type.TOMBSTONE, run.first + count - 1
        frame = self._keys.seal_up(
            kind, payload, lane=send.lane, epoch=send.epoch, first=send.first, count=count
        )
        message = self._publish(lane_topic(self._road.sender, send.lane), frame)
        if message is None:
            return False
        if send.lane is Lane.TELEMETRY:
            self._telemetry_on_wire.add(message)
        self._window.note_sent(send, last, self._clock.monotonic_ms())
        return True

    def _publish(self, topic: str, frame: bytes) -> int | None:
        return None if self._link is None else self._link.publish(topic, frame)

    def _take_message(self, topic: str, frame: bytes, now: int) -> None:
        place = read_topic(topic)
        try:
            kind, payload = self._keys.open_down(place[2] if place else topic, frame)
            match kind:
                case Type.RECEIPT:
                    self._take_receipt(decode_payload(payload, Receipt), now)
                case Type.GAP_REQUEST:
                    gap = decode_payload(payload, GapRequest)
                    self._window.take_gap(gap.epoch, gap.lane, gap.expected, now)
                    self._heart.hasten(now)
                case Type.COMMAND:
                    self._host.take_command(decode_payload(payload, Command), self._heart.hub_offset_us)
                case Type.SETTINGS:
                    self._host.take_settings(decode_payload(payload, Settings))
        except WireError as error:
            # Nothing that is not proved may change anything, nor fill the log.
            self.counts[error.code] += 1
            if self.counts[error.code] == 1:
                _log.warning("ignored a message on %s: %s: %s", topic, error.code, error.detail)

    def _take_receipt(self, receipt: Receipt, now: int) -> None:
        if not self._heart.counts(receipt.nonce):
            return
        change = self._heart.hear(receipt.nonce, receipt.hub_at, self._clock.now_us(), now)
        if change is not None:
            _log.info("the hub answers, after %d s", change.silent_ms // 1_000)
            self._host.notice_hub(change)
        if receipt.nonce and receipt.telling not in ("", self._telling):
            self._telling = receipt.telling
            self._host.tell_again(receipt.telling)
        news = self._window.take_receipt(receipt.cursors, now)
        if news:
            self._host.forget(news)
