"""Extra telemetry for benchmarks: the campus's own sensors, measured far more often than they would be."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from simulators.connection import BrokerAddress
from simulators.device import Surroundings
from simulators.mqtt import MqttDevice, telemetry

_TICK_S: Final = 0.02
_IN_FLIGHT: Final = 2_000
_RETRY_S: Final = 1.0


class Load:
    """Publishes `rate` readings per second in all, in the name of the given sensors in turn.

    One connection with its own thread (paho's) carries it: about 15 000 readings per second on one core.
    While more than a bounded number of messages is unacknowledged nothing is sent, and `held_back` counts
    the readings that were not: the rate asked for is then more than the broker takes.
    """

    def __init__(
        self, sensors: Sequence[MqttDevice], surroundings: Surroundings, broker: BrokerAddress, rate: float
    ) -> None:
        self._sensors = [sensor for sensor in sensors if sensor.sample()]
        self._surroundings = surroundings
        self._broker = broker
        self.rate = rate
        self.sent = 0
        """Readings handed to the broker's connection."""
        self.held_back = 0

    async def run(self) -> None:
        """Publish for ever."""
        if not self._sensors or self.rate <= 0:
            return
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="campus-load")
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.max_queued_messages_set(_IN_FLIGHT)
        client.reconnect_delay_set(1, 2)
        client.connect_async(self._broker.host, self._broker.port)
        client.loop_start()
        try:
            await self._publish(client)
        finally:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    async def _publish(self, client: paho.Client) -> None:
        loop = asyncio.get_running_loop()
        before, owed = loop.time(), 0.0
        for sensor in itertools.cycle(self._sensors):
            while owed <= 0.0:
                await asyncio.sleep(_TICK_S)
                now = loop.time()
                owed += min(now - before, 1.0) * self.rate
                before = now
            fields = sensor.sample() or {}
            owed -= len(fields)
            info = client.publish(
                f"campus/{sensor.connection.address}/telemetry", telemetry(fields, self._surroundings), qos=1
            )
            if info.rc == paho.MQTT_ERR_SUCCESS:
                self.sent += len(fields)
                continue
            # What the broker does not take now is not made up for later.
            self.held_back += len(fields) + int(max(owed, 0.0))
            await asyncio.sleep(_TICK_S if client.is_connected() else _RETRY_S)
            before, owed = loop.time(), 0.0
