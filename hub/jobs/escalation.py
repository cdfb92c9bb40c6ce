"""Escalates alarms that nobody took in time (deadlines by the hub's clock)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.alarms.desk import escalate_due
from hub.jobs.chore import MOST_PER_TURN, Chore
from hub.store.database import Connection, site_turn, transaction


def escalate(connection: Connection, sites: list[str], now: datetime) -> int:
    """Escalate what is due at every site, a turn each."""
    done = 0
    for site in sites:
        with transaction(connection):
            site_turn(connection, site)
            done += escalate_due(connection, site, at=now, limit=MOST_PER_TURN)
    return done


CHORE: Final = Chore("escalation", 1.0, escalate)
