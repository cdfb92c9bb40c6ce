"""Three clocks (design, invariant 13): which time an event or a reading is taken to have.

The device's word is used unless it differs from the edge's by more than `TOLERANCE_US`; then the
edge's time is used, quality `uncertain`. The edge's word is used unless its clock is known to be off;
then the hub's clock less the item's age. Pure; all numbers are µs since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.contract.message import LATE_AFTER_MS
from hub.domain.moment import microseconds, moment_of

TOLERANCE_US: Final = 5_000_000
UNBELIEVED_US: Final = 2 * TOLERANCE_US
"""An offset at which nobody goes by the edge's word."""
RESTARTED_US: Final = 120_000_000
"""An edge's steady clock that is further than any way's delay from where it should be began anew."""
_LEAST: Final = microseconds(datetime(1, 1, 2, tzinfo=UTC))
_MOST: Final = microseconds(datetime(9999, 12, 30, tzinfo=UTC))


class EdgeTime(NamedTuple):
    """When the edge took an item in. `shift` is what has to be added to times of the edge's own
    clock; `uncertain` where nobody can say.
    """

    at: int
    shift: int
    uncertain: bool


class EventTime(NamedTuple):
    """The time used, and whether the device's word was set aside (`drift` None: it gave none to judge)."""

    observed_at: int
    uncertain: bool
    drift: bool | None


@dataclass(frozen=True, slots=True)
class ClockSight:
    """An edge's clock as one message shows it: `offset_us` is the edge's clock at sending less the hub's at
    arrival (so it is too low by the way's delay), `uptime_ms` its process's steady clock at sending (negative:
    not said), `heard_us` the hub's clock at arrival.
    """

    offset_us: int
    uptime_ms: int
    heard_us: int


def offset_at(heartbeat: ClockSight | None, message: ClockSight) -> int:
    """The edge's clock less the hub's when it sent a message: the last heartbeat's, and what the clock was
    set by since. That is the time between the two by the edge's clock less that by its steady clock; a
    delay on the way has no part in it. Where the process was started anew meanwhile the message's own
    offset is all that is known.
    """
    if heartbeat is None:
        return message.offset_us
    if message.uptime_ms < 0:
        return heartbeat.offset_us
    ran_us = (message.uptime_ms - heartbeat.uptime_ms) * 1000
    heard_us = message.heard_us - heartbeat.heard_us
    if abs(ran_us - heard_us) > RESTARTED_US:
        return message.offset_us
    # The edge's clock at either sending is the offset and the hub's time at arrival.
    return message.offset_us + heard_us - ran_us


def is_late(age_ms: int) -> bool:
    """Late evidence raises alarms but does not act (invariant 9): over a minute old, or of unknown age."""
    return age_ms < 0 or age_ms > LATE_AFTER_MS


def edge_time(edge_at: int, age_ms: int, recorded_at: int, offset_us: int | None) -> EdgeTime:
    """The edge's time of an item, corrected where the edge's clock is known to be more than 5 s off
    (`offset_us`: the edge's clock less the hub's, None where it is not known).
    """
    said = edge_at if _LEAST <= edge_at <= _MOST else min(max(edge_at, _LEAST), _MOST)
    # What is dated in the future was taken in by a clock that is off, whatever it is by now.
    off = said != edge_at or said > recorded_at + TOLERANCE_US
    if not off and (offset_us is None or abs(offset_us) <= TOLERANCE_US):
        return EdgeTime(edge_at, 0, False)
    if age_ms >= 0:
        meant = recorded_at - age_ms * 1000
        return EdgeTime(meant, meant - said, False)
    # An item of an older epoch by a clock that is off: what it says, but never the future.
    meant = min(said, recorded_at)
    return EdgeTime(meant, meant - said, True)


def event_time(observed_at: int | None, replayed: bool, edge: EdgeTime) -> EventTime:
    """The time of an event from the device's own word, if any."""
    if observed_at is None:
        return EventTime(edge.at, edge.uncertain, None)
    if replayed and _LEAST <= observed_at <= edge.at + TOLERANCE_US:
        return EventTime(observed_at, edge.uncertain, None)
    meant = observed_at
    if edge.shift and abs(observed_at + edge.shift - edge.at) < abs(observed_at - edge.at):
        # The device goes by the edge's clock: it is the edge that is off. What is nearer counts also where both
        # could be: a time that goes over to the other at some offset would jump back.
        meant = observed_at + edge.shift
    if abs(meant - edge.at) <= TOLERANCE_US:
        return EventTime(meant, edge.uncertain, False)
    return EventTime(edge.at, True, True)


@dataclass(frozen=True, slots=True)
class ReadingTimes:
    """The times used, by row, and the rows whose device's word was set aside."""

    observed_at: npt.NDArray[np.int64]
    drift: npt.NDArray[np.bool_]


def reading_times(
    observed_at: npt.NDArray[np.int64], edge: EdgeTime, *, replayed: bool = False
) -> ReadingTimes:
    """The same for a column of readings, all of them news or all of them replayed."""
    said = np.clip(observed_at, _LEAST, _MOST)
    if edge.shift:
        shifted = said + edge.shift
        far = np.abs(shifted - edge.at)
        by_edge = (far <= TOLERANCE_US) & (far < np.abs(said - edge.at))
        said = np.where(by_edge, shifted, said)
    off = np.abs(said - edge.at) > TOLERANCE_US
    if not off.any():
        return ReadingTimes(said, off)
    if replayed:
        off &= said > edge.at  # the past is what a memory is about; the future is a clock that is wrong
    return ReadingTimes(np.where(off, np.int64(edge.at), said), off)


def moment(at_us: int) -> datetime:
    """A number as an aware time; what lies outside the calendar comes to its end."""
    return moment_of(at_us if _LEAST <= at_us <= _MOST else min(max(at_us, _LEAST), _MOST))


def moment_or_none(at_us: int | None) -> datetime | None:
    """The device's own word as an aware time, or None where no calendar holds it."""
    return None if at_us is None or not _LEAST <= at_us <= _MOST else moment(at_us)
