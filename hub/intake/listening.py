"""When the hub was listening: absence counts only such time (design, invariants 7 and 12).

The hub listens to a site while its worker holds it and the broker is there. Intervals are fed to the
rules when a timer is due, when the clock was set forward and when listening ends; the liveness row, renewed
each second, says how far the rules have been fed and ends an interval that a crash cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.judgement import ListeningInput
from hub.store.database import Row

STEP: Final = timedelta(seconds=1)
"""What the clock gains on the steady one between two looks without having been set."""


@dataclass(slots=True)
class Listening:
    """One site's present interval: None while nobody listens. It is dated in the site's recorded time and
    measured by the steady clock: hours by which a clock was set forward are hours that nobody listened.
    """

    fed_until: datetime | None = None
    """Up to here the rules know that the hub listened; the rest of the interval is not fed yet."""
    _seen: tuple[datetime, float] | None = None
    """When it was last looked at, by the site's time and by the steady clock: there it still listened."""

    def begin(self, now: datetime, now_s: float) -> None:
        """The hub listens from now on, if it did not already."""
        if self.fed_until is None:
            self.fed_until, self._seen = now, (now, now_s)

    def look(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """Note that it listens still; each few seconds. What lies before a step of the clock is fed."""
        fed = self.feed(now, now_s) if self._has_stepped(now, now_s) else []
        if self.fed_until is not None:
            self._seen = now, now_s
        return fed

    def unfed(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """The time since the last feed, as inputs: two where the clock was set forward since it was last looked
        at. Nothing while nobody listens.
        """
        if self.fed_until is None or self._seen is None:
            return []
        seen, seen_s = self._seen
        spans = [(self.fed_until, now)]
        if self._has_stepped(now, now_s):
            spans = [(self.fed_until, seen), (now - timedelta(seconds=now_s - seen_s), now)]
        return [ListeningInput(since, until) for since, until in spans if since < until]

    def feed(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """The same, and from now on it is fed."""
        fed = self.unfed(now, now_s)
        if fed:
            self.fed_until, self._seen = now, (now, now_s)
        return fed

    def _has_stepped(self, now: datetime, now_s: float) -> bool:
        if self._seen is None:
            return False
        seen, seen_s = self._seen
        return now - seen - timedelta(seconds=now_s - seen_s) > STEP

    def end(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """The hub stops listening: what was not fed yet."""
        fed = self.feed(now, now_s)
        self.fed_until = None
        return fed

    def told(self, now: datetime, now_s: float) -> dict[str, Any]:
        """For the liveness row."""
        unfed = self.unfed(now, now_s)
        span = [unfed[0].since.isoformat(), unfed[0].until.isoformat()] if unfed else None
        return {"listened": span}


def recover_listening(row: Row | None) -> list[ListeningInput]:
    """What a worker that crashed had listened to without feeding it, from its last liveness row."""
    span = row["detail"].get("listened") if row else None
    return [ListeningInput(*map(datetime.fromisoformat, span))] if span else []
