"""How strange a value of a slow signal is, and in which way, by nothing later than itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final

from hub.rules.deviation.history import Recent, Usual
from hub.rules.deviation.surprise import SPAN, Drift, Hour, Jump, Level, Shape, Stuck, Surprise

ENOUGH: Final = 100
"""Rows before the detector says anything: less is not known to be usual."""

STRANGE: Final = 1.4
"""A score from which a row is worth a look."""

_MOST_OF_ONE: Final = 3.0
"""What one kind of surprise may add at most: strange in several ways outweighs very strange in one."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """`score` 0 to 3, higher is stranger; None: nothing can be said. `reason`: the strongest kind, or why."""

    score: float | None
    reason: str


class Detector:
    """One signal; `take` its values in order of time. Memory is bounded (1.5 MB), a row costs about 0.3 ms."""

    def __init__(self) -> None:
        self._recent = Recent(SPAN)
        self._kinds: dict[str, tuple[Surprise, Usual]] = {
            name: (surprise, Usual())
            for name, surprise in (
                ("jump", Jump()),
                ("level", Level()),
                ("drift", Drift()),
                ("hour", Hour()),
                ("stuck", Stuck()),
                ("course of 6 rows", Shape(6)),
                ("course of 24 rows", Shape(24)),
                ("course of 48 rows", Shape(48)),
                ("contour", Shape(24, level=False)),
            )
        }

    def take(self, at: datetime | None, value: float | None) -> Deviation:
        """Judge a value, then learn it; one that is missing or no number is neither judged nor learned.

        `at` in the school's own time zone (the hour of the day counts); None where it is not known.
        """
        if value is None or not isfinite(value):
            return Deviation(None, "no value")
        scores = {
            name: min(usual.compare(surprise.take(at, value, self._recent)), _MOST_OF_ONE)
            for name, (surprise, usual) in self._kinds.items()
        }
        self._recent.add(value)
        if self._recent.count <= ENOUGH:
            return Deviation(None, f"learning: row {self._recent.count} of {ENOUGH}")
        strongest = max(scores, key=lambda name: scores[name])
        return Deviation(sum(scores.values()) / len(scores), strongest)
