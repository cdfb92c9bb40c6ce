"""One MQTT connection to the broker between edge and hub: clean session, QoS 1, never retained.

A `Link` lives for one connection; after a loss a new one is made, so that nothing half-sent of the old one
is sent again with an old age. What happens arrives through `report`, from the client's own thread.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.contract.topic import Sender, down_filter
from edge.configuration import BrokerAddress

CONNECT_S: Final = 3.0
KEEPALIVE_S: Final = 10


@dataclass(frozen=True, slots=True)
class Opened:
    """Connected, and what the hub sends down arrives from now on."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, or was refused."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker took a message (which is not storage)."""

    message: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came down."""

    topic: str
    payload: bytes


LinkReport = Opened | Lost | Acknowledged | Arrived


class Link:
    """A connection being opened, open, or lost."""

    def __init__(
        self, broker: BrokerAddress, sender: Sender, report: Callable[[Link, LinkReport], None]
    ) -> None:
        self._broker = broker
        self._filter = down_filter(sender)
        self._report = report
        # Random: two programs of one edge must both be heard, not take the connection from each other.
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"sanfang-edge-{sender.site}-{sender.edge}-{secrets.token_hex(4)}",
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(2_000)
        self._client.connect_timeout = CONNECT_S
        if broker.username:
            password = broker.password.get_secret_value() if broker.password else None
            self._client.username_pw_set(broker.username, password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_socket_open = _send_at_once

    def open(self) -> None:
        """Connect; raises OSError where nobody answers. `Opened` or `Lost` follows."""
        self._client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Send at QoS 1; returns the message's number, or None where the connection is gone."""
        info = self._client.publish(topic, payload, qos=1, retain=False)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def close(self) -> None:
        """Say goodbye and end the client's thread. Not from a callback."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._report(self, Lost(str(code)))
        else:
            client.subscribe(self._filter, qos=1)

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._report(self, Lost(f"the broker refuses to deliver {self._filter}"))
        else:
            self._report(self, Opened())

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._report(self, Lost(str(code)))

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._report(self, Acknowledged(mid))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._report(self, Arrived(message.topic, bytes(message.payload)))


def _send_at_once(client: Client, userdata: Any, sock: Any) -> None:
    # Two small messages in a row must not wait for each other's acknowledgement.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
