"""The hub's clock: the one place that asks what time it is. The programs' loops and people's doors ask
here; everything below them is told.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware, UTC."""
    return datetime.now(UTC)


def steady_s() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
