"""Lets commands expire whose time is over; "done" without feedback is never claimed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.commands.desk import expire_commands
from hub.jobs.chore import MOST_PER_TURN, Chore
from hub.store.database import Connection, site_turn, transaction


def expire(connection: Connection, sites: list[str], now: datetime) -> int:
    """Expire what is due at every site, a turn each."""
    done = 0
    for site in sites:
        with transaction(connection):
            site_turn(connection, site)
            done += expire_commands(connection, site, at=now, limit=MOST_PER_TURN)
    return done


CHORE: Final = Chore("expiry", 1.0, expire)
