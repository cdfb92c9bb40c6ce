"""A limit with hysteresis: over it from `above`/`below` on, back only past `clear`."""

from __future__ import annotations

import math
from enum import Enum, auto

from hub.domain.judgement import ReadingInput
from hub.rules.field import Point
from hub.rules.rule import Rule


class Side(Enum):
    """Where a reading stands. `UNKNOWN`: no usable value, which is neither over nor back."""

    OVER = auto()
    BETWEEN = auto()
    """In the hysteresis: whatever it was before."""
    BACK = auto()
    UNKNOWN = auto()


class LimitRule(Rule):
    """The keys of a rule on one point's readings."""

    point: Point | None = None
    above: float | None = None
    below: float | None = None
    clear: float | None = None

    def limit_faults(self) -> list[str]:
        """What is wrong with the limit."""
        if self.point is None:
            return ["point: is missing; name the point whose readings are judged"]
        limit = self.above if self.above is not None else self.below
        if (self.above is None) == (self.below is None) or limit is None:
            return ["above: give exactly one of `above` and `below`; remove or add one"]
        if not math.isfinite(limit) or self.clear is None or not math.isfinite(self.clear):
            return ["clear: the hysteresis needs numbers; say at which value it is over again"]
        if self.above is not None and self.clear >= self.above:
            return [f"clear: {self.clear} is not below {self.above}; choose a smaller one"]
        if self.below is not None and self.clear <= self.below:
            return [f"clear: {self.clear} is not above {self.below}; choose a larger one"]
        return []


class Limit:
    """Plain comparisons, compiled from a rule whose limit has no faults."""

    def __init__(self, rule: LimitRule) -> None:
        above, below, clear = rule.above, rule.below, rule.clear
        if rule.point is None or clear is None or (above is None and below is None):
            raise AssertionError("a rule with faults is never judged")
        self.point = rule.point
        self._sign = 1.0 if above is not None else -1.0
        self.limit = above if above is not None else (below or 0.0)
        self._over = self._sign * self.limit
        self._clear = self._sign * clear

    def quiet(self) -> tuple[float, float]:
        """The values, bounds included, that are not over."""
        return (-math.inf, self.limit) if self._sign > 0 else (self.limit, math.inf)

    def side(self, reading: ReadingInput) -> Side:
        """Where the reading stands; NaN, infinities and unusable qualities are unknown."""
        if not reading.quality.usable or not math.isfinite(reading.value):
            return Side.UNKNOWN
        value = self._sign * reading.value
        if value > self._over:
            return Side.OVER
        return Side.BACK if value <= self._clear else Side.BETWEEN
