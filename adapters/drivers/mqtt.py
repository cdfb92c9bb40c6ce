"""MQTT 3.1.1: devices that publish to a broker. Tier: silver.

A device's message is acknowledged to the broker only once the host has stored it; the session is
persistent, so the broker keeps messages while the edge is away. Orders go out at most once and count
as confirmed only by the device's own state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field, SecretStr

from adapters.base import Adapter, AdapterError, Clock, DeviceSettings, Observation, WriteOutcome
from adapters.connection import ConnectionDocument, check_devices, check_document, read_document
from adapters.contract.message import Command, Event
from adapters.mqtt.command import UnfitCommand, build_order
from adapters.mqtt.normalise import MessageReader, Received
from adapters.mqtt.session import Account, Arrival, Session, SessionLost
from adapters.mqtt.topic import TopicTable
from adapters.profile import MqttSection, Profile

NAME: Final = "mqtt"
TIER: Final[Literal["bronze", "silver", "gold"]] = "silver"
_CHECK_S: Final = 1.0


class Connection(ConnectionDocument):
    """A broker. `client_id` must be this edge's alone and stay the same: its session hangs on it."""

    host: str
    port: int = Field(default=1883, ge=1, le=65_535)
    username: str | None = None
    password: SecretStr | None = None
    client_id: str | None = Field(default=None, min_length=1, max_length=120)
    keepalive_s: int = Field(default=20, ge=5, le=600)
    queue: int = Field(default=1_000, ge=1, le=100_000)
    offline_after_s: float = Field(default=30.0, gt=0)
    """A broker away for so long takes its devices offline."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What answers for a topic: one device's message."""

    device: DeviceSettings
    reader: MessageReader


class MqttAdapter:
    """All devices of one broker."""

    def __init__(
        self,
        connection: Connection,
        devices: Sequence[DeviceSettings],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._devices = {device.device: device for device in devices}
        self._sections = {device.device: _section(profiles[device.profile]) for device in devices}
        self._clock = clock
        self._table: TopicTable[_Entry] = TopicTable()
        self._unsupervised = {
            name
            for name, section in self._sections.items()
            if not any(kind == "device.offline" for kind, _ in section.captures())
        }
        """Devices without an availability topic: hearing them is the only sign of life."""
        self._silent = set(self._unsupervised)
        self._told_offline = False
        self._fill_table()
        password = connection.password.get_secret_value() if connection.password else None
        account = Account(
            host=connection.host,
            port=connection.port,
            client_id=connection.client_id or f"sanfang-{connection.connection}",
            username=connection.username,
            password=password,
            keepalive_s=connection.keepalive_s,
        )
        self._session = Session(account, self._table.filters, queue=connection.queue)

    @property
    def pauses(self) -> int:
        """How often the broker was made to wait because the host was slower than the devices."""
        return self._session.pauses

    async def open(self) -> None:
        try:
            await self._session.open()
        except SessionLost as error:
            raise AdapterError(str(error), retry=True) from None

    async def close(self) -> None:
        await self._session.close()

    async def observations(self) -> AsyncIterator[Observation]:
        while True:
            arrival = await self._session.next(_CHECK_S)
            if arrival is None:
                if (away := self._notice_absence()) is not None:
                    yield away
                continue
            observation = self._observe(arrival)
            if observation is None:
                self._session.settle(arrival)
            else:
                yield observation

    async def write(self, command: Command) -> WriteOutcome:
        device = self._devices.get(command.device)
        if device is None or command.kind not in device.writes:
            return WriteOutcome("refused", f"{command.kind} is not allowed for {command.device}")
        section = self._sections[device.device]
        entry = next((entry for entry in section.commands if entry.kind == command.kind), None)
        if entry is None:
            return WriteOutcome("refused", f"profile {device.profile} offers no {command.kind}")
        try:
            order = build_order(section, entry, command, device.address)
        except UnfitCommand as error:
            return WriteOutcome("refused", str(error))
        confirmed = asyncio.Event()

        def listen(arrival: Arrival) -> None:
            # A retained message is a memory: it may be of an earlier command.
            if not arrival.retained and order.is_confirmed_by(arrival.topic, arrival.payload):
                confirmed.set()

        self._session.listeners.append(listen)
        try:
            if not self._session.publish(order.topic, order.payload):
                return WriteOutcome("failed", "no connection to the broker")
            if not order.expected:
                return WriteOutcome("accepted", "published; this device gives no feedback")
            async with asyncio.timeout(entry.within_ms / 1000):
                await confirmed.wait()
        except TimeoutError:
            return WriteOutcome(
                "unconfirmed", f"no feedback on {order.feedback_topic} within {entry.within_ms} ms"
            )
        finally:
            self._session.listeners.remove(listen)
        return WriteOutcome("confirmed", f"{order.feedback_topic} says so")

    def _fill_table(self) -> None:
        readers: dict[tuple[str, int], MessageReader] = {}
        for device in self._devices.values():
            section = self._sections[device.device]
            for n, message in enumerate(section.messages):
                key = (device.profile, n)
                reader = readers.get(key)
                if reader is None:
                    reader = readers[key] = MessageReader(message)
                self._table.add(message.topic, device.address, _Entry(device, reader))

    def _observe(self, arrival: Arrival) -> Observation | None:
        edge_at = self._clock.now_us()
        events = []
        readings = []
        for captures, entry in self._table.match(arrival.topic):
            name = entry.device.device
            said = entry.reader.read(
                Received(name, arrival.topic, captures, arrival.payload, arrival.retained, edge_at)
            )
            if name in self._silent and not arrival.retained:
                self._silent.discard(name)
                events.append(_offline(name, False, edge_at, "it spoke"))
            events += said.events
            readings += said.readings
        if not events and not readings:
            return None

        async def settle() -> None:
            self._session.settle(arrival)

        return Observation(tuple(events), tuple(readings), settle)

    def _notice_absence(self) -> Observation | None:
        if self._session.connected:
            self._told_offline = False
            return None
        away_s = asyncio.get_running_loop().time() - self._session.changed_at_s
        if self._told_offline or away_s < self._connection.offline_after_s:
            return None
        self._told_offline = True
        self._silent = set(self._unsupervised)
        edge_at = self._clock.now_us()
        return Observation(
            tuple(_offline(name, True, edge_at, "its broker does not answer") for name in self._devices), ()
        )


def check(
    connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Mapping[str, Profile]
) -> list[str]:
    """Every fault of a broker connection and its devices."""
    faults = check_document(Connection, connection) + check_devices(devices, profiles, "mqtt")
    for device in devices:
        if not device.address or any(wild in device.address for wild in "+#\0"):
            faults.append(f"device {device.device}: address: {device.address!r}: must be the part of a topic")
    return faults


def build(
    connection: Mapping[str, Any],
    devices: Sequence[DeviceSettings],
    profiles: Mapping[str, Profile],
    clock: Clock,
) -> Adapter:
    """An adapter for one broker."""
    document = read_document(Connection, connection, check(connection, devices, profiles))
    return MqttAdapter(document, devices, profiles, clock)


def _section(profile: Profile) -> MqttSection:
    if profile.mqtt is None:
        raise AdapterError(f"profile {profile.profile} has no mqtt section", retry=False)
    return profile.mqtt


def _offline(device: str, active: bool, edge_at: int, reason: str) -> Event:
    return Event(device, "", "device.offline", active, None, edge_at, {"reason": reason})
