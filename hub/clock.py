"""The hub's clock: the one place that asks what time it is. The programs' loops and people's doors ask
here; everything below them is told.

The hub's time never goes back while a process runs: what was recorded stays before what comes after, and a
deadline is neither forgotten nor due twice. Where the machine's clock is set back by more than `STEP`, the
time goes on at the steady clock's pace until the machine's has caught up, or the process starts anew.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

STEP: Final = timedelta(seconds=1)
"""What NTP slews away by itself is no step."""


class ForwardClock:
    """A wall clock that does not go back. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: datetime | None = None
        self._last_s = 0.0

    def read(self, wall: datetime, steady: float) -> datetime:
        """The time, from what the machine's clock and the steady one say at the same moment."""
        with self._lock:
            now = wall
            if self._last is not None and wall < self._last - STEP:
                now = self._last + timedelta(seconds=max(0.0, steady - self._last_s))
            self._last, self._last_s = now, steady
            return now


_clock: Final = ForwardClock()


def wall_now() -> datetime:
    """What the machine's clock says, aware, UTC."""
    return datetime.now(UTC)


def utc_now() -> datetime:
    """Now, aware, UTC."""
    return _clock.read(wall_now(), steady_s())


def steady_s() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
