"""One persistent MQTT session on the running event loop: paho without a thread of its own.

Messages wait in a bounded queue. When it is full the socket is no longer read: the broker holds the
rest, nothing is dropped here. A message is acknowledged only when its reader says so, and in the order
of arrival, which MQTT demands and some brokers enforce.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from adapters.contract.delay import acknowledge_at_once, send_at_once

_MISC_S: Final = 1.0
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_CONNACK_S: Final = 10.0
_FILTERS_PER_SUBSCRIBE: Final = 50
_SUBACK_FAILURE: Final = 0x80


class SessionLost(Exception):
    """The broker cannot be reached or does not let us in."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the broker is and who we are there."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 20


@dataclass(slots=True)
class Arrival:
    """One message of the broker, not yet acknowledged."""

    topic: str
    payload: bytes
    retained: bool
    qos: int
    mid: int
    settled: bool = False


class Session:
    """A connection that comes back by itself, subscribes anew each time, and loses no message."""

    def __init__(self, account: Account, filters: Sequence[str], *, queue: int) -> None:
        self._account = account
        self._filters = list(filters)
        self._limit = queue
        self._arrivals: deque[Arrival] = deque()
        self._unsettled: deque[Arrival] = deque()
        self._paused: paho.SocketLike | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: paho.Client | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        self._arrived = asyncio.Event()
        self._refusal = ""
        self.listeners: list[Callable[[Arrival], None]] = []
        """Called at each arrival, before it waits in the queue; must not raise."""
        self.pauses = 0
        """How often reading stopped because the queue was full."""
        self.changed_at_s = 0.0
        """When the connection last came or went, by the loop's clock."""

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    async def open(self) -> None:
        """Connect and subscribe once; raises SessionLost. Afterwards the session keeps itself alive."""
        self._loop = asyncio.get_running_loop()
        account = self._account
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=account.client_id,
            clean_session=False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if account.username is not None:
            client.username_pw_set(account.username, account.password)
        client.connect_timeout = 5.0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        self._client = client
        self._tasks.append(self._loop.create_task(self._tick(client)))
        await self._connect(client)
        self._tasks.append(self._loop.create_task(self._keep(client)))

    async def close(self) -> None:
        """Leave; what is not acknowledged stays with the broker for the next time."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        if self._client is not None:
            self._drop(self._client)
            self._client = None
        self._connected.clear()

    async def next(self, timeout_s: float) -> Arrival | None:
        """The next message, None when none came in time."""
        if not self._arrivals:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
        if not self._arrivals:
            return None
        arrival = self._arrivals.popleft()
        if self._paused is not None and len(self._arrivals) <= self._limit // 2:
            self._resume()
        return arrival

    def settle(self, arrival: Arrival) -> None:
        """Acknowledge a message, once all that came before it are settled too.

        Over a later connection nothing is sent: the broker sends the message again, and its own id tells.
        """
        arrival.settled = True
        while self._unsettled and self._unsettled[0].settled:
            first = self._unsettled.popleft()
            if self._client is not None and self.connected:
                self._client.ack(first.mid, first.qos)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish once, at most once (QoS 0): an order must not reach a device later than it was meant.

        False where there is no connection.
        """
        if self._client is None or not self.connected:
            return False
        return self._client.publish(topic, payload, qos=0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def _connect(self, client: paho.Client) -> None:
        assert self._loop is not None
        self._lost.clear()
        self._refusal = ""
        account = self._account
        try:
            await self._loop.run_in_executor(
                None, lambda: client.connect(account.host, account.port, account.keepalive_s)
            )
        except (OSError, ValueError) as error:
            raise SessionLost(f"broker {account.host}:{account.port}: {error}") from None
        waits = [asyncio.ensure_future(event.wait()) for event in (self._connected, self._lost)]
        try:
            await asyncio.wait(waits, timeout=_CONNACK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._connected.is_set():
            self._drop(client)
            raise SessionLost(f"broker {account.host}:{account.port}: {self._refusal or 'no answer'}")

    def _drop(self, client: paho.Client) -> None:
        # Closed here and now, on the loop: the selector must not remember a socket that paho closes elsewhere.
        client.disconnect()
        client.loop_write()
        if (sock := client.socket()) is not None:
            self._forget(sock)

    async def _keep(self, client: paho.Client) -> None:
        while True:
            await self._lost.wait()
            for back_off_s in itertools.chain(_BACK_OFF_S, itertools.repeat(_BACK_OFF_S[-1])):
                await asyncio.sleep(back_off_s)
                try:
                    await self._connect(client)
                except SessionLost:
                    continue
                break

    async def _tick(self, client: paho.Client) -> None:
        while True:
            await asyncio.sleep(_MISC_S)
            client.loop_misc()

    def _on_connect(
        self, client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._lost.set()
            return
        # What came over the old connection and is still unsettled comes again. Its acknowledgement is void:
        # the broker numbers anew, and the old number may by now be a stranger's.
        self._unsettled.clear()
        for start in range(0, len(self._filters), _FILTERS_PER_SUBSCRIBE):
            client.subscribe([(name, 1) for name in self._filters[start : start + _FILTERS_PER_SUBSCRIBE]])
        self._note(connected=True)

    def _on_subscribe(
        self, client: paho.Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if any(reason.value >= _SUBACK_FAILURE for reason in reasons):
            # A device that is not subscribed would be silent for ever without anyone knowing.
            self._refusal = "the broker refused a subscription"
            client.disconnect()

    def _on_disconnect(
        self, _client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._refusal = self._refusal or str(reason)
        self._note(connected=False)

    def _note(self, *, connected: bool) -> None:
        if self._loop is not None:
            self.changed_at_s = self._loop.time()
        if connected:
            self._lost.clear()
            self._connected.set()
        else:
            self._connected.clear()
            self._lost.set()

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        arrival = Arrival(topic, bytes(message.payload), message.retain, message.qos, message.mid)
        if arrival.qos:
            self._unsettled.append(arrival)
        for listener in tuple(self.listeners):
            listener(arrival)
        self._arrivals.append(arrival)
        self._arrived.set()
        if len(self._arrivals) >= self._limit and self._paused is None:
            self._pause()

    def _pause(self) -> None:
        sock = self._client.socket() if self._client else None
        if sock is not None and self._loop is not None:
            self._loop.remove_reader(sock)
            self._paused = sock
            self.pauses += 1

    def _resume(self) -> None:
        sock, self._paused = self._paused, None
        if sock is not None and sock.fileno() >= 0 and self._client is not None and self._loop is not None:
            self._loop.add_reader(sock, self._read, sock)

    def _read(self, sock: paho.SocketLike) -> None:
        # paho handles one packet a call; the loop calls again while there is more.
        if self._client is not None and self._client.socket() is sock:
            self._client.loop_read()
            acknowledge_at_once(sock)

    # paho calls these from the executor's thread while it connects, from the loop's otherwise.

    def _on_loop(self, function: Callable[[paho.SocketLike], None], sock: Any) -> None:
        assert self._loop is not None
        if self._loop is _running_loop():
            function(sock)
        else:
            self._loop.call_soon_threadsafe(function, sock)

    def _on_socket_open(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        send_at_once(sock)
        self._on_loop(self._watch, sock)

    def _on_socket_close(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        self._on_loop(self._forget, sock)

    def _on_register_write(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        self._on_loop(self._watch_writable, sock)

    def _on_unregister_write(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        self._on_loop(self._forget_writable, sock)

    def _watch(self, sock: paho.SocketLike) -> None:
        if self._client is None:
            sock.close()  # closed while the executor was still connecting
        elif sock.fileno() >= 0 and self._loop is not None:
            self._loop.add_reader(sock, self._read, sock)

    def _forget(self, sock: paho.SocketLike) -> None:
        if self._paused is sock:
            self._paused = None
        if sock.fileno() >= 0 and self._loop is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _watch_writable(self, sock: paho.SocketLike) -> None:
        if sock.fileno() >= 0 and self._client is not None and self._loop is not None:
            self._loop.add_writer(sock, self._client.loop_write)

    def _forget_writable(self, sock: paho.SocketLike) -> None:
        if sock.fileno() >= 0 and self._loop is not None:
            self._loop.remove_writer(sock)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
