"""Makes the partitions of the coming days ahead of time, and closes the chunks that TimescaleDB made itself."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.jobs.chore import Chore
from hub.store.database import Connection
from hub.store.migration import layout_of
from hub.store.partition import open_partitions
from hub.store.wall import close_chunks


def make_ahead(connection: Connection, _sites: list[str], now: datetime) -> int:
    """Make what is missing of the open range; returns the number of partitions made and chunks closed."""
    return len(open_partitions(connection, layout_of(connection), now)) + close_chunks(connection)


CHORE: Final = Chore("partitioning", 600.0, make_ahead)
