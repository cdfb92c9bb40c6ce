"""The API's own ear at the broker: alarm lanes and receipts of every edge, into `Unreceipted`."""

from __future__ import annotations

import threading
from typing import Final

import paho.mqtt.client as mqtt

from adapters.contract.topic import ROOT, up_filter
from hub.api.unreceipted import Unreceipted
from hub.clock import utc_now
from hub.mqtt import Connection, Hearing
from hub.settings import BrokerSettings

_FILTERS: Final = (up_filter("alarm"), f"{ROOT}/+/+/down/receipt")


class Listener:
    """MQTT clients in threads of their own that reconnect for ever; the former broker's while edges move."""

    def __init__(
        self, broker: BrokerSettings, unreceipted: Unreceipted, *, former: BrokerSettings | None = None
    ) -> None:
        self._unreceipted = unreceipted
        self._granted = threading.Event()
        self._roads = [
            Connection(broker, "sanfang-api", Hearing(_subscribe, self._lost, self._hear, self._subscribed))
        ]
        if former is not None:
            self._roads.append(
                Connection(former, "sanfang-api-former", Hearing(_subscribe, _ignore, self._hear))
            )

    @property
    def listening(self) -> bool:
        """Whether alarms would be heard now."""
        return self._granted.is_set()

    def start(self) -> None:
        """Begin to listen; a broker that is away is tried again."""
        for road in self._roads:
            road.start()

    def stop(self) -> None:
        """Disconnect and end the threads."""
        for road in self._roads:
            road.stop()

    def _subscribed(self, granted: bool) -> None:
        if granted:
            self._granted.set()

    def _lost(self) -> None:
        self._granted.clear()

    def _hear(self, message: mqtt.MQTTMessage) -> None:
        # A retained message is somebody's old word; an alarm is never replayed from one.
        if not message.retain:
            self._unreceipted.hear(message.topic, bytes(message.payload), utc_now())


def _subscribe(road: Connection) -> None:
    road.subscribe(_FILTERS)


def _ignore() -> None:
    """The former broker may go whenever it likes."""
