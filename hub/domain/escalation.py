"""Who hears of an alarm that nobody acknowledges, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.contract.vocabulary import Priority


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """Seconds after the raise at which the next level hears of it, and the posts in that order.

    Level 0 is the owner post, which hears at once; level n is `posts[n - 1]`.
    """

    critical_s: tuple[float, ...] = (30, 60, 120)
    other_s: tuple[float, ...] = (90, 180, 300)
    posts: tuple[str, ...] = ()

    def due_at(self, priority: Priority, reached_at: datetime, level: int) -> datetime | None:
        """When an alarm that reached `level` then goes to the next; None where nobody is above.

        Counted from when the level was really reached: after an outage the levels follow each other at
        their distance, not all at once.
        """
        steps = self.critical_s if priority is Priority.CRITICAL else self.other_s
        if level >= min(len(steps), len(self.posts)):
            return None
        before = steps[level - 1] if level else 0
        return reached_at + timedelta(seconds=max(0, steps[level] - before))

    def next_post(self, level: int) -> str | None:
        """The post that hears next from `level`; None where nobody is above."""
        return self.posts[level] if level < len(self.posts) else None


def read_escalation(document: Mapping[str, Any]) -> EscalationPolicy:
    """The policy of a site's `escalation` column; what is absent keeps its default."""
    default = EscalationPolicy()
    return EscalationPolicy(
        critical_s=tuple(document.get("critical_s", default.critical_s)),
        other_s=tuple(document.get("other_s", default.other_s)),
        posts=tuple(document.get("posts", default.posts)),
    )
