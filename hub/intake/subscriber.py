"""The hub's end of the broker: subscribes to the edges of the held sites, publishes down to them.

paho runs its own network thread; what arrives goes into the inbox and nothing else happens there.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.topic import Sender, down_topic, read_topic, up_filter
from hub.clock import steady_s, utc_now
from hub.intake.inbox import BOUNDS, Arrival, Inbox
from hub.settings import BrokerSettings

_QOS = 1
_KEEPALIVE_S = 10


class Subscriber:
    """One clean-session client per process; it subscribes anew on every connect."""

    def __init__(self, broker: BrokerSettings, inbox: Inbox, clock: Callable[[], datetime] = utc_now) -> None:
        self._broker = broker
        self._inbox = inbox
        self._clock = clock
        self._lock = threading.Lock()
        self._sites: frozenset[str] = frozenset()
        self._away_since: float | None = steady_s()
        self.strangers = 0
        """Messages on topics that are none of ours."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"sanfang-hub-{os.getpid()}-{secrets.token_hex(4)}"
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        client.max_queued_messages_set(20_000)
        if broker.username is not None:
            client.username_pw_set(
                broker.username, broker.password.get_secret_value() if broker.password else None
            )
        self._client = client

    def start(self) -> None:
        """Connect in the background; a broker that is away is tried again for ever."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Send what is in flight and leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def watch(self, sites: Collection[str]) -> None:
        """From now on, listen to exactly these sites."""
        with self._lock:
            wanted, before = frozenset(sites), self._sites
            self._sites = wanted
        if self._client.is_connected():
            for site in before - wanted:
                self._client.unsubscribe([up_filter(what, site) for what in BOUNDS])
            self._subscribe(wanted - before)

    def publish(self, sender: Sender, what: str, frame: bytes) -> None:
        """Send a frame down to an edge. Lost while the broker is away: the exchange mends that."""
        if self._client.is_connected():
            self._client.publish(down_topic(sender, what), frame, qos=_QOS, retain=False)

    def away_s(self) -> float:
        """For how long the broker has been away; 0 while it is there."""
        since = self._away_since
        return 0.0 if since is None else steady_s() - since

    def _subscribe(self, sites: Collection[str]) -> None:
        filters = [(up_filter(what, site), _QOS) for site in sorted(sites) for what in BOUNDS]
        if filters:
            self._client.subscribe(filters)

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            return
        with self._lock:
            sites = self._sites
        self._subscribe(sites)
        self._away_since = None  # only now: who sees it may ask, and the answer finds us subscribed
        self._inbox.wake()

    def _on_disconnect(self, *_arguments: Any) -> None:
        if self._away_since is None:
            self._away_since = steady_s()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        place = read_topic(message.topic)
        if place is None or place[1] != "up" or place[2] not in BOUNDS or message.retain:
            # Nothing of ours is ever retained: what a broker kept may be anybody's, from any time.
            self.strangers += 1
            return
        self._inbox.put(Arrival(place[0], place[2], bytes(message.payload), self._clock()))
