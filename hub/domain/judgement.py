"""What judging takes in and gives out: inputs by position, verdicts with their reasons, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adapters.contract.vocabulary import Priority, Quality
from hub.domain.command import Precedence

Text = Mapping[str, str]
"""A text for people by language: {"zh": …, "en": …}."""


class EventInput(msgspec.Struct, frozen=True, gc=False):
    """An event as it was stored. `id` is edge/epoch/lane/sequence/index; times are aware UTC.

    A struct, as everything that there is one of for each event of a backlog: made in a tenth of the time.
    """

    id: str
    device: str
    address: str
    zone: str | None
    kind: str
    active: bool | None
    observed_at: datetime
    recorded_at: datetime
    late: bool
    attributes: Mapping[str, str | int | float | bool] = {}


@dataclass(frozen=True, slots=True)
class ReadingInput:
    """One reading of a point that some rule concerns."""

    id: str
    device: str
    address: str
    zone: str | None
    point: str
    value: float
    quality: Quality
    observed_at: datetime
    recorded_at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Quiet:
    """Readings of a series that change nothing as long as no rule remembers the series: those of a usable
    quality whose value lies between the two, bounds included. Feeding them or not is the same.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ActInput:
    """A person's act or mode change: a journal row."""

    seq: int
    at: datetime
    actor: str
    subject: str
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TickInput:
    """Time has come to `at` while the hub was listening; due timers fire."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ListeningInput:
    """The hub listened from `since` to `until`; absence counts only such time."""

    since: datetime
    until: datetime


Input = EventInput | ReadingInput | ActInput | TickInput | ListeningInput


@dataclass(frozen=True, slots=True)
class RuleRef:
    """The rule and version behind a verdict."""

    rule: str
    version: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on: the event or reading, and the values that were looked at."""

    id: str
    observed_at: datetime
    recorded_at: datetime
    device: str | None
    address: str | None
    zone: str | None
    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """The condition holds (or happened): raise, or add an occurrence."""

    rule: RuleRef
    subject: str
    condition: str
    kind: str
    evidence: Evidence
    priority: Priority
    response: Text
    owner_post: str
    late: bool
    silent: bool = False
    unjudged: bool = False
    realarm: bool = False
    """A repeat asks for a new acknowledgement instead of only counting."""
    history: bool = False
    """The condition has changed since (an older change came in later): attach it as evidence to the
    open alarm, or the one that it belongs to; where there is none, raise it as already over."""


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    """The condition ended."""

    rule: RuleRef
    subject: str
    condition: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class EscalateAlarms:
    """A second sign verifies these open alarms: raise their priority."""

    rule: RuleRef
    alarms: tuple[tuple[str, str], ...]
    """(subject, condition) of each."""
    priority: Priority
    evidence: Evidence
    response: Text | None = None
    """What to do now that it is verified; None leaves what the alarm says."""


@dataclass(frozen=True, slots=True)
class OpenHazard:
    """A weakness to rectify."""

    rule: RuleRef
    subject: str
    condition: str
    evidence: Evidence
    grade: str
    due_in: timedelta
    title: Text
    owner_post: str
    checker: str = ""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Start a plan, or propose it (`automatic` False, or late evidence)."""

    rule: RuleRef
    plan: str
    zone: str | None
    evidence: Evidence
    automatic: bool
    alarms: tuple[tuple[str, str], ...] = ()
    """(subject, condition) of the alarms that the incident gathers."""
    verified: bool = False
    """The panel's own start or two independent devices: automatic releases are allowed."""
    commands: tuple[str, ...] = ()
    """Ids of the rule's own orders by the same evidence: whoever gave them, the hub or an edge's reflex, they
    belong to the incident."""


@dataclass(frozen=True, slots=True)
class SendCommand:
    """An order to a device; its id is derived from (rule, version, evidence, device, kind)."""

    rule: RuleRef
    device: str
    address: str
    kind: str
    parameters: Mapping[str, str | int | float | bool]
    precedence: Precedence
    expires_in: timedelta
    evidence: Evidence
    reason: str


Verdict = RaiseAlarm | ClearAlarm | EscalateAlarms | OpenHazard | OpenIncident | SendCommand


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one (rule, subject) after the input at `position`. None: forget it."""

    rule: str
    subject: str
    position: int
    state: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class DeviceFact:
    """What rules may know of a device."""

    device: str
    family: str
    zone: str
    edge: str
    address_zones: Mapping[str, str] = field(default_factory=dict)
    """Zone of an address (a detector on a panel) where it is not the device's own."""
    writes: frozenset[str] = frozenset()
    """Command kinds that its configuration allows."""
    addresses: tuple[str, ...] = ()
    """Sub-addresses that the site names; none where the device is one thing."""


@dataclass(frozen=True, slots=True)
class SiteModel:
    """The places and devices of a site, as far as rules need them."""

    site: str
    devices: Mapping[str, DeviceFact]
    zone_parents: Mapping[str, str | None]
    zone_classes: Mapping[str, str]
    zone_kinds: Mapping[str, str] = field(default_factory=dict)
    """building, floor, room or outdoor."""

    def zone_of(self, device: str, address: str) -> str | None:
        """The zone of a device's address; None for a device that is not known."""
        fact = self.devices.get(device)
        return None if fact is None else fact.address_zones.get(address, fact.zone)

    def zone_path(self, zone: str | None) -> tuple[str, ...]:
        """The zone and its ancestors, innermost first."""
        path: list[str] = []
        while zone is not None and zone not in path:
            path.append(zone)
            zone = self.zone_parents.get(zone)
        return tuple(path)

    def zone_around(self, zone: str | None, kind: str) -> str | None:
        """The innermost zone of a kind around (or at) this one; where there is none, the outermost."""
        path = self.zone_path(zone)
        return next((each for each in path if self.zone_kinds.get(each) == kind), path[-1] if path else None)
