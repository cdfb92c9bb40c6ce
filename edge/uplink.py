"""The street to the hub: sends what `Window` decides, hears receipts, gap requests, commands and settings.

One thread. Everything that happens comes through one inbox, so there is nothing to lock: the
connection's reports, the spool's commits, the settings' outcome. All deciding is in `window.py`
and `heartbeat.py`; here is only I/O.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from typing import Final

from adapters.contract.codec import VERSION, decode_payload, encode_items, encode_payload
from adapters.contract.error import UnknownVersion, WireError
from adapters.contract.message import (
    AGE_UNKNOWN,
    Command,
    GapRequest,
    Heartbeat,
    Items,
    Receipt,
    SettingsPart,
    Tombstone,
    Type,
)
from adapters.contract.settings import SettingsPuzzle
from adapters.contract.topic import heartbeat_topic, lane_topic, read_topic
from adapters.contract.vocabulary import Lane
from edge.clock import Clock
from edge.configuration import BrokerAddress
from edge.error import SpoolError
from edge.happening import BrokerWished, EpochBegun, Happening, Host, KeyKept, Reported, Road, SettingsOutcome
from edge.heartbeat import Heart
from edge.inbox import Inbox
from edge.keys import Keys
from edge.line import Line, Turn
from edge.link import Acknowledged, Arrived, Link, LinkReport
from edge.pace import Pace
from edge.reader import Batch, SpoolReader
from edge.trial import Trial
from edge.window import Send, Window

_log = logging.getLogger(__name__)

MESSAGE_BYTES: Final = 128 * 1024
MESSAGE_ITEMS: Final = 2_000
TELEMETRY_ON_THE_WIRE: Final = 2
"""Telemetry messages that the broker has not taken yet: an alarm finds at most so many in front of it."""
HEARTBEAT_EXPIRES_S: Final = 30
TICK_S: Final = 1.0
UNREAD_MS: Final = 5_000
"""So long an earlier epoch that cannot be read is passed over."""
_FRAME_ROOM: Final = 1_024
"""What a frame takes besides its items."""


class Uplink:
    """The uplink's thread."""

    def __init__(self, road: Road, window: Window, keys: Keys, host: Host, clock: Clock) -> None:
        self._road = road
        self._window = window
        self._keys = keys
        self._host = host
        self._clock = clock
        self._inbox: Inbox[Happening] = Inbox()
        self._thread = threading.Thread(target=self._guard, name="uplink", daemon=True)
        self.ended: Future[None] = Future()
        """Done when the thread ended; carries the error that ended it, a SpoolError for a damaged spool."""
        self._stopping = False
        self._reader: SpoolReader | None = None
        self._sheltered: dict[int, SpoolReader] = {}
        """Where epochs are read that only memory holds."""
        self._own_epochs = {road.epoch}
        self._started = clock.monotonic_ms()
        self._heart = Heart(self._started)
        self._line = self._make_line(road.broker)
        self._trial = Trial(road, keys, self._make_line)
        self._pace = Pace()
        self._puzzle = SettingsPuzzle()
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
        self._inbox.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def note_stored(self, assigned: dict[tuple[int, Lane], int]) -> None:
        """From the spool's thread, after each commit: the last number of each lane, by epoch and lane."""
        self._inbox.put_stored(assigned)

    def begin_epoch(self, begun: EpochBegun) -> None:
        """From the spool's thread: the spool goes on in another epoch."""
        self._inbox.put(begun)

    def note_settings(self, version: int, error: str) -> None:
        """What became of settings: the version in force, or the refused one with its reason."""
        self._inbox.put(SettingsOutcome(version, error))

    def note_key(self, number: int) -> None:
        """A newer key number is on the disk."""
        self._inbox.put(KeyKept(number))

    def wish_broker(self, broker: BrokerAddress) -> None:
        """The hub wants to be reached over this broker; the present one stays until it was."""
        self._inbox.put(BrokerWished(broker))

    def _guard(self) -> None:
        """Run, and never end unnoticed."""
        try:
            self._run()
        finally:
            error = sys.exception()
            self._line.close()
            self._trial.close()
            self._close_readers()
            if error is None:
                self.ended.set_result(None)
            elif isinstance(error, sqlite3.Error):
                self.ended.set_exception(SpoolError(f"the spool is damaged: {error}"))
            else:
                self.ended.set_exception(error)

    def _run(self) -> None:
        while not self._stopping:
            now = self._clock.monotonic_ms()
            self._pass_time(now)
            self._send_all()
            self._wait()

    def _wait(self) -> None:
        deadlines = [self._heart.lost_at] if not self._heart.lost else []
        deadlines.append(self._heart.due if self._line.is_open else self._line.next_at)
        if (next_at := self._trial.next_at) is not None:
            deadlines.append(next_at)
        if (rewind := self._window.next_deadline()) is not None:
            deadlines.append(rewind)
        wait_s = max(0.0, min(TICK_S, (min(deadlines) - self._clock.monotonic_ms()) / 1_000))
        assigned, happenings = self._inbox.take(wait_s + 0.001)
        for happening in happenings:
            self._take(happening, self._clock.monotonic_ms())
        for (epoch, lane), last in assigned.items():
            self._window.note_stored(epoch, lane, last)

    def _take(self, happening: Happening, now: int) -> None:
        match happening:
            case SettingsOutcome(version, error):
                self._settings_version, self._settings_error = version, error
                self._heart.hasten(now)
            case KeyKept(number):
                self._keys.raise_number(number)
                self._heart.hasten(now)
            case EpochBegun():
                self._begin_epoch(happening)
                self._heart.hasten(now)
            case BrokerWished(broker):
                self._trial.wish(broker, now)
                self._heart.hasten(now)
            case Reported(link, report) if self._line.owns(link):
                self._take_report(report, now)
            case Reported(link, report) if self._trial.owns(link):
                line = self._trial.take(report, lambda nonce: self._heartbeat(nonce, now), now)
                if line is not None:
                    self._change_line(line, now)

    def _begin_epoch(self, begun: EpochBegun) -> None:
        if begun.whole:
            self._close_readers()
            self._reader = begun.reader
        else:
            self._sheltered[begun.epoch] = begun.reader
        self._own_epochs.add(begun.epoch)
        self._window.begin_epoch(begun.epoch, begun.marks, whole=begun.whole)

    def _close_readers(self) -> None:
        for reader in (self._reader, *self._sheltered.values()):
            if reader is not None:
                reader.close()
        self._reader = None
        self._sheltered.clear()

    def _take_report(self, report: LinkReport, now: int) -> None:
        match report:
            case Acknowledged(message):
                self._pace.note_acknowledged(message, now)
            case Arrived(topic, payload):
                self._take_message(topic, payload, now)
            case _:
                self._turn(self._line.take(report, now), now)

    def _turn(self, turn: Turn | None, now: int) -> None:
        """The line was opened or lost."""
        if turn is Turn.OPENED:
            self._pace.begin()
            self._window.connect()
            self._heart.hasten(now)
        elif turn is Turn.LOST:
            self._window.disconnect()

    def _pass_time(self, now: int) -> None:
        self._turn(self._line.keep(now), now)
        if self._trial.pass_time(now, hub_lost=self._heart.lost):
            self._heart.hasten(now)
        self._window.pass_time(now)
        if (change := self._heart.check(now)) is not None:
            _log.warning("the hub has been silent for %d s", change.silent_ms // 1_000)
            self._host.notice_hub(change)
            # Perhaps it is only this connection: a broker that takes everything and delivers nothing.
            self._turn(self._line.renew(now, "the hub was not heard over it"), now)
        if self._line.is_open and now >= self._heart.due:
            self._beat(now)

    def _change_line(self, line: Line, now: int) -> None:
        """The hub answered over the broker that it wishes: that one carries everything from here."""
        _log.warning("the hub is reached over the broker %s; it is kept", line.place)
        self._line.close()
        self._line = line
        self._host.keep_broker(line.broker)
        self._turn(Turn.OPENED, now)

    def _make_line(self, broker: BrokerAddress) -> Line:
        return Line(broker, self._road.sender, self._report, self._clock.monotonic_ms())

    def _report(self, link: Link, report: LinkReport) -> None:
        """From a connection's own thread."""
        if isinstance(report, Arrived):
            self._inbox.put_message(Reported(link, report), len(report.payload))
        else:
            self._inbox.put(Reported(link, report))

    def _beat(self, now: int) -> None:
        nonce = secrets.randbits(63) or 1
        self._heart.beat(nonce, now)
        topic = heartbeat_topic(self._road.sender)
        self._line.publish(topic, self._heartbeat(nonce, now), expires_s=HEARTBEAT_EXPIRES_S)

    def _heartbeat(self, nonce: int, now: int) -> bytes:
        spool_bytes, dropped = self._host.status()
        if self._inbox.dropped:
            dropped["inbox"] = self._inbox.dropped
        heartbeat = Heartbeat(
            nonce=nonce,
            edge_at=self._clock.now_us(),
            uptime_ms=now - self._started,
            lanes=self._window.statuses(),
            settings_version=self._settings_version,
            settings_error=self._settings_error or self._trial.error,
            spool_bytes=spool_bytes,
            dropped={**dropped, **self.counts},
            software=self._road.software,
        )
        return self._keys.seal_up(Type.HEARTBEAT, encode_payload(heartbeat), epoch=self._window.epoch)

    def _send_all(self) -> None:
        """Send what may be sent; back to the inbox as soon as there is something in it."""
        while self._line.is_open:
            allowed = self._pace.on_the_wire < TELEMETRY_ON_THE_WIRE
            send = self._window.next_to_send(telemetry_allowed=allowed)
            if send is None or not self._send(send):
                return
            if self._inbox:
                return

    def _send(self, send: Send) -> bool:
        """Send one message; false where it could not be."""
        reader = self._sheltered.get(send.epoch, self._reader)
        assert reader is not None
        max_items = 1 if send.alone else min(MESSAGE_ITEMS, send.last_assigned - send.first + 1)
        max_bytes = min(MESSAGE_BYTES, self._line.max_message_bytes - _FRAME_ROOM)
        if send.lane is Lane.TELEMETRY:
            max_bytes = min(max_bytes, self._pace.message_bytes)
        try:
            run = reader.read(send.epoch, send.lane, send.first, max_items=max_items, max_bytes=max_bytes)
        except sqlite3.OperationalError as error:
            self.counts["spool_unread"] += 1
            if self.counts["spool_unread"] == 1:
                _log.error("the spool cannot be read: %s", error)
            self._window.set_aside(send.epoch, self._clock.monotonic_ms() + UNREAD_MS)
            return send.epoch != self._window.epoch
        if run is None:
            return False
        if isinstance(run, Batch):
            now = self._clock.monotonic_ms()
            present = send.epoch in self._own_epochs
            ages = [max(0, now - at) if present else AGE_UNKNOWN for at in run.mono_ms]
            kind, payload = encode_items(Items(self._clock.now_us(), ages, run.items, now - self._started))
            count, last, size = len(run.items), run.last, sum(map(len, run.items))
        else:
            count = min(run.count, send.last_assigned - run.first + 1)
            payload = encode_payload(Tombstone(count, run.reason, run.dropped_at, run.readings[: 2 * count]))
            kind, last, size = Type.TOMBSTONE, run.first + count - 1, len(payload)
        frame = self._keys.seal_up(
            kind, payload, lane=send.lane, epoch=send.epoch, first=send.first, count=count
        )
        message = self._line.publish(lane_topic(self._road.sender, send.lane), frame)
        if message is None:
            return False
        now = self._clock.monotonic_ms()
        if send.lane is Lane.TELEMETRY:
            self._pace.note_sent(message, size, now)
        self._window.note_sent(send, last, now)
        return True

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
                    hub_now_us = self._heart.hub_now_us(self._clock.monotonic_ms())
                    self._host.take_command(decode_payload(payload, Command), hub_now_us)
                case Type.SETTINGS:
                    whole = self._puzzle.take(decode_payload(payload, SettingsPart))
                    if whole is not None:
                        self._host.take_settings(whole)
        except UnknownVersion as error:
            self.counts[error.code] += 1
            if self.counts[error.code] == 1:
                _log.error(
                    "the hub speaks another version (%s), this edge %d: everything is kept until one of the"
                    " two is updated",
                    error.detail,
                    VERSION,
                )
        except WireError as error:
            # Nothing that is not proved may change anything, nor fill the log.
            self.counts[error.code] += 1
            if self.counts[error.code] == 1:
                _log.warning("ignored a message on %s: %s: %s", topic, error.code, error.detail)

    def _take_receipt(self, receipt: Receipt, now: int) -> None:
        if not self._heart.counts(receipt.nonce):
            return
        news = self._window.take_receipt(receipt.cursors, now)
        if self._window.older_copy:
            self._window.older_copy = False
            self._host.notice_older_copy()
        if news:
            self._host.forget(news)
        if not news and not receipt.nonce:
            return  # it may be an old one, played again: it proves nothing
        change = self._heart.hear(receipt.nonce, receipt.hub_at, now)
        if change is not None:
            _log.info("the hub answers, after %d s", change.silent_ms // 1_000)
            self._host.notice_hub(change)
        if receipt.nonce and receipt.telling not in ("", self._telling):
            self._telling = receipt.telling
            self._host.tell_again(receipt.telling)
