"""What a detector remembers: the newest values of a series, and how its own surprises were distributed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Recent:
    """The newest `size` values, oldest first, as one array: each is written twice, half a buffer apart."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffer = np.zeros(2 * size)
        self._end = 0
        self.count = 0

    def add(self, value: float) -> None:
        at = self.count % self._size
        self._buffer[at] = self._buffer[at + self._size] = value
        self.count += 1
        self._end = at + 1

    def last(self, many: int) -> Values:
        """The newest values, at most `many` and at most the size; a view that the next `add` may change."""
        many = min(many, self.count, self._size)
        end = self._end + self._size
        return self._buffer[end - many : end]


class Usual:
    """The newest surprises of one kind, ranked: what is usual for this very series.

    A raw surprise has the series' unit; divided by what only one row in a hundred exceeded so far, all kinds of
    surprise, and all series, can be read on one scale: 1 is as strange as the strangest hundredth.
    """

    _ENOUGH: Final = 50
    _SHARE: Final = 0.99
    _MOST: Final = 10.0

    def __init__(self, size: int = 3000) -> None:
        self._order: deque[float] = deque()
        self._ranked: list[float] = []
        self._size = size

    def compare(self, raw: float) -> float:
        """0 to 10, 1 at the strangest hundredth; 0 while fewer than 50 rows are known. Learns `raw`."""
        score = self._score(raw)
        insort(self._ranked, raw)
        self._order.append(raw)
        if len(self._order) > self._size:
            del self._ranked[bisect_left(self._ranked, self._order.popleft())]
        return score

    def _score(self, raw: float) -> float:
        if len(self._ranked) < self._ENOUGH:
            return 0.0
        mark = self._ranked[int(self._SHARE * len(self._ranked))]
        if mark <= 0:  # never anything but 0 so far: the first that is more is as strange as can be said
            return self._MOST if raw > 0 else 0.0
        return min(raw / mark, self._MOST)
