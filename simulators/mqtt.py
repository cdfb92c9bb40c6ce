"""Devices that speak JSON over MQTT under `campus/<address>/`."""

from __future__ import annotations

import itertools
import json
import logging
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any

from pydantic import Field

from simulators.connection import Connection
from simulators.device import Device, DeviceSettings, Name, OrderRefused, Surroundings
from simulators.ledger import iso
from simulators.media import Media

_log = logging.getLogger(__name__)
Value = str | int | float | bool


class MqttSettings(DeviceSettings):
    """An MQTT device's part of campus.yaml. `address` defaults to the device's name."""

    address: Name | None = None
    telemetry_s: float = Field(default=5.0, ge=0.2, le=3600.0)
    """Seconds between two telemetry messages, where the family sends any."""

    @property
    def topic_address(self) -> str:
        return self.address or self.device


class MqttDevice(Device):
    """Base of the MQTT families."""

    takes_orders = False
    """Whether the device listens on `campus/<address>/set`."""

    def __init__(self, settings: MqttSettings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings)
        self.telemetry_s = settings.telemetry_s
        self.connection = Connection(
            media.broker, settings.topic_address, self._hear if self.takes_orders else None
        )
        self._boot = secrets.token_hex(4)
        self._count = itertools.count(1)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        tasks = [*super().tasks(), self.connection.run()]
        if self.sample() is not None:
            tasks.append(self._measure())
        return tasks

    def connect(self, online: bool) -> None:
        super().connect(online)
        self.connection.set_online(online)

    def tell(
        self, word: str, kind: str, active: bool | None = None, address: str = "", **fields: Value
    ) -> None:
        """Send an event message: `word` is its type on the wire, `kind` the vocabulary's name for it.
        The ledger has it before the queue does. Raises OrderRefused where the device cannot take it.
        """
        self.require_online()
        if self.connection.full:
            raise OrderRefused(f"{self.name} has {self.connection.waiting} events waiting for the broker")
        identity = f"{self.name}-{self._boot}-{next(self._count)}"
        payload: dict[str, Value] = {"id": identity, "type": word, **fields}
        if active is not None:
            payload["active"] = active
        payload["at"] = iso(self.report(kind, active, address, identity))
        self.connection.send_event(json.dumps(payload).encode())

    def show(self, what: str, fields: Mapping[str, Value]) -> None:
        """Publish a retained state."""
        payload = {**fields, "at": iso(self.surroundings.now())}
        self.connection.show(what, json.dumps(payload).encode())

    def sample(self) -> dict[str, float] | None:
        """The telemetry of this moment, None for families without any."""
        return None

    def measure_now(self) -> None:
        """Send telemetry at once, not only when its time has come."""
        fields = self.sample()
        if fields is not None and not self.offline:
            self.connection.measure(telemetry(fields, self.surroundings))

    def obey(self, fields: Mapping[str, Any]) -> None:
        """Do what a message on `set` says; families that take orders override it."""

    def _hear(self, payload: bytes) -> None:
        try:
            fields = json.loads(payload)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            _log.warning("%s: a command that is no JSON object was ignored", self.name)
            return
        self.obey(fields)

    async def _measure(self) -> None:
        while True:
            self.measure_now()
            await self.surroundings.pause(self.chance.uniform(0.9, 1.1) * self.telemetry_s)


def telemetry(fields: Mapping[str, float], surroundings: Surroundings) -> bytes:
    """A telemetry message's payload."""
    return json.dumps({**fields, "at": iso(surroundings.now())}).encode()
