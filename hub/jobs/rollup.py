"""Keeps the roll-ups up to date, in windows short enough that alarms' deadlines never wait behind them.

A window is as long as `AIM_S` of work allows: the next one is made longer or shorter by what the last one took.
Behind by a week's backfill, a run works until `RUN_S` is used up and goes on at the next second.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hub.clock import steady_s
from hub.domain.error import StoreUnavailable
from hub.jobs.chore import Chore
from hub.store.database import Connection
from hub.store.migration import layout_of
from hub.store.rollup import Window, begin_rollups, full_minute, roll_up, rollup_standings, summarize_new

_log: Final = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""So often it is looked whether there is something to do."""
SETTLED_S: Final = 5.0
"""A minute is rolled up so long after its end: what comes within that time is written with it."""
AIM_S: Final = 0.15
RUN_S: Final = 0.5
_LEAST: Final = timedelta(microseconds=1)
_MOST: Final = timedelta(days=1)
_FIRST: Final = timedelta(hours=1)


class Rollups:
    """What the chore remembers between two runs: who is behind, and how long a window may be."""

    def __init__(self) -> None:
        self._looked_s = float("-inf")
        self._behind: list[Window] = []
        self._length = _FIRST
        self._dense_until: datetime | None = None
        """Up to here windows do not grow: somewhere before it lies more than one statement takes."""

    @property
    def behind(self) -> bool:
        """Whether there was more to do than the time of a run allowed."""
        return bool(self._behind)

    def work(self, connection: Connection, _sites: list[str], _now: datetime) -> int:
        """Roll up what is due, as far as the time of a run goes; returns the number of readings."""
        began_s = steady_s()
        if not self._behind:
            if began_s - self._looked_s < LOOK_S:
                return 0
            self._looked_s = began_s
            self._look(connection)
        done = 0
        while self._behind and steady_s() - began_s < RUN_S:
            done += self._step(connection)
        return done

    def _look(self, connection: Connection) -> None:
        for standing in rollup_standings(connection):
            if standing.recorded is None:
                continue
            mark = standing.rolled
            if mark is None:
                mark = begin_rollups(connection, layout_of(connection), standing.site, standing.recorded)
            end = full_minute(standing.recorded, SETTLED_S)
            if mark < end:
                self._behind.append(Window(standing.site, mark, end))
        if self._behind:
            summarize_new(connection)

    def _step(self, connection: Connection) -> int:
        """The next window of all sites that are behind."""
        behind, self._behind = self._behind, []
        now, later = next_windows(behind, self._length)
        began_s = steady_s()
        try:
            done = roll_up(connection, now)
        except StoreUnavailable:
            # Too much for one statement's time: less next time. A connection that is gone, or a window of one
            # batch that does not go, is for the runner.
            length, self._length = self._length, max(_LEAST, self._length / 64)
            self._dense_until = max(each.end for each in now)
            if connection.closed or length == _LEAST:
                raise
            _log.warning("a window of %s was too much for one statement", length)
            self._behind = behind
            return 0
        length = next_length(self._length, steady_s() - began_s)
        if self._dense_until is not None and max(each.end for each in now) >= self._dense_until:
            self._dense_until = None
        self._length = length if self._dense_until is None else min(length, self._length)
        self._behind = later
        return done


def next_windows(behind: Sequence[Window], length: timedelta) -> tuple[list[Window], list[Window]]:
    """What of the windows lies within `length` of the oldest beginning, and what remains. Pure."""
    until = min(each.begin for each in behind) + length
    now = [Window(each.site, each.begin, min(each.end, until)) for each in behind if each.begin < until]
    later = [Window(each.site, max(each.begin, until), each.end) for each in behind if each.end > until]
    return now, later


def next_length(length: timedelta, took_s: float) -> timedelta:
    """How long the next window is, so that it takes about `AIM_S`: at most twice, at least a tenth. Pure."""
    factor = min(2.0, max(0.1, AIM_S / max(took_s, 1e-6)))
    return min(_MOST, max(_LEAST, length * factor))


def rollup_chore() -> Chore:
    """The chore, knowing nothing yet."""
    return Chore("rollup", 1.0, Rollups().work)
