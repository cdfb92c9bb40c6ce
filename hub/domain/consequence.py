"""What one desk's change asks of another: returned by desks, worked off by dispatch."""

from __future__ import annotations

from dataclasses import dataclass

from hub.domain.command import Precedence
from hub.domain.judgement import Verdict
from hub.domain.plan import StepCommand


@dataclass(frozen=True, slots=True)
class SuspendDrills:
    """A real alarm broke in."""

    cause: str


@dataclass(frozen=True, slots=True)
class GatherAlarms:
    """These open alarms, by (subject, condition), belong to the incident."""

    incident: int
    alarms: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GatherCommands:
    """These commands, as far as there are such, belong to the incident."""

    incident: int
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderDevices:
    """A step's order, to every fitting device in the incident's zone (or the whole site)."""

    source: str
    """`plan:<name>`, or `person:<account>` for a named emergency release."""
    version: int
    evidence: str
    """`incident:<n>/step:<m>`: the commands' ids derive from it."""
    incident: int
    zone: str | None
    order: StepCommand
    precedence: Precedence
    reason: str


Consequence = Verdict | SuspendDrills | GatherAlarms | GatherCommands | OrderDevices
