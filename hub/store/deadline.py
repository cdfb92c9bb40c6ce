"""Deadlines that lie further ahead than they ever could: they were dated by a clock that was set back since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.store.database import Connection

SLACK: Final = timedelta(seconds=2)
"""By so much a turn's moment may lie ahead of the clock of who looks at its deadlines."""


@dataclass(frozen=True, slots=True)
class LevelStep:
    """How long an alarm of a priority stays at a level of escalation."""

    priority: str
    level: int
    step: timedelta


def bound_escalations(connection: Connection, site: str, at: datetime, steps: Sequence[LevelStep]) -> int:
    """No alarm waits longer from now than its whole step; how many would have. In the site's turn."""
    if not steps:
        return 0
    return connection.execute(
        "UPDATE alarm a SET next_escalation_at = %(at)s + s.step, version = a.version + 1"
        " FROM unnest(%(priorities)s::text[], %(levels)s::int[], %(steps)s::interval[])"
        " AS s(priority, level, step)"
        " WHERE a.site = %(site)s AND a.next_escalation_at > %(least)s AND a.state <> 'closed'"
        " AND a.priority = s.priority AND a.escalation_level = s.level"
        " AND a.next_escalation_at > %(at)s + s.step + %(slack)s",
        {
            "site": site,
            "at": at,
            "least": at + min(each.step for each in steps) + SLACK,
            "slack": SLACK,
            "priorities": [each.priority for each in steps],
            "levels": [each.level for each in steps],
            "steps": [each.step for each in steps],
        },
    ).rowcount


def bound_steps(connection: Connection, site: str, at: datetime) -> int:
    """No step of a plan is due later than its whole time from now; how many would have been. In the turn."""
    return connection.execute(
        "UPDATE incident_step SET due_at = %(at)s + make_interval(secs => due_s)"
        " WHERE site = %(site)s AND state IN ('notified', 'accepted')"
        " AND due_at > %(at)s + make_interval(secs => due_s) + %(slack)s",
        {"site": site, "at": at, "slack": SLACK},
    ).rowcount


def bound_commands(connection: Connection, site: str, at: datetime) -> int:
    """No unfinished command was requested in the future: it is dated now, and expires as long after that as
    it was to. How many were. In the turn.
    """
    return connection.execute(
        "UPDATE command SET expires_at = %(at)s + (expires_at - requested_at), requested_at = %(at)s"
        " WHERE site = %(site)s AND state IN ('requested', 'sent', 'accepted')"
        " AND requested_at > %(at)s + %(slack)s",
        {"site": site, "at": at, "slack": SLACK},
    ).rowcount
