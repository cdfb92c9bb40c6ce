"""The hub's connections to the broker: opened again for ever, in MQTT 5 or 3.1.1, half-open ones found.

A connection that swallows bytes is found by MQTT's keep-alive within `2 * KEEPALIVE_S` and by the kernel
(TCP_USER_TIMEOUT) where data stays unacknowledged; then a new client is made, so that nothing half-sent of the
old one goes out again.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.contract.delay import acknowledge_at_once, send_at_once
from adapters.contract.dialect import Dialect, Version
from hub.domain.error import ConfigurationError
from hub.settings import BrokerSettings
from hub.tls import secure_client

KEEPALIVE_S: Final = 10
CONNECT_S: Final = 3.0
IN_FLIGHT: Final = 1_000
"""Messages of QoS 1 under way each way; a version 5 broker may ask for fewer."""
_BACK_OFF_S: Final = (0.2, 1.0, 2.0)
_QUEUED: Final = 20_000
_UNSUPPORTED: Final = "Unsupported protocol version"
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who hears of a connection; called in the connection's own threads, so nothing here may block."""

    opened: Callable[[Connection], None]
    """Connected: subscribe now."""
    lost: Callable[[], None]
    message: Callable[[mqtt.MQTTMessage], None]
    subscribed: Callable[[bool], None] = lambda _: None
    """The broker answered a subscription: whether it granted all of it."""


class Connection:
    """A clean-session client of one broker. `who` begins its client id and its thread's name."""

    def __init__(self, broker: BrokerSettings, who: str, hearing: Hearing) -> None:
        """Raises ConfigurationError where the broker's certificates cannot be used."""
        self._broker = broker
        self._who = who
        self._hearing = hearing
        self._dialect = Dialect()
        self._client: mqtt.Client | None = None
        self._open = threading.Event()
        self._stopping = threading.Event()
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=who, daemon=True)
        self._complained = ""
        secure_client(mqtt.Client(CallbackAPIVersion.VERSION2), broker)  # what is wrong is said at once

    def start(self) -> None:
        """Connect in the background; a broker that is away is tried again for ever."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is in flight and leave."""
        self._stopping.set()
        self._news.put("stopped")
        if self._thread.ident is not None:
            self._thread.join(2 * CONNECT_S)

    @property
    def is_open(self) -> bool:
        """Whether the broker has taken us in, and is not known to be gone."""
        return self._open.is_set()

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"{self._broker.host}:{self._broker.port}"

    @property
    def version(self) -> Version:
        """The version of MQTT spoken, or tried next."""
        return self._dialect.version

    def publish(self, topic: str, payload: bytes, expires_s: int) -> bool:
        """Send at QoS 1, never retained; False while the broker is away. A version 5 broker forgets what it
        could not deliver within `expires_s`.
        """
        client = self._client
        if client is None or not self._open.is_set():
            return False
        properties = None
        if self.version is Version.V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, expires_s)
        info = client.publish(topic, payload, qos=1, retain=False, properties=properties)
        return info.rc == mqtt.MQTT_ERR_SUCCESS

    def subscribe(self, filters: Collection[str]) -> None:
        """Hear these from now on, until the connection is lost."""
        if self._client is not None and filters:
            self._client.subscribe([(each, 1) for each in filters])

    def unsubscribe(self, filters: Collection[str]) -> None:
        if self._client is not None and filters:
            self._client.unsubscribe(list(filters))

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            before = self.version
            reason, opened = self._live()
            if self._stopping.is_set():
                return
            failures = 0 if opened else failures + 1
            self._complain(reason, opened)
            if opened or self.version is before:
                self._stopping.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    def _complain(self, reason: str, opened: bool) -> None:
        """One line for each new cause, not one for each attempt."""
        if opened or reason != self._complained:
            _log.warning("%s: no connection to the broker %s: %s", self._who, self.place, reason)
        self._complained = reason

    def _live(self) -> tuple[str, bool]:
        """One connection from its opening to its loss: why it ended, and whether it was ever open."""
        news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._news = news
        try:
            client = self._make_client(news)
            client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, **self._greeting())
        except (OSError, ValueError, ConfigurationError) as error:
            return str(error), False
        if self._stopping.is_set():
            news.put("stopped")
        self._client = client
        client.loop_start()
        try:
            try:
                word = news.get(timeout=self._dialect.answer_s)
            except queue.Empty:
                word = "it does not answer"
            if word == "opened":
                self._dialect.note_opened()
                _log.info("%s: connected to the broker, MQTT %s", self._who, self.version)
                self._complained = ""
                return news.get(), True
            if word == _UNSUPPORTED:
                self._dialect.note_refused()
            elif not word.startswith("refused: "):
                self._dialect.note_unanswered()
            return word, False
        finally:
            self._client = None
            if self._open.is_set():
                self._open.clear()
                self._hearing.lost()
            client.disconnect()
            client.loop_stop()

    def _greeting(self) -> dict[str, Any]:
        if self.version is not Version.V5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.ReceiveMaximum = IN_FLIGHT
        properties.RequestProblemInformation = 1
        return {"clean_start": True, "properties": properties}

    def _make_client(self, news: queue.SimpleQueue[str]) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{self._who}-{secrets.token_hex(4)}",
            clean_session=None if self.version is Version.V5 else True,
            protocol=MQTTProtocolVersion(self.version),
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.max_queued_messages_set(_QUEUED)
        if self._broker.username is not None:
            password = self._broker.password.get_secret_value() if self._broker.password else None
            client.username_pw_set(self._broker.username, password)
        secure_client(client, self._broker)
        client.on_socket_open = _watch_socket

        def connected(_client: Any, _data: Any, _flags: Any, code: ReasonCode, properties: Any) -> None:
            if code.is_failure:
                said = explain(code, properties)
                news.put(_UNSUPPORTED if code == _UNSUPPORTED else f"refused: {said}")
                return
            # paho heeds no Receive Maximum, and its setter is closed by now; nothing is under way yet.
            client._max_inflight_messages = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
            self._open.set()
            self._hearing.opened(self)
            news.put("opened")

        def subscribed(_client: Any, _data: Any, _mid: int, codes: list[ReasonCode], properties: Any) -> None:
            refused = [code for code in codes if code.is_failure]
            if refused:
                why = explain(refused[0], properties)
                _log.error("%s: the broker refuses a subscription: %s", self._who, why)
            self._hearing.subscribed(not refused)

        def disconnected(_client: Any, _data: Any, _flags: Any, code: ReasonCode, properties: Any) -> None:
            news.put(explain(code, properties))

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_disconnect = disconnected
        client.on_message = self._on_message
        client.on_publish = lambda client, *_: acknowledge_at_once(client.socket())
        return client

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        acknowledge_at_once(client.socket())
        self._hearing.message(message)


def explain(code: ReasonCode, properties: Properties | None) -> str:
    """A reason code, with the broker's own words where version 5 carries some."""
    words = getattr(properties, "ReasonString", "")
    return f"{code} ({words})" if words else str(code)


def _watch_socket(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    send_at_once(sock)
