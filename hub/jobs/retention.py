"""Lets go what has been kept long enough: by whole days, and of ordinary tables at most 100 rows per turn.

Evidence that an alarm cites was copied before. A day's readings go only once all of them are in the roll-ups.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Final

from hub.clock import steady_s
from hub.domain.retention import DEFAULT, Kept
from hub.jobs.chore import MOST_PER_TURN, Chore
from hub.store.database import Connection, site_turn, transaction
from hub.store.liveness import load_liveness
from hub.store.migration import layout_of
from hub.store.partition import TABLES, drop_day, held_days
from hub.store.retention import (
    DOMAIN,
    RECORDS,
    MakeSeal,
    drop_rollups,
    is_rolled_up,
    prune_journal,
    prune_sessions,
)

_log: Final = logging.getLogger(__name__)

EVERY_S: Final = 3_600.0
LEAP: Final = timedelta(days=30)
"""A clock that is so much further than when the chores were last there may be wrong: a hub at 2106 would drop
all that it has. Nothing goes until it has run with it for `DOUBT_S`, so that somebody can see it and set it."""
DOUBT_S: Final = 86_400.0
RUN_S: Final = 0.5
"""A run ends after so long and goes on at the next second: deadlines wait for no cleaning."""
_MOST_RECORDS: Final = 1_000
_LEVELS: Final = {"rollup_minute": 60, "rollup_quarter": 900, "rollup_hour": 3_600}


def first_kept(kept: Kept, name: str, now: datetime) -> date | None:
    """The first day of a class that is kept; None where all are. Pure."""
    days = kept[name]
    return None if days is None else now.astimezone(UTC).date() - timedelta(days=days)


class Retention:
    """What the chore remembers: when it looked last, and what is left of that round."""

    def __init__(self, seal: MakeSeal, kept: Kept = DEFAULT) -> None:
        self._seal = seal
        self._kept = kept
        self._began_s = float("-inf")
        self._left: list[tuple[str, str]] = []
        self._seen: tuple[datetime, float] | None = None
        self._held_until_s = float("-inf")

    @property
    def busy(self) -> bool:
        """Whether a round is not at its end yet."""
        return bool(self._left)

    def work(self, connection: Connection, sites: list[str], now: datetime) -> int:
        """Go on with a round, or begin one where it is time; returns days dropped and rows taken out."""
        began_s = steady_s()
        done = 0
        if self._doubts(connection, now, began_s):
            return 0
        if not self._left:
            if began_s - self._began_s < EVERY_S:
                return 0
            self._began_s = began_s
            done += self._drop(connection, now)
            self._left = [(name, site) for site in sites for name in (*DOMAIN, "journal", *RECORDS)]
            self._left.append(("sessions", ""))
        while self._left and steady_s() - began_s < RUN_S:
            name, site = self._left[0]
            gone, most = self._prune(connection, name, site, now)
            done += gone
            if gone < most:
                self._left.pop(0)
        return done

    def _doubts(self, connection: Connection, now: datetime, now_s: float) -> bool:
        """Whether the clock leapt ahead, while we were away or under our eyes, less than a day ago."""
        if self._seen is None:
            row = load_liveness(connection, "chores")
            self._seen = (row["at"] if row else now, now_s)
        at, at_s = self._seen
        self._seen = (now, now_s)
        if now - at - timedelta(seconds=now_s - at_s) > LEAP:
            self._held_until_s, self._left = now_s + DOUBT_S, []
            _log.warning("the clock leapt from %s to %s: nothing is dropped for a day; is it right?", at, now)
        return now_s < self._held_until_s

    def _drop(self, connection: Connection, now: datetime) -> int:
        layout, dropped = layout_of(connection), 0
        for table in TABLES:
            first = first_kept(self._kept, table, now)
            if first is None:
                continue
            for day in held_days(connection, layout, table):
                if day >= first:
                    break
                if table == "readings" and not is_rolled_up(connection, day):
                    _log.warning("readings of %s are kept on: not all of them are in the roll-ups", day)
                    continue
                drop_day(connection, layout, table, day)
                dropped += 1
        for name, bucket_s in _LEVELS.items():
            first = first_kept(self._kept, name, now)
            if first is not None:
                dropped += drop_rollups(connection, bucket_s, first)
        return dropped

    def _prune(self, connection: Connection, name: str, site: str, now: datetime) -> tuple[int, int]:
        """One bite of a class: how many rows went, and how many could have gone."""
        days = self._kept[name]
        if days is None:
            return 0, 1
        before = now - timedelta(days=days)
        if name == "sessions":
            return prune_sessions(connection, before, _MOST_RECORDS), _MOST_RECORDS
        if name in RECORDS:
            return RECORDS[name](connection, site, before, _MOST_RECORDS), _MOST_RECORDS
        with transaction(connection):
            site_turn(connection, site)
            if name == "journal":
                return prune_journal(connection, site, before, MOST_PER_TURN, self._seal), MOST_PER_TURN
            return DOMAIN[name](connection, site, before, MOST_PER_TURN), MOST_PER_TURN


def retention_chore(seal: MakeSeal, kept: Kept = DEFAULT) -> Chore:
    """The chore, with what seals a pruned journal and how long each class is kept."""
    return Chore("retention", 1.0, Retention(seal, kept).work)
