"""What each condition of each device is now; older changes are history and leave no trace here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hub.store.column import flags, moments, texts
from hub.store.database import Connection

ConditionKey = tuple[str, str, str]
"""(device, address, kind)."""


@dataclass(frozen=True, slots=True)
class ConditionState:
    """A condition as it was last seen; `observed_at` guards it against older news."""

    active: bool
    observed_at: datetime
    recorded_at: datetime
    event: str


def load_conditions(connection: Connection, site: str) -> dict[ConditionKey, ConditionState]:
    """Every condition that was ever reported."""
    rows = connection.execute(
        "SELECT device, address, kind, active, observed_at, recorded_at, event FROM condition WHERE site = %s",
        (site,),
    )
    return {(row[0], row[1], row[2]): ConditionState(*row[3:]) for row in rows}


def save_conditions(connection: Connection, site: str, changes: Mapping[ConditionKey, ConditionState]) -> None:
    """Set conditions, unless something newer stands there."""
    keys = sorted(changes)
    states = [changes[key] for key in keys]
    connection.execute(
        "INSERT INTO condition (site, device, address, kind, active, observed_at, recorded_at, event)"
        " SELECT %s, d, a, k, v, o, r, e FROM unnest(%s, %s, %s, %s, %s, %s, %s) AS t(d, a, k, v, o, r, e)"
        " ON CONFLICT (site, device, address, kind) DO UPDATE SET active = EXCLUDED.active,"
        " observed_at = EXCLUDED.observed_at, recorded_at = EXCLUDED.recorded_at, event = EXCLUDED.event"
        " WHERE condition.observed_at <= EXCLUDED.observed_at",
        (
            site,
            texts(key[0] for key in keys),
            texts(key[1] for key in keys),
            texts(key[2] for key in keys),
            flags(state.active for state in states),
            moments(state.observed_at for state in states),
            moments(state.recorded_at for state in states),
            texts(state.event for state in states),
        ),
    )
