"""Lets raw data go when its time is over. Evidence that an alarm cites was copied out before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from hub.jobs.chore import Chore
from hub.store.database import Connection
from hub.store.migration import layout_of
from hub.store.partition import drop_day, held_days

KEPT_DAYS: Final[Mapping[str, int]] = MappingProxyType({"readings": 30, "events": 190})
"""Raw readings for a month; events for the 180 days that an audit may ask for, and some more."""


def oldest_kept(now: datetime) -> dict[str, date]:
    """Per table the first day that is kept."""
    today = now.astimezone(UTC).date()
    return {table: today - timedelta(days=days) for table, days in KEPT_DAYS.items()}


def drop_old(connection: Connection, _sites: list[str], now: datetime) -> int:
    """Drop what is older; returns the number of days dropped."""
    layout = layout_of(connection)
    dropped = 0
    for table, first in oldest_kept(now).items():
        for day in held_days(connection, layout, table):
            if day < first:
                drop_day(connection, layout, table, day)
                dropped += 1
    return dropped


CHORE: Final = Chore("retention", 3600.0, drop_old)
