"""One MQTT connection to the broker between edge and hub: clean session, QoS 1, never retained.

A `Link` lives for one connection; after a loss a new one is made, so that nothing half-sent of the old one
is sent again with an old age. What happens arrives through `report`, from the client's own thread. A
connection that swallows bytes is found by MQTT's keep-alive within `2 * KEEPALIVE_S`, and by the kernel
(TCP_USER_TIMEOUT) where data stays unacknowledged.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.contract.codec import MAX_FRAME_BYTES
from adapters.contract.delay import acknowledge_at_once, send_at_once
from adapters.contract.dialect import Version
from adapters.contract.topic import Sender, down_filter
from edge.configuration import BrokerAddress
from edge.credential import secure_client

CONNECT_S: Final = 3.0
KEEPALIVE_S: Final = 10
IN_FLIGHT: Final = 2_000
"""Messages under way upwards; a version 5 broker may ask for fewer."""
RECEIVED_AT_ONCE: Final = 200
"""What comes down and is not yet acknowledged, where the broker speaks version 5."""
_UNSUPPORTED: Final = "Unsupported protocol version"


@dataclass(frozen=True, slots=True)
class Opened:
    """Connected, and what the hub sends down arrives from now on."""

    max_message_bytes: int = MAX_FRAME_BYTES
    """What the broker carries at most; told in version 5 only."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, or was refused."""

    reason: str
    unsupported: bool = False
    """The broker does not speak this version of MQTT."""
    answered: bool = False
    """The broker said no, which is an answer."""
    reached: bool = True
    """Whether anybody took the connection."""


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
        self,
        broker: BrokerAddress,
        sender: Sender,
        version: Version,
        report: Callable[[Link, LinkReport], None],
    ) -> None:
        self._broker = broker
        self._filter = down_filter(sender)
        self._version = version
        self._report = report
        self._max_message_bytes = MAX_FRAME_BYTES
        self._turn = threading.Lock()
        self._closed = False
        # Random: two programs of one edge must both be heard, not take the connection from each other.
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"sanfang-edge-{sender.site}-{sender.edge}-{secrets.token_hex(4)}",
            clean_session=None if version is Version.V5 else True,
            protocol=MQTTProtocolVersion(version),
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.connect_timeout = CONNECT_S
        if broker.username:
            password = broker.password.get_secret_value() if broker.password else None
            self._client.username_pw_set(broker.username, password)
        secure_client(self._client, broker)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_socket_open = _watch_socket

    def open(self) -> None:
        """Connect in a thread of its own, as a name server may keep it waiting; `Opened` or `Lost` follows."""
        threading.Thread(target=self._connect, name="uplink-connect", daemon=True).start()

    def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> int | None:
        """Send at QoS 1; returns the message's number, or None where the connection is gone. A version 5
        broker forgets what it could not deliver within `expires_s`.
        """
        properties = None
        if expires_s is not None and self._version is Version.V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expires_s
        info = self._client.publish(topic, payload, qos=1, retain=False, properties=properties)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def close(self) -> None:
        """Say goodbye and end the client's thread. Not from a callback."""
        with self._turn:
            self._closed = True
            self._client.disconnect()
            self._client.loop_stop()

    def _connect(self) -> None:
        try:
            self._client.connect(
                self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, **self._greeting()
            )
        except OSError as error:
            self._report(self, Lost(str(error), reached=False))
            return
        except UnicodeError:  # what the resolver makes of a name that cannot be one
            self._report(self, Lost(f"{self._broker.host!r} is no host name", reached=False))
            return
        with self._turn:
            self._client.loop_start()
            if self._closed:
                self._client.disconnect()
                self._client.loop_stop()

    def _greeting(self) -> dict[str, Any]:
        if self._version is not Version.V5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.ReceiveMaximum = RECEIVED_AT_ONCE
        properties.RequestProblemInformation = 1
        return {"clean_start": True, "properties": properties}

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._report(self, Lost(_explain(code, properties), code == _UNSUPPORTED, answered=True))
            return
        # paho heeds no Receive Maximum, and its setter is closed by now; nothing is under way yet.
        client._max_inflight_messages = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self._max_message_bytes = getattr(properties, "MaximumPacketSize", MAX_FRAME_BYTES)
        client.subscribe(self._filter, qos=1)

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            why = _explain(refused[0], properties)
            self._report(self, Lost(f"the broker refuses to deliver {self._filter}: {why}", answered=True))
        else:
            self._report(self, Opened(self._max_message_bytes))

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._report(self, Lost(_explain(code, properties)))

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        acknowledge_at_once(client.socket())
        self._report(self, Acknowledged(mid))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        acknowledge_at_once(client.socket())
        self._report(self, Arrived(message.topic, bytes(message.payload)))


def _explain(code: ReasonCode, properties: Properties | None) -> str:
    """A reason code, with the broker's own words where version 5 carries some."""
    words = getattr(properties, "ReasonString", "")
    return f"{code} ({words})" if words else str(code)


def _watch_socket(client: Client, userdata: Any, sock: Any) -> None:
    send_at_once(sock)
