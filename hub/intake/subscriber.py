"""The hub's end of the broker: subscribes to the edges of the held sites, publishes down to them.

paho runs its own network thread; what arrives goes into the inbox and nothing else happens there. While edges
move to another broker the hub listens at the former one, too, and speaks over both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import paho.mqtt.client as mqtt

from adapters.contract.topic import Sender, down_topic, read_topic, up_filter
from hub.clock import steady_s, utc_now
from hub.intake.inbox import BOUNDS, Arrival, Inbox
from hub.mqtt import Connection, Hearing
from hub.settings import BrokerSettings


class Subscriber:
    """The worker's connections; each subscribes anew whenever it is opened."""

    def __init__(
        self,
        broker: BrokerSettings,
        inbox: Inbox,
        clock: Callable[[], datetime] = utc_now,
        *,
        former: BrokerSettings | None = None,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._lock = threading.Lock()
        self._sites: frozenset[str] = frozenset()
        self._away_since: float | None = steady_s()
        self.strangers = 0
        """Messages on topics that are none of ours."""
        self._roads = [Connection(broker, "sanfang-hub", Hearing(self._opened, self._lost, self._hear))]
        if former is not None:
            self._roads.append(
                Connection(former, "sanfang-hub-former", Hearing(self._opened, lambda: None, self._hear))
            )

    def start(self) -> None:
        """Connect in the background; a broker that is away is tried again for ever."""
        for road in self._roads:
            road.start()

    def stop(self) -> None:
        """Send what is in flight and leave."""
        for road in self._roads:
            road.stop()

    def watch(self, sites: Collection[str]) -> None:
        """From now on, listen to exactly these sites."""
        with self._lock:
            wanted, before = frozenset(sites), self._sites
            self._sites = wanted
        for road in self._roads:
            if road.is_open:
                road.unsubscribe(_filters(before - wanted))
                road.subscribe(_filters(wanted - before))

    def publish(self, sender: Sender, what: str, frame: bytes, expires_s: int) -> None:
        """Send a frame down to an edge. Lost while the broker is away: the exchange mends that."""
        for road in self._roads:
            road.publish(down_topic(sender, what), frame, expires_s)

    def away_s(self) -> float:
        """For how long the broker has been away; 0 while it is there. The former one is nobody's concern."""
        since = self._away_since
        return 0.0 if since is None else steady_s() - since

    def told(self) -> dict[str, Any]:
        """The connections, for the liveness row."""
        return {road.place: f"MQTT {road.version}" if road.is_open else "away" for road in self._roads}

    def _opened(self, road: Connection) -> None:
        with self._lock:
            sites = self._sites
        road.subscribe(_filters(sites))
        if road is self._roads[0]:
            self._away_since = None  # only now: who sees it may ask, and the answer finds us subscribed
            self._inbox.wake()

    def _lost(self) -> None:
        if self._away_since is None:
            self._away_since = steady_s()

    def _hear(self, message: mqtt.MQTTMessage) -> None:
        place = read_topic(message.topic)
        if place is None or place[1] != "up" or place[2] not in BOUNDS or message.retain:
            # Nothing of ours is ever retained: what a broker kept may be anybody's, from any time.
            self.strangers += 1
            return
        self._inbox.put(Arrival(place[0], place[2], bytes(message.payload), self._clock()))


def _filters(sites: Collection[str]) -> list[str]:
    return [up_filter(what, site) for site in sorted(sites) for what in BOUNDS]
