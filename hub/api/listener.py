"""The API's own ear at the broker: alarm lanes and receipts of every edge, into `Unreceipted`."""

from __future__ import annotations

import logging
import secrets
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.topic import ROOT, up_filter
from hub.api.unreceipted import Unreceipted
from hub.clock import utc_now
from hub.settings import BrokerSettings

_RECEIPTS: Final = f"{ROOT}/+/+/down/receipt"
_log = logging.getLogger(__name__)


class Listener:
    """An MQTT client in a thread of its own that reconnects for ever."""

    def __init__(self, broker: BrokerSettings, unreceipted: Unreceipted) -> None:
        self._broker = broker
        self._unreceipted = unreceipted
        self._listening = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"sanfang-api-{secrets.token_hex(4)}", clean_session=True
        )
        if broker.username is not None:
            self._client.username_pw_set(
                broker.username, broker.password.get_secret_value() if broker.password else None
            )
        self._client.reconnect_delay_set(min_delay=1, max_delay=2)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._hear

    @property
    def listening(self) -> bool:
        """Whether alarms would be heard now."""
        return self._listening

    def start(self) -> None:
        """Begin to listen; a broker that is away is tried again."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=10)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            _log.error("the broker refuses us: %s", reason)
            return
        client.subscribe([(up_filter("alarm"), 1), (_RECEIPTS, 1)])

    def _subscribed(self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        self._listening = not any(reason.is_failure for reason in reasons)
        _log.info("listening to alarms" if self._listening else "the broker refuses our subscription")

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._listening:
            _log.warning("the broker is gone: %s", reason)
        self._listening = False

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        # A retained message is somebody's old word; an alarm is never replayed from one.
        if not message.retain:
            self._unreceipted.hear(message.topic, bytes(message.payload), utc_now())
