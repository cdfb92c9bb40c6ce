"""When the hub was listening: absence counts only such time (design, invariants 7 and 12).

The hub listens to a site while its worker holds it and the broker is there. Intervals are fed to the
rules when a timer is due and when listening ends; the liveness row, renewed each second, says how
far the rules have been fed and ends an interval that a crash cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.domain.judgement import ListeningInput
from hub.store.database import Row


@dataclass(slots=True)
class Listening:
    """One site's present interval: None while nobody listens."""

    fed_until: datetime | None = None
    """Up to here the rules know that the hub listened; the rest of the interval is not fed yet."""

    def begin(self, now: datetime) -> None:
        """The hub listens from now on, if it did not already."""
        if self.fed_until is None:
            self.fed_until = now

    def feed(self, now: datetime) -> list[ListeningInput]:
        """The time since the last feed, as an input; nothing while nobody listens."""
        if self.fed_until is None or now <= self.fed_until:
            return []
        fed, self.fed_until = ListeningInput(self.fed_until, now), now
        return [fed]

    def end(self, now: datetime) -> list[ListeningInput]:
        """The hub stops listening: what was not fed yet."""
        fed = self.feed(now)
        self.fed_until = None
        return fed

    def told(self) -> dict[str, Any]:
        """For the liveness row."""
        return {"listened_until": self.fed_until.isoformat() if self.fed_until else None}


def recover_listening(row: Row | None) -> list[ListeningInput]:
    """What a worker that crashed had listened to without feeding it, from its last liveness row."""
    said = row["detail"].get("listened_until") if row else None
    if row is None or said is None:
        return []
    since = datetime.fromisoformat(said)
    return [ListeningInput(since, row["at"])] if row["at"] > since else []
