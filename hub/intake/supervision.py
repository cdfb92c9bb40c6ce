"""What the hub itself notices about edges and about its own parts: silence is a signal (invariant 12).

Memory of what was heard, and pure questions to it; `now_s` is a steady clock's seconds. The answers
are the conditions as they should be; what is no change is dropped where they are written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.contract.message import Heartbeat
from hub.intake.clock import TOLERANCE_US, ClockSight
from hub.intake.held import DRIFT, OFFLINE
from hub.intake.parcel import Notice

LOST_AFTER_S: Final = 30.0
"""An edge without a heartbeat for this long, while the hub was listening, is offline."""
CHORES_LOST_AFTER_S: Final = 10.0
BROKER_LOST_AFTER_S: Final = 10.0
UNVERIFIED_AFTER: Final = 3
"""Frames with a bad MAC before it is an alarm."""
_UNVERIFIED_FOR_S: Final = 600.0
_SHOWN_FOR_S: Final = 60.0
"""What has no end of its own is shown as active for this long after it was last seen."""


@dataclass(slots=True)
class EdgeWatch:
    """What one edge has let the hub know of it since this worker began."""

    edge: str
    heard_s: float | None = None
    sight: ClockSight | None = None
    """The edge's clock, at its last heartbeat."""
    settings_applied: int | None = None
    settings_error: str = ""
    unverified: deque[float] = field(default_factory=lambda: deque(maxlen=UNVERIFIED_AFTER))
    incompatible_s: float | None = None
    dropped_s: float | None = None
    cloned_s: float | None = None
    _epoch: int | None = None
    _left: set[int] = field(default_factory=set)

    @property
    def device(self) -> str:
        """The edge as a subject of alarms."""
        return f"edge:{self.edge}"

    def hear(self, heartbeat: Heartbeat, epoch: int, at_us: int, now_s: float) -> None:
        """A heartbeat came. One from an epoch that another had followed tells of a clone."""
        self.heard_s = now_s
        self.sight = ClockSight(heartbeat.edge_at - at_us, heartbeat.uptime_ms, at_us)
        self.settings_applied = heartbeat.settings_version
        self.settings_error = heartbeat.settings_error
        if epoch in self._left:
            self.cloned_s = now_s
        if self._epoch is not None and self._epoch != epoch:
            self._left.add(self._epoch)
        self._epoch = epoch

    def notices(self, listening_since_s: float, now_s: float) -> list[Notice]:
        """Each condition of the edge as it should be now; none where it cannot be known yet."""
        found = [
            *self._lasting("edge.cloned", self.cloned_s, _SHOWN_FOR_S, listening_since_s, now_s),
            *self._lasting("edge.incompatible", self.incompatible_s, _SHOWN_FOR_S, listening_since_s, now_s),
            *self._dropping(now_s),
            *self._lasting("edge.unverified", self._doubted_s(), _UNVERIFIED_FOR_S, listening_since_s, now_s),
        ]
        # Whoever speaks another version is there: one cause, one alarm.
        spoke_s = max((at for at in (self.heard_s, self.incompatible_s) if at is not None), default=None)
        since = max(listening_since_s, spoke_s if spoke_s is not None else listening_since_s)
        if now_s - since > LOST_AFTER_S:
            found.append(Notice(OFFLINE, self.device, True, {"silent_s": round(now_s - since)}))
        elif spoke_s is not None and now_s - spoke_s <= LOST_AFTER_S:
            found.append(Notice(OFFLINE, self.device, False))
        if self.sight is not None:
            offset_us = self.sight.offset_us
            seconds = round(offset_us / 1e6, 1)
            found.append(Notice(DRIFT, self.device, abs(offset_us) > TOLERANCE_US, {"offset_s": seconds}))
            error = self.settings_error[:200]
            told = {"error": error} if error else {}
            found.append(Notice("edge.settings_refused", self.device, bool(error), told))
        return found

    def _doubted_s(self) -> float | None:
        return self.unverified[-1] if len(self.unverified) == UNVERIFIED_AFTER else None

    def _dropping(self, now_s: float) -> list[Notice]:
        """The edge says itself when it drops and when it stops; the hub only ends what it began itself
        by a tombstone that came late.
        """
        if self.dropped_s is None or now_s - self.dropped_s > 2 * _SHOWN_FOR_S:
            return []
        return [Notice("edge.spool_dropping", self.device, now_s - self.dropped_s <= _SHOWN_FOR_S)]

    def _lasting(
        self, kind: str, seen_s: float | None, shown_s: float, listening_since_s: float, now_s: float
    ) -> list[Notice]:
        if seen_s is not None and now_s - seen_s <= shown_s:
            return [Notice(kind, self.device, True)]
        # A worker that has just begun does not know what its predecessor saw.
        return [Notice(kind, self.device, False)] if now_s - listening_since_s > shown_s else []


def chores_notice(at: datetime | None, now: datetime, up_s: float) -> list[Notice]:
    """Are the chores alive? `at` is the time of their liveness row, `up_s` how long this worker runs."""
    silent_s = up_s if at is None else (now - at).total_seconds()
    if silent_s <= CHORES_LOST_AFTER_S:
        return [Notice("chores.silent", "hub:chores", False)] if at is not None else []
    if up_s <= CHORES_LOST_AFTER_S:
        return []
    return [Notice("chores.silent", "hub:chores", True, {"silent_s": round(silent_s)})]


def clock_notice(wall: datetime, now: datetime) -> Notice:
    """Is the machine's clock where the hub's time is? It is behind where it was set back, or never set."""
    behind_s = (now - wall).total_seconds()
    wrong = behind_s * 1e6 > TOLERANCE_US
    return Notice(DRIFT, "hub:clock", wrong, {"behind_s": round(behind_s)} if wrong else {})


def broker_notice(away_s: float) -> Notice:
    """Is the broker there?"""
    away = away_s > BROKER_LOST_AFTER_S
    return Notice("broker.offline", "hub:broker", away, {"away_s": round(away_s)} if away else {})
