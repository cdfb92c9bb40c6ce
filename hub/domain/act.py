"""A person's act: who does what to which thing, where and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `kind` is noun.verb: `alarm.acknowledge`, `alarm.silence`, `alarm.verify`,
    `alarm.reset`, `alarm.raise`, `alarm.respond`, `hazard.report`, `hazard.<action>`, `incident.start`,
    `incident.<action>`, `incident.step`, `command.request`. `target` is the thing's number or id as
    text, empty for what makes a new one.
    """

    site: str
    actor: str
    """Account id."""
    station: str
    """Where from: the session's station."""
    kind: str
    target: str
    reason: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    client: str = ""
    """The address that the request came from, as far as it is to be believed."""
