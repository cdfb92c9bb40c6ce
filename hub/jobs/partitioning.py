"""Makes the partitions of the coming days ahead of time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.jobs.chore import Chore
from hub.store.database import Connection
from hub.store.migration import layout_of
from hub.store.partition import open_partitions


def make_ahead(connection: Connection, _sites: list[str], now: datetime) -> int:
    """Make what is missing of the open range; returns the number of partitions made."""
    return len(open_partitions(connection, layout_of(connection), now))


CHORE: Final = Chore("partitioning", 600.0, make_ahead)
