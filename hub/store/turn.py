"""One turn at a site: the open transaction, its moment, and who acts; journals on their behalf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.store.database import Connection
from hub.store.journal import append_journal

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

    def journal(self, subject: str, kind: str, body: Mapping[str, Any]) -> int:
        """One journal row in the actor's name; where a person acted, it says from which station."""
        told = {**body, "station": self.station} if self.station else body
        return append_journal(
            self.connection,
            self.site,
            at=self.at,
            actor=self.actor,
            subject=subject,
            kind=kind,
            body=told,
        )
