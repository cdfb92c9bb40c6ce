"""How measured values move: with the hour of the day, and slowly towards what has happened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


def at_hour(mean: float, swing: float, hour: float) -> float:
    """A value that is lowest at four in the morning and highest at four in the afternoon."""
    return mean - swing * math.cos((hour - 4.0) / 24.0 * 2.0 * math.pi)


class Drift:
    """A value on its way to a target: after `settle_s` seconds it has gone 63 % of the way."""

    def __init__(self, value: float, settle_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._from = value
        self._to = value
        self._settle_s = settle_s
        self._monotonic = monotonic
        self._since = monotonic()

    def aim(self, target: float) -> None:
        """Set out for a new target from wherever the value is now."""
        self._from = self.value()
        self._to = target
        self._since = self._monotonic()

    def value(self) -> float:
        """The value at this moment."""
        gone = math.exp(-(self._monotonic() - self._since) / self._settle_s)
        return self._to + (self._from - self._to) * gone
