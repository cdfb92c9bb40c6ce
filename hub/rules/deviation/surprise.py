"""Kinds of surprise in a slow signal, each by what came before only; raw, in the series' own unit or a ratio.

Robust throughout: medians and inner quantiles, so that one fault does not teach the detector to expect faults
(F. R. Hampel, The influence curve and its role in robust estimation, 1974). The shapes follow the k-nearest-
neighbour novelty of E. Burnaev and V. Ishimtsev (Conformalized density- and distance-based anomaly detection
in time-series data, 2016).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from datetime import datetime
from typing import Final

import numpy as np

from hub.rules.deviation.history import Recent

SPAN: Final = 3000
"""How many rows back anything is remembered: ten days at five minutes."""


class Surprise(ABC):
    """One way in which a value can be strange."""

    @abstractmethod
    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        """How strange `value` is after `recent` (it is not in there yet); 0: not at all, or not known yet."""


class Jump(Surprise):
    """The step from the row before."""

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        return abs(value - float(recent.last(1)[0])) if recent.count else 0.0


class Level(Surprise):
    """The distance from the median, in half the width of the middle two thirds; looked up every tenth row."""

    _LEAST: Final = 20
    _SPAN: Final = 2000

    def __init__(self) -> None:
        self._middle = 0.0
        self._width = 1.0

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        if recent.count < self._LEAST:
            return 0.0
        if recent.count % 10 == 0:
            known = recent.last(self._SPAN)
            low, self._middle, high = (float(each) for each in np.quantile(known, (0.16, 0.5, 0.84)))
            self._width = max((high - low) / 2, float(known.std()) / 10) or 1.0
        return abs(value - self._middle) / self._width


class Drift(Surprise):
    """The mean of the newest day-part (24 rows) against the mean of the thousand rows before."""

    _SHORT: Final = 24
    _LONG: Final = 1000
    _LEAST: Final = 60

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        if recent.count < self._LEAST:
            return 0.0
        known = recent.last(self._SHORT - 1 + self._LONG)
        newest = (float(known[-(self._SHORT - 1) :].sum()) + value) / self._SHORT
        return abs(newest - float(known[: -(self._SHORT - 1)].mean()))


class Hour(Surprise):
    """The distance from what this half hour has on this kind of day: Monday to Friday, or the weekend."""

    _LEAST: Final = 12
    _KEPT: Final = 60

    def __init__(self) -> None:
        self._by_hour: defaultdict[tuple[int, bool], deque[float]] = defaultdict(
            lambda: deque(maxlen=self._KEPT)
        )

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        if at is None:
            return 0.0
        known = self._by_hour[(at.hour * 2 + at.minute // 30, at.weekday() >= 5)]
        raw = abs(value - float(np.median(known))) if len(known) >= self._LEAST else 0.0
        known.append(value)
        return raw


class Stuck(Surprise):
    """How long the very same value has stood, in rows."""

    def __init__(self) -> None:
        self._value: float | None = None
        self._rows = 0

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        self._rows = self._rows + 1 if value == self._value else 0
        self._value = value
        return float(self._rows)


class Shape(Surprise):
    """The distance of the newest `rows` rows from the third nearest stretch among those seen.

    At most 3000 stretches are kept, later ones in place of one drawn by a fixed seed: the same series has
    always the same score. `level=False` takes the mean out: the contour alone.
    """

    _NEAREST: Final = 3
    _LEAST: Final = 50

    def __init__(self, rows: int, *, level: bool = True) -> None:
        self._rows = rows
        self._level = level
        self._known = np.zeros((SPAN, rows), dtype=np.float32)
        self._count = 0
        self._draw = np.random.default_rng(1)
        self._scale = 1.0

    def take(self, at: datetime | None, value: float, recent: Recent) -> float:
        if recent.count < self._rows:
            return 0.0
        if recent.count % 50 == 0 or self._count == 0:
            low, high = np.quantile(recent.last(SPAN), (0.05, 0.95))
            self._scale = float(high - low) or float(recent.last(SPAN).std()) or 1.0
        newest = np.append(recent.last(self._rows - 1), value)
        if not self._level:
            newest -= newest.mean()
        # Stretches that overlap the newest would always be near; until the store is full they are its end.
        usable = self._count - self._rows if self._count < SPAN else SPAN
        raw = 0.0
        if usable >= self._LEAST:
            apart = self._known[:usable] - newest.astype(np.float32)
            squares = np.einsum("ij,ij->i", apart, apart)
            third = float(np.partition(squares, self._NEAREST - 1)[self._NEAREST - 1])
            raw = (third / self._rows) ** 0.5 / self._scale
        at_row = self._count if self._count < SPAN else int(self._draw.integers(SPAN))
        self._known[at_row] = newest
        self._count = min(self._count + 1, SPAN)
        return raw
