"""The one place where the edge asks what time it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Time as the edge's parts take it."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC; may jump when the machine's clock is set."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back and go on counting while the machine sleeps."""

    def monotonic_s(self) -> float:
        """Seconds comparable with the event loop's `time()`."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(_STEADY) // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


# CLOCK_BOOTTIME counts through suspension, so that an item's age does; not every system has it.
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def read_boot() -> str:
    """What tells this boot of the machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
