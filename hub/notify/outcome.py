"""What becomes of a row that a channel was given: delivered, tried again, passed over, parked. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from hub.store.reader import ReaderState

FIRST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(minutes=5)
PARK_AFTER: Final = timedelta(hours=24)
"""Without one success for so long, only a probe goes out every `PROBE_DELAY`. Nothing is dropped meanwhile."""
PROBE_DELAY: Final = timedelta(minutes=15)
REFUSALS: Final = 3
"""So often a channel may refuse one row for itself before it is passed over."""


class Result(Enum):
    """What a channel says of one row."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """Not now: the receiver is away, busy, or set up wrongly. The same row again later."""
    REFUSED = "refused"
    """Not this one: the receiver says that the row itself is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, and why."""

    result: Result
    reason: str = ""


DELIVERED: Final = Outcome(Result.DELIVERED)


class Verdict(Enum):
    """What the reader does then."""

    GO_ON = "go on"
    WAIT = "wait"
    PASS_OVER = "pass over"
    PARK = "park"


def waits_until(state: ReaderState, now: datetime) -> datetime | None:
    """When a reader that failed goes on; None: now. A moment further off than any delay was set by a clock that
    has been set back since: nobody waits hours for it.
    """
    longest = PROBE_DELAY if state.parked_at else LONGEST_DELAY
    if state.next_at is None or not now < state.next_at <= now + longest:
        return None
    return state.next_at


def judge(state: ReaderState, seq: int, outcome: Outcome, now: datetime) -> tuple[Verdict, ReaderState]:
    """What follows from the outcome of row `seq`, which is the next one that the reader wants."""
    if outcome.result is Result.DELIVERED:
        return Verdict.GO_ON, ReaderState(state.reader, state.site, seq)
    reason = outcome.reason[:500]
    # Refusals are counted by themselves: one after an hour of silence is the first.
    again = outcome.result is Result.FAILED or state.error == reason
    attempts = state.attempts + 1 if again else 1
    if outcome.result is Result.REFUSED and attempts >= REFUSALS:
        # Without the error: what is passed over no longer fails.
        return Verdict.PASS_OVER, ReaderState(state.reader, state.site, seq)
    since = state.failing_since or now
    parks = state.parked_at is None and now - since >= PARK_AFTER
    parked_at = now if parks else state.parked_at
    delay = PROBE_DELAY if parked_at else min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempts - 1, 20))
    failed = replace(
        state,
        attempts=attempts,
        failing_since=since,
        next_at=now + delay,
        parked_at=parked_at,
        error=reason,
    )
    return (Verdict.PARK if parks else Verdict.WAIT), failed
