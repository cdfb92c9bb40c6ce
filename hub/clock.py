"""The hub's clock: the one place that asks what time it is. The programs' loops and people's doors ask
here; everything below them is told.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No hub ran before: a machine's clock that stands earlier was never set."""


class _Unset:
    """Stands in for a clock that was never set: goes on from `at` at the steady clock's pace."""

    at: datetime = EARLIEST
    at_s: float = time.monotonic()


def resume_from(newest: datetime | None) -> None:
    """Where the machine's clock was never set (no battery, no time server yet), go on from what was recorded
    last, or from `EARLIEST`: 1970 makes no partition, and no deadline waits for decades. It ends by itself as
    soon as the machine's clock is set.
    """
    if wall_now() < EARLIEST:
        _Unset.at, _Unset.at_s = max(newest or EARLIEST, utc_now()), steady_s()


def wall_now() -> datetime:
    """What the machine's clock says, aware, UTC."""
    return datetime.now(UTC)


def utc_now() -> datetime:
    """Now, aware, UTC."""
    wall = wall_now()
    return wall if wall >= EARLIEST else _Unset.at + timedelta(seconds=steady_s() - _Unset.at_s)


def steady_s() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
