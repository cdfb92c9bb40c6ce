"""Is a device's clock wrong, or was its message only late? Pure but for what it remembers of each device.

A time from the future, or further back than any message waits on its way, proves a wrong clock at once. A
time a little in the past does not: a device that was cut off says later what happened then. A wrong
clock is wrong by the same amount again, a delay is not; so the second sighting decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

WAITED_AT_MOST_US: Final = 15 * 60 * 1_000_000
"""So long a message may have waited inside a device."""
SAME_US: Final = 3_000_000
"""Two offsets this close are the same clock."""
APART_US: Final = 10_000_000
"""Two sightings closer together may be one delivery of what had waited."""


@dataclass(slots=True)
class ClockWatch:
    """What is suspected of each device's clock."""

    _suspects: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Device -> (µs behind, when first seen so)."""

    def judge(self, device: str, behind_us: int, at_us: int) -> bool | None:
        """True: the clock is wrong. False: it is right. None: not known yet.

        `behind_us`: the edge's time less the device's word, 0 where they agree; `at_us`: the hub's clock.
        """
        if behind_us == 0:
            self._suspects.pop(device, None)
            return False
        if behind_us < 0 or behind_us > WAITED_AT_MOST_US:
            self._suspects.pop(device, None)
            return True
        before = self._suspects.get(device)
        if before is None or abs(before[0] - behind_us) > SAME_US:
            self._suspects[device] = (behind_us, at_us)
            return None
        return True if at_us - before[1] >= APART_US else None
