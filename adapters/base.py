"""What every driver offers its host, and what it is given. A driver never sees its host: it returns
observations; the host (the edge's supervisor) owns storing, restarting, logging and de-duplication.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from adapters.contract.message import Attribute, Command, Event
from adapters.contract.vocabulary import Quality

if TYPE_CHECKING:
    from adapters.profile import Profile


class AdapterError(Exception):
    """A driver cannot go on. `retry` says whether the same settings may work later: a refused
    connection may, a wrong password or an impossible profile may not.
    """

    def __init__(self, detail: str, *, retry: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry = retry


class Clock(Protocol):
    """Where a driver gets its time from; the host passes the real one, a test its own."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back; comparable with the event loop's `time()`."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One device as the site's configuration names it, as far as the edge needs to know."""

    device: str
    family: str
    connection: str
    profile: str
    address: str
    """What the profile's `{address}` is (MQTT), the unit id (Modbus), a path (camera)."""
    addresses: tuple[str, ...] = ()
    """Sub-addresses that the site names: detectors of a panel, doors of a controller."""
    parameters: Mapping[str, Attribute] = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    """Command kinds that the hub may send to this device; none unless the site says so."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a point. `value` is NaN where `quality` is bad or missing."""

    device: str
    address: str
    point: str
    value: float
    quality: Quality
    observed_at: int | None
    """Microseconds since the epoch by the device's clock; None where the device gives no time."""
    replayed: bool = False
    """Out of a memory, such as a broker's retained message: true when it was said, not news now."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One device message or one poll, normalised.

    Events are reported as the driver hears them: a condition may be reported again unchanged, and
    the host passes on changes only. An event with an `identity` that the host has stored for the
    same (device, address, kind) is a repeat, be it momentary or a condition: a device sends its
    last messages again after a reconnect. `fresh` excepts the case in which the driver saw the
    thing happen with its own eyes (a counter that rose between two polls): such an event is new
    even when its identity was seen before, as after a device restarted and counts from 0.
    """

    events: tuple[Event, ...]
    readings: tuple[Reading, ...]
    settle: Callable[[], Awaitable[None]] | None = None
    """Called once by the host when the spool holds the observation: acknowledges the message to the
    broker, clears a latch. Never raises for a lost connection: the device then repeats itself.
    """
    fresh: bool = False


@runtime_checkable
class Adapter(Protocol):
    """One open connection with all devices on it."""

    async def open(self) -> None:
        """Connect once; raises AdapterError."""

    def observations(self) -> AsyncIterator[Observation]:
        """What the devices say, for ever. The adapter reconnects by itself and reports
        `device.offline` for devices that stop speaking; it raises AdapterError where it cannot go on.
        """

    async def close(self) -> None:
        """Let go of everything; safe to call twice, and without `open`."""


WriteState = Literal["accepted", "confirmed", "unconfirmed", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a write. `confirmed` only when the device's own feedback says so;
    `accepted` where the device took it and has no feedback; `refused` where the profile or the
    device's settings do not allow it, and nothing was sent.
    """

    state: WriteState
    detail: str = ""


@runtime_checkable
class Writes(Protocol):
    """An adapter that can carry out commands (isinstance tells)."""

    async def write(self, command: Command) -> WriteOutcome:
        """Carry out a command and wait for the feedback that the profile names; never raises for
        what the device does or fails to do.
        """


class Driver(Protocol):
    """A driver is a module with these names, registered under the entry point `sanfang.adapters`."""

    NAME: str
    TIER: Literal["bronze", "silver", "gold"]

    def check(
        self,
        connection: Mapping[str, Any],
        devices: Sequence[DeviceSettings],
        profiles: Mapping[str, Profile],
    ) -> list[str]:
        """Every fault of a connection and its devices, each with field, value and cure; none: []."""

    def build(
        self,
        connection: Mapping[str, Any],
        devices: Sequence[DeviceSettings],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> Adapter:
        """An adapter for one connection. `connection` is its document from the settings (with
        `connection` and `driver` in it); for MQTT the host sets `client_id` where the document has
        none: unique and stable per edge and connection, because a persistent session hangs on it.
        Raises AdapterError(retry=False) naming every fault that `check` lists.
        """
