"""A device's own MQTT connection: its will, its queue of events, its retained states.

Events are never lost on the device's side: they wait while the broker is away, and after each
reconnect those of the last ten seconds before the loss are said again with the same ids, because a
broker's PUBACK is not storage. They are said again at once and twice more within eight seconds: the
listener may come back to a restarted broker later than the device does.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiomqtt

_log = logging.getLogger(__name__)

RESEND_WINDOW_S: Final = 10.0
RESEND_AFTER_S: Final = (0.0, 3.0, 8.0)
RETRY_FIRST_S: Final = 0.2
RETRY_LAST_S: Final = 2.0
QUEUE_LENGTH: Final = 10_000
"""Events that may wait for the broker; a further one is refused before it gets into the ledger."""
_SENT_LENGTH: Final = 20_000
_TELEMETRY_LENGTH: Final = 4
_FAREWELL_S: Final = 0.4
_INSIST_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the campus's broker listens."""

    host: str
    port: int


@dataclass(slots=True)
class _SentEvent:
    payload: bytes
    sent_at: float = 0.0
    """Monotonic seconds of the last sending."""


class Connection:
    """One device's connection to the broker under `campus/<address>/`."""

    def __init__(
        self, broker: BrokerAddress, address: str, hear: Callable[[bytes], None] | None = None
    ) -> None:
        self.address = address
        self.connected = False
        self.reconnects = 0
        self._broker = broker
        self._hear = hear
        self._online = asyncio.Event()
        self._online.set()
        self._wake = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._waiting: deque[_SentEvent] = deque()
        self._sent: deque[_SentEvent] = deque(maxlen=_SENT_LENGTH)
        self._states: dict[str, bytes] = {}
        self._unsaid: dict[str, None] = {}
        self._telemetry: deque[bytes] = deque(maxlen=_TELEMETRY_LENGTH)
        self._lost_at: float | None = None
        self._resend_at: deque[float] = deque()

    @property
    def waiting(self) -> int:
        """Events that the broker has not acknowledged yet."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= QUEUE_LENGTH

    def send_event(self, payload: bytes) -> None:
        """Queue an event message. The caller has asked `full` before it wrote its ledger."""
        self._waiting.append(_SentEvent(payload))
        self._wake.set()

    def show(self, what: str, payload: bytes) -> None:
        """Keep a retained state (`state`, `status`); the last one counts and is said at each connect."""
        self._states[what] = payload
        self._unsaid[what] = None
        self._wake.set()

    def measure(self, payload: bytes) -> None:
        """Send telemetry; with the broker away it is dropped (a value of the past helps nobody)."""
        if self.connected:
            self._telemetry.append(payload)
            self._wake.set()

    def set_online(self, online: bool) -> None:
        """Drop the line, or take it up again."""
        if online:
            self._online.set()
        else:
            self._online.clear()
        self._wake.set()

    async def run(self) -> None:
        """Connect, speak, reconnect, for ever; on cancellation says `offline` and leaves."""
        chance = random.Random(self.address)
        delay = RETRY_FIRST_S
        while True:
            await self._online.wait()
            try:
                async with self._make_client() as client:
                    delay = RETRY_FIRST_S
                    await self._speak(client)
                continue
            except (aiomqtt.MqttError, OSError) as error:
                _log.debug("%s: broker away: %s", self.address, error)
            await asyncio.sleep(delay * chance.uniform(0.7, 1.0))
            delay = min(delay * 1.6, RETRY_LAST_S)

    def _make_client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            identifier=f"campus-{self.address}",
            will=aiomqtt.Will(self._topic("availability"), b"offline", qos=1, retain=True),
            timeout=5.0,
            keepalive=30,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    async def _speak(self, client: aiomqtt.Client) -> None:
        """Serve one connection until it breaks (MqttError) or the device is taken offline (returns)."""
        self._begin()
        reader = asyncio.create_task(self._listen(client))
        sender = asyncio.create_task(self._send(client))
        try:
            await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop(reader, sender)
            await self._say_farewell(client)
            raise
        finally:
            self.connected = False
            self._lost_at = time.monotonic()
            await self._stop(reader, sender)
        for task in (reader, sender):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        await self._say_farewell(client)

    def _begin(self) -> None:
        now = time.monotonic()
        self._telemetry.clear()
        self._unsaid = dict.fromkeys(self._states)
        self._resend_at.clear()
        if self._lost_at is not None:
            self.reconnects += 1
            horizon = self._lost_at - RESEND_WINDOW_S
            while self._sent and self._sent[0].sent_at < horizon:
                self._sent.popleft()
            self._resend_at.extend(now + after for after in RESEND_AFTER_S)
        self.connected = True

    @staticmethod
    async def _stop(*tasks: asyncio.Task[None]) -> None:
        # aiomqtt waits by asyncio.wait_for, which up to Python 3.11 swallows a cancellation that comes
        # together with the answer: so it is said until it is heard.
        while any(not task.done() for task in tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_INSIST_S)
        # Gathered, so that no task's own end goes unheard.
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _say_farewell(self, client: aiomqtt.Client) -> None:
        # A clean DISCONNECT drops the will, so the word must be said.
        with suppress(aiomqtt.MqttError):
            await client.publish(
                self._topic("availability"), b"offline", qos=1, retain=True, timeout=_FAREWELL_S
            )

    async def _listen(self, client: aiomqtt.Client) -> None:
        # Iterating is also how a lost connection is noticed, so every device does it.
        if self._hear is not None:
            await client.subscribe(self._topic("set"), qos=1)
        async for message in client.messages:
            if self._hear is not None and isinstance(message.payload, bytes):
                self._hear(message.payload)

    async def _send(self, client: aiomqtt.Client) -> None:
        await client.publish(self._topic("availability"), b"online", qos=1, retain=True)
        while self._online.is_set():
            self._wake.clear()
            await self._send_due(client)
            timeout = self._resend_at[0] - time.monotonic() if self._resend_at else None
            if timeout is None or timeout > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._wake.wait()

    async def _send_due(self, client: aiomqtt.Client) -> None:
        if self._resend_at and self._resend_at[0] <= time.monotonic():
            self._resend_at.popleft()
            for event in list(self._sent):
                event.sent_at = time.monotonic()
                await client.publish(self._topic("event"), event.payload, qos=1)
            # Said after its events, a state mends whatever an old event said again may have upset.
            self._unsaid = dict.fromkeys(self._states)
        while self._waiting:
            event = self._waiting[0]
            event.sent_at = time.monotonic()
            await client.publish(self._topic("event"), event.payload, qos=1)
            self._sent.append(self._waiting.popleft())
            self._forget(event.sent_at)
        while self._unsaid:
            what = next(iter(self._unsaid))
            del self._unsaid[what]
            await client.publish(self._topic(what), self._states[what], qos=1, retain=True)
        while self._telemetry and not self._waiting:
            await client.publish(self._topic("telemetry"), self._telemetry.popleft(), qos=1)

    def _forget(self, now: float) -> None:
        if not self._resend_at:
            while self._sent and self._sent[0].sent_at < now - RESEND_WINDOW_S:
                self._sent.popleft()

    def _topic(self, what: str) -> str:
        return f"campus/{self.address}/{what}"
