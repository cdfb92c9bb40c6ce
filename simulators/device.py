"""What every simulated device is: a name, acts that can be done to it, tasks that keep it alive."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from simulators.ledger import Ledger

_log = logging.getLogger(__name__)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""A device's name, the same as in site.yaml."""


class OrderRefused(Exception):
    """An order that cannot be done; the message says why and what would do."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done to a device. `do` takes the order's further words and answers with
    what was done; it raises OrderRefused.
    """

    form: str
    says: str
    do: Callable[[Sequence[str]], str]


class DeviceSettings(BaseModel):
    """What campus.yaml says of any device; families add their own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Name
    type: str
    traffic_s: float = Field(default=0.0, ge=0.0, le=86_400.0)
    """Mean seconds between two everyday happenings (a passage, a walk); 0: none."""


@dataclass
class Surroundings:
    """What all devices share: the ledger, the clock, the pace of life."""

    ledger: Ledger = field(default_factory=Ledger)
    seed: int = 1
    speed: float = 1.0
    """How many times faster than real everyday life and incidents run; device physics does not."""
    life: bool = True
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody listens to the campus. Nothing happens by itself before: a press that nobody can
    hear yet, because the edge is still starting, would be lost without anyone's fault. Orders do not wait.
    """

    def chance(self, name: str) -> random.Random:
        """A random source of its own for each name, the same for the same seed."""
        return random.Random(f"{self.seed}:{name}")

    def hour(self) -> float:
        """Hour of the day at the site, 0.0 to 24.0."""
        local = self.now().astimezone(self.time_zone)
        return local.hour + local.minute / 60 + local.second / 3600

    def bustle(self) -> float:
        """How lively the campus is at this hour: 0.25 at night to 1.0 in the school day. Never nothing,
        so that a demo started at midnight lives too.
        """
        hour = self.hour()
        return 0.25 + 0.75 * max(0.0, math.sin(math.pi * min(max(hour - 5.5, 0.0), 16.0) / 16.0))

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds of campus life."""
        await asyncio.sleep(seconds / self.speed)

    def later(self, seconds: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        """Do something after so many seconds of campus life."""
        return self.soon(seconds / self.speed, call)

    def soon(self, seconds: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        """Do something after so many real seconds: the physics of a device, whatever the pace of life."""
        return asyncio.get_running_loop().call_later(seconds, _call_if_possible, call)


class Device:
    """Base of all simulated devices."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        self.name = settings.device
        self.type = settings.type
        self.surroundings = surroundings
        self.chance = surroundings.chance(settings.device)
        self.offline = False
        self.traffic_s = settings.traffic_s

    def acts(self) -> Mapping[str, Act]:
        """What can be done to the device, by verb."""
        return {
            "offline": Act("on|off", "the device stops speaking, or speaks again", self._switch_offline),
        }

    def parts(self) -> Mapping[str, str]:
        """Named parts of the device (a button of an input module): name → the word that stands for it."""
        return {}

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What runs while the campus runs. The coroutines end only by cancellation."""
        return [self._live()] if self.traffic_s > 0 and self.surroundings.life else []

    def go_about(self) -> None:
        """One everyday happening; devices with `traffic_s` do something here."""

    def connect(self, online: bool) -> None:
        """The device is to fall silent (False) or to speak again (True)."""
        self.offline = not online

    def report(self, kind: str, active: bool | None, address: str = "", identity: str = "") -> datetime:
        """Put into the ledger what is about to be said; returns the time that it bears."""
        at = self.surroundings.now()
        self.surroundings.ledger.write(self.name, address, kind, active, at, identity=identity)
        return at

    def require_online(self) -> None:
        """Raise OrderRefused where the device cannot say anything at present."""
        if self.offline:
            raise OrderRefused(f"{self.name} is offline; say: offline {self.name} off")

    def _switch_offline(self, words: Sequence[str]) -> str:
        offline = read_switch(words)
        if offline == self.offline:
            return f"{self.name} is {'offline' if offline else 'online'} already"
        self.report("device.offline", offline)
        self.connect(not offline)
        return f"{self.name} is {'offline' if offline else 'online'}"

    async def _live(self) -> None:
        await self.surroundings.heard.wait()
        while True:
            mean = self.traffic_s / self.surroundings.bustle()
            await self.surroundings.pause(min(self.chance.expovariate(1.0 / mean) + 1.0, 6 * mean))
            if not self.offline:
                _call_if_possible(self.go_about)


def _call_if_possible(call: Callable[[], object]) -> None:
    try:
        call()
    except OrderRefused as refusal:
        _log.debug("left undone: %s", refusal)


def read_switch(words: Sequence[str]) -> bool:
    """`on` or `off`, on where nothing is said. Raises OrderRefused."""
    word = words[0] if words else "on"
    if len(words) > 1 or word not in ("on", "off"):
        raise OrderRefused(f"{' '.join(words)!r}: say on or off")
    return word == "on"


def read_number(words: Sequence[str], what: str, lowest: int, highest: int) -> int:
    """The first word as a number within limits. Raises OrderRefused."""
    try:
        number = int(words[0])
    except (IndexError, ValueError):
        raise OrderRefused(f"{what} missing: a number from {lowest} to {highest}") from None
    if not lowest <= number <= highest:
        raise OrderRefused(f"{what} {number}: {lowest} to {highest}")
    return number


def read_nothing(words: Sequence[str]) -> None:
    """The order takes no further words. Raises OrderRefused."""
    if words:
        raise OrderRefused(f"{' '.join(words)!r} is too much for this order")
