"""People by the roster: who stands at which post now. Ids only; names stay with whoever may read them."""

from __future__ import annotations

from hub.domain.roster import Duty
from hub.store.database import Connection
from hub.store.roster import load_duty


def duty_of(connection: Connection, site: str) -> Duty:
    """The site's roster."""
    return load_duty(connection, site)
