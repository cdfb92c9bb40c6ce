"""What goes over the uplink next: both lanes, all epochs, windows, rewinds, the exchange. Pure.

One `Window` holds what the edge knows of the hub's progress. It is told what happened (connected, stored,
sent, receipt, gap request, time passed) and answers one question: what is sent next. It does no I/O
and calls no clock; `now` is milliseconds of a monotonic clock.

The order of a lane is strict: oldest epoch first, then by number. One exception exists: the first sending of
a live alarm waits for nothing. Where it overtakes its lane, it does not count as sent in order; the hub shows
it, asks for the gap, and the lane goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from adapters.contract.message import LaneStatus
from adapters.contract.vocabulary import Lane
from edge.spool import LaneMark

START_MESSAGES: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way."""

    window_messages: int = 8
    """Messages without a receipt, per lane; live alarms come on top."""
    rewind_after_ms: int = 5_000
    """Without progress for so long, what is outstanding is sent again; twice as long after each futile time."""
    rewind_doublings: int = 3
    """So often at most."""
    gap_holdoff_ms: int = 1_000
    """Each message behind a gap makes the hub ask for it; the same question counts once in this time."""
    live_pending: int = 256
    """So many live alarms may be sent alone before a receipt or a rewind; a flood beyond goes in batches."""


@dataclass(frozen=True, slots=True)
class Send:
    """What to send next: the run of items beginning at `first`, or that one item alone."""

    epoch: int
    lane: Lane
    first: int
    last_assigned: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """The hub holds everything of a lane up to here; the spool may forget it."""

    epoch: int
    lane: Lane
    cursor: int


@dataclass(frozen=True, slots=True)
class _Message:
    last: int
    alone: bool


@dataclass(slots=True)
class _Track:
    epoch: int
    lane: Lane
    assigned: int
    cursor: int
    sent: int
    """Last number sent in order since the last rewind; never below the cursor."""
    outstanding: deque[_Message] = field(default_factory=deque)
    """The messages sent in order and not receipted."""
    waiting_since: int = 0
    """When something was last heard of this lane while something was outstanding."""
    answered_gap: tuple[int, int] = (0, 0)
    """The gap last answered by a rewind: first number expected, and when."""
    futile: int = 0
    """How often it was sent again since the last progress."""

    @property
    def batches(self) -> int:
        """Messages that count against the window: live alarms do not."""
        return sum(not message.alone for message in self.outstanding)


@dataclass(frozen=True, slots=True)
class _Overtaking:
    """A live alarm sent ahead of its lane, which stood at `before` then."""

    before: int
    number: int
    at: int


class _Allowance:
    """Messages allowed without a receipt: few at first, one more with each receipt; half after a loss, and from
    then on one more with each full window. So many edges that come back together find what the hub can take.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = float(min(START_MESSAGES, most))
        self._careful = False

    @property
    def messages(self) -> int:
        return int(self._allowed)

    def widen(self) -> None:
        more = 1 / self._allowed if self._careful else 1.0
        self._allowed = min(self._allowed + more, float(self._most))

    def narrow(self) -> None:
        self._allowed = max(1.0, self._allowed / 2)
        self._careful = True


class Window:
    """The uplink's decisions."""

    def __init__(self, epoch: int, marks: Iterable[LaneMark], limits: Limits) -> None:
        """`marks`: the spool's lanes, oldest epoch first, those of the present `epoch` last. Of lanes that are
        done with, the hub is asked once: whether it holds more of them than we know of.
        """
        self._epoch = epoch
        self._limits = limits
        self._tracks = {
            (mark.epoch, mark.lane): _Track(mark.epoch, mark.lane, mark.assigned, mark.cursor, mark.cursor)
            for mark in marks
        }
        self._live = self._tracks[epoch, Lane.ALARM]
        self._next_live = self._live.assigned + 1
        self._overtaken: list[_Overtaking] = []
        self._aside: dict[int, int] = {}
        """Epochs that cannot be read, and until when they are passed over."""
        self._connected = False
        self._heard = False
        """Whether the hub answered since connecting or since the last rewind; else one message probes."""
        self._windows = {lane: _Allowance(limits.window_messages) for lane in Lane}
        self.rewinds = 0
        self.older_copy = False
        """Whether the hub holds more of an earlier epoch than our spool ever gave out: it is an older copy."""

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self._epoch

    def begin_epoch(self, epoch: int, marks: Iterable[LaneMark], *, whole: bool) -> None:
        """The spool goes on in another epoch. `marks` are its lanes now; `whole`: there are no others. Else the
        earlier ones stay where they are, and drain before.
        """
        before, self._tracks = self._tracks, {}
        for mark in marks:
            track = before.pop((mark.epoch, mark.lane), None)
            if track is None:
                track = _Track(mark.epoch, mark.lane, mark.assigned, mark.cursor, mark.cursor)
            track.assigned = max(track.assigned, mark.assigned)
            self._tracks[mark.epoch, mark.lane] = track
        if not whole:
            self._tracks = {**before, **self._tracks}
        self._epoch = epoch
        self._live = self._tracks[epoch, Lane.ALARM]
        self._next_live = 1
        self._overtaken.clear()

    def set_aside(self, epoch: int, until: int) -> None:
        """An earlier epoch cannot be read just now: what comes after it does not wait for it."""
        if epoch != self._epoch:
            self._aside[epoch] = until

    def connect(self) -> None:
        """A connection is open and subscribed. Everything unreceipted is backlog now."""
        self._connected = True
        self._heard = False
        self._next_live = self._live.assigned + 1
        self._overtaken.clear()
        for track in self._tracks.values():
            self._rewind(track, track.cursor)

    def disconnect(self) -> None:
        """The connection is gone: nothing is sent."""
        self._connected = False

    def note_stored(self, epoch: int, lane: Lane, assigned: int) -> None:
        """The spool holds items of a lane up to this number."""
        track = self._tracks.get((epoch, lane))
        if track is not None:
            track.assigned = max(track.assigned, assigned)

    def next_to_send(self, *, telemetry_allowed: bool = True) -> Send | None:
        """What to send now: a live alarm first, then the alarm lane, then telemetry; None: nothing.

        `telemetry_allowed` is false while the wire is still busy with telemetry, so that an alarm never finds
        more than that in front of it.
        """
        if not self._connected:
            return None
        if self._next_live <= self._live.assigned and self._pending_live() < self._limits.live_pending:
            return Send(self._epoch, Lane.ALARM, self._next_live, self._next_live, alone=True)
        for lane in Lane:
            window = self._windows[lane].messages if self._heard else 1
            if lane is Lane.TELEMETRY and not telemetry_allowed:
                continue
            track = self._current(lane)
            if track.sent < track.assigned and track.batches < window:
                return Send(track.epoch, lane, track.sent + 1, track.assigned, alone=False)
        return None

    def note_sent(self, send: Send, last: int, now: int) -> None:
        """What `next_to_send` named went out, up to and including `last`."""
        track = self._tracks.get((send.epoch, send.lane))
        if track is None:
            return
        if track is self._live:
            if send.first > track.sent + 1:
                self._overtaken.append(_Overtaking(track.sent, last, now))
                self._next_live = max(self._next_live, last + 1)
                return
            self._next_live = max(self._next_live, last + 1)
        if last <= track.sent:
            return
        if not track.outstanding:
            track.waiting_since = now
        track.sent = last
        track.outstanding.append(_Message(last, send.alone))

    def take_receipt(self, cursors: Iterable[tuple[int, int, int]], now: int) -> list[Progress]:
        """The hub holds everything up to these (epoch, lane, cursor). Returns what is news.

        Cursors of unknown lanes, or above what was ever given out in the present epoch, are not ours and
        change nothing. Of an earlier epoch the hub may hold more than we ever knew, where our spool is an
        older copy of itself: then it holds all that we have.
        """
        if not self._heard:  # the hub is back: patience begins anew
            self._heard = True
            for each in self._tracks.values():
                each.futile = 0
        news: list[Progress] = []
        for epoch, lane_number, cursor in cursors:
            track = self._tracks.get((epoch, Lane(lane_number))) if lane_number in tuple(Lane) else None
            if track is None:
                continue
            if epoch != self._epoch:
                self.older_copy |= cursor > track.assigned
                cursor = min(cursor, track.assigned)
                if cursor == track.cursor == track.assigned:
                    del self._tracks[epoch, track.lane]
            if not track.cursor < cursor <= track.assigned:
                continue
            track.cursor = cursor
            track.sent = max(track.sent, cursor)
            while track.outstanding and track.outstanding[0].last <= cursor:
                track.outstanding.popleft()
            track.waiting_since = now
            track.futile = 0
            self._windows[track.lane].widen()
            news.append(Progress(epoch, track.lane, cursor))
            if track is self._live:
                self._next_live = max(self._next_live, cursor + 1)
                self._overtaken = [one for one in self._overtaken if one.number > cursor]
            elif epoch != self._epoch and cursor == track.assigned:
                del self._tracks[epoch, track.lane]
        return news

    def take_gap(self, epoch: int, lane_number: int, expected: int, now: int) -> bool:
        """The hub saw items above its cursor and expects this one; true where the lane went back for it.

        A gap that an overtaking alarm of ours explains needs nothing: the lane comes to it in order.
        """
        track = self._tracks.get((epoch, Lane(lane_number))) if lane_number in tuple(Lane) else None
        if track is None or not track.cursor < expected <= track.sent:
            return False
        if track is self._live:
            for explained in self._overtaken:
                if explained.before + 1 == expected:
                    self._overtaken.remove(explained)
                    return False
        answered, at = track.answered_gap
        if answered == expected and now - at < self._limits.gap_holdoff_ms:
            return False
        track.answered_gap = (expected, now)
        self._windows[track.lane].narrow()
        self._rewind(track, expected - 1)
        track.waiting_since = now
        return True

    def pass_time(self, now: int) -> None:
        """Send again what has been outstanding for too long without any progress."""
        patience = self._limits.rewind_after_ms
        self._overtaken = [one for one in self._overtaken if now - one.at < patience]
        self._aside = {epoch: until for epoch, until in self._aside.items() if now < until}
        for track in self._tracks.values():
            if track.outstanding and now - track.waiting_since >= self._patience(track):
                track.futile += 1
                self._windows[track.lane].narrow()
                self._rewind(track, track.cursor)
                self._heard = False
                self.rewinds += 1

    def next_deadline(self) -> int | None:
        """When `pass_time` has something to do; None while nothing is outstanding."""
        if not self._connected:
            return None
        deadlines = [
            track.waiting_since + self._patience(track) for track in self._tracks.values() if track.outstanding
        ]
        deadlines.extend(one.at + self._limits.rewind_after_ms for one in self._overtaken[:1])
        return min(deadlines, default=None)

    def statuses(self) -> list[LaneStatus]:
        """The edge's half of the exchange, for every lane still of interest."""
        return [
            LaneStatus(track.epoch, int(track.lane), track.assigned, track.cursor + 1, track.cursor)
            for track in self._tracks.values()
        ]

    def _current(self, lane: Lane) -> _Track:
        """The oldest epoch that still has something on this lane, else the present one."""
        for track in self._tracks.values():
            if track.lane is lane and track.cursor < track.assigned and track.epoch not in self._aside:
                return track
        return self._tracks[self._epoch, lane]

    def _pending_live(self) -> int:
        return len(self._overtaken) + len(self._live.outstanding)

    def _patience(self, track: _Track) -> int:
        return self._limits.rewind_after_ms << min(track.futile, self._limits.rewind_doublings)

    def _rewind(self, track: _Track, to: int) -> None:
        track.sent = to
        while track.outstanding and track.outstanding[-1].last > to:
            track.outstanding.pop()
