"""When the hub was listening: absence counts only such time (design, invariants 7 and 12).

The hub listens to a site while its worker holds it and the broker is there. Intervals are fed to the
rules when a timer is due and when listening ends; the liveness row, renewed each second, says how
far the rules have been fed and ends an interval that a crash cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.domain.judgement import ListeningInput
from hub.store.database import Row


@dataclass(slots=True)
class Listening:
    """One site's present interval: None while nobody listens. It is dated in the site's recorded time and
    measured by the steady clock: hours by which a clock was set forward are hours that nobody listened.
    """

    fed_until: datetime | None = None
    """Up to here the rules know that the hub listened; the rest of the interval is not fed yet."""
    _fed_s: float = 0.0

    def begin(self, now: datetime, now_s: float) -> None:
        """The hub listens from now on, if it did not already."""
        if self.fed_until is None:
            self.fed_until, self._fed_s = now, now_s

    def unfed(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """The time since the last feed, as an input; nothing while nobody listens."""
        if self.fed_until is None or now <= self.fed_until or now_s <= self._fed_s:
            return []
        return [ListeningInput(max(self.fed_until, now - timedelta(seconds=now_s - self._fed_s)), now)]

    def feed(self, now: datetime, now_s: float) -> list[ListeningInput]:
        """The same, and from now on it is fed."""
        fed = self.unfed(now, now_s)
        if fed:
            self.fed_until, self._fed_s = now, now_s
        return fed

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
