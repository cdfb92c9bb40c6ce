"""The driver to copy: lines of text over TCP, `input-1 on` or `input-1 off`. Tier: bronze.

Copy this file, rename it, change what is between the marks, register it in pyproject.toml under
`sanfang.adapters`, add its golden case and test. What a product says belongs in a profile; this one has
a single meaning (`input.active`) and so needs none of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from adapters.base import Adapter, AdapterError, Clock, DeviceSettings, Observation
from adapters.connection import ConnectionDocument, check_document, read_document
from adapters.contract.message import Attribute, Event
from adapters.profile import Profile

NAME: Final = "blueprint"
TIER: Final[Literal["bronze", "silver", "gold"]] = "bronze"


class Connection(ConnectionDocument):
    """The keys of a connection of this driver; unknown ones are refused."""

    host: str
    port: int = Field(ge=1, le=65_535)
    timeout_s: float = Field(default=5.0, gt=0)


class BlueprintAdapter:
    """One connection and all devices on it, by their addresses."""

    def __init__(self, connection: Connection, devices: Sequence[DeviceSettings], clock: Clock) -> None:
        self._connection = connection
        self._devices = {device.address: device for device in devices}
        self._clock = clock
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        place = self._connection
        try:
            async with asyncio.timeout(place.timeout_s):
                self._streams = await asyncio.open_connection(place.host, place.port)
        except (OSError, TimeoutError) as error:
            raise AdapterError(f"{place.host}:{place.port}: {error}", retry=True) from None

    async def observations(self) -> AsyncIterator[Observation]:
        if self._streams is None:
            raise AdapterError("not open", retry=True)
        reader, _ = self._streams
        while line := await reader.readline():
            if event := self._understand(line):
                yield Observation((event,), ())
        # The host opens it again after a pause and reports its devices offline meanwhile.
        raise AdapterError("the device hung up", retry=True)

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    def _understand(self, line: bytes) -> Event | None:
        # -- the protocol: begin --
        address, _, word = line.decode("ascii", "replace").strip().partition(" ")
        device = self._devices.get(address)
        active = {"on": True, "off": False}.get(word)
        # -- the protocol: end --
        if device is None:
            return None
        at = self._clock.now_us()
        if active is None:
            # Unknown is kept raw and said aloud; it is never guessed.
            attributes: dict[str, Attribute] = {"reason": "neither on nor off", "raw_code": word[:80]}
            return Event(device.device, "", "intake.unreadable", None, None, at, attributes, line[:200])
        return Event(device.device, "", "input.active", active, None, at, raw=line[:200])


def check(
    connection: Mapping[str, Any], devices: Sequence[DeviceSettings], profiles: Mapping[str, Profile]
) -> list[str]:
    """Every fault of a connection and its devices."""
    faults = check_document(Connection, connection)
    addresses = [device.address for device in devices]
    faults += [
        f"device {device.device}: address: {device.address!r}: stands twice"
        for n, device in enumerate(devices)
        if device.address in addresses[:n]
    ]
    return faults


def build(
    connection: Mapping[str, Any],
    devices: Sequence[DeviceSettings],
    profiles: Mapping[str, Profile],
    clock: Clock,
) -> Adapter:
    """An adapter for one connection."""
    document = read_document(Connection, connection, check(connection, devices, profiles))
    return BlueprintAdapter(document, devices, clock)
