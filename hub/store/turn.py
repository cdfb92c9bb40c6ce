"""One turn at a site: the open transaction, its moment, and who acts; journals on their behalf.

A deferred turn keeps alarms, hazards and journal rows in memory and writes them together at `write`, in the
order in which they came: a backlog of alarms costs a few statements, not a few per alarm. Whoever opened it
calls `write` before the turn ends, and before anything reads alarms or hazards by SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.domain.escalation import EscalationPolicy
from hub.store.alarm import OpenAlarms
from hub.store.database import Connection
from hub.store.hazard import LastHazards
from hub.store.journal import JournalLine, append_lines
from hub.store.roster import load_escalation

WORKER = "system:worker"
CHORES = "system:chores"


@dataclass(frozen=True, slots=True)
class Turn:
    """What every desk needs to change a site: the caller opened the transaction and took the turn."""

    connection: Connection
    site: str
    at: datetime
    """The hub's clock, aware UTC, read once by whoever opened the turn."""
    actor: str = WORKER
    station: str = ""
    client: str = ""
    """The address of who acts; empty for the hub's own programs."""
    deferred: bool = False
    alarms: OpenAlarms = field(init=False, compare=False, repr=False)
    """The site's open alarms, as this turn has changed them."""
    hazards: LastHazards = field(init=False, compare=False, repr=False)
    """The site's newest hazards, as this turn has changed them."""
    _lines: list[JournalLine] = field(default_factory=list, init=False, compare=False, repr=False)
    _policy: list[EscalationPolicy] = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alarms", OpenAlarms(self.connection, self.site, deferred=self.deferred))
        object.__setattr__(self, "hazards", LastHazards(self.connection, self.site, deferred=self.deferred))

    def journal(self, subject: str, kind: str, body: Mapping[str, Any]) -> None:
        """One journal row in the actor's name; where a person acted, it says from which station and address."""
        where = {"station": self.station, "client": self.client}
        told = {**body, **{name: value for name, value in where.items() if value}}
        self._lines.append(JournalLine(self.at, self.actor, subject, kind, told))
        if not self.deferred:
            self.write()

    def escalation(self) -> EscalationPolicy:
        """Who hears of an unacknowledged alarm, and when; read once a turn."""
        if not self._policy:
            self._policy.append(load_escalation(self.connection, self.site))
        return self._policy[0]

    def write(self) -> None:
        """Write what is still in memory only."""
        self.alarms.write()
        self.hazards.write()
        if self._lines:
            append_lines(self.connection, self.site, self._lines)
            self._lines.clear()
