"""What is due at a site now: acknowledgements, steps, commands, modes. A chore calls it each second."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.contract.vocabulary import Priority
from hub.alarms.desk import escalate_due
from hub.commands.desk import expire_commands
from hub.dispatch.consequence import work_off
from hub.incidents.desk import expire_due_steps
from hub.rulebook.book import RuleBook
from hub.sites.mode import expire_modes
from hub.store.database import Connection
from hub.store.deadline import LevelStep, bound_commands, bound_escalations, bound_steps
from hub.store.turn import CHORES, Turn

CLOCK_SET: Final = "hub.clock_set"
"""Journal row: deadlines that a clock which was ahead had dated have been drawn in."""


def work_due(connection: Connection, site: str, *, at: datetime, book: RuleBook, limit: int = 100) -> int:
    """Escalate, expire and go on; returns how many things were due.

    The caller opened the transaction and took the site's turn.
    """
    turn = Turn(connection, site, at, CHORES)
    bound_deadlines(turn)
    escalated = escalate_due(turn, limit)
    steps, consequences = expire_due_steps(turn, limit)
    work_off(turn, consequences, book)
    return escalated + len(steps) + expire_commands(turn, limit) + expire_modes(turn, limit)


def bound_deadlines(turn: Turn) -> None:
    """Draw in what lies further ahead than it could: the hub's clock was ahead when it was dated, and has been
    set back since. So nothing comes later than one whole step of its own after the clock is right again.
    """
    connection, site, at, policy = turn.connection, turn.site, turn.at, turn.escalation()
    steps = [
        LevelStep(priority.value, level, due - at)
        for priority in Priority
        for level in range(len(policy.posts))
        if (due := policy.due_at(priority, at, level)) is not None
    ]
    bound = {
        "alarms": bound_escalations(connection, site, at, steps),
        "steps": bound_steps(connection, site, at),
        "commands": bound_commands(connection, site, at),
    }
    if any(bound.values()):
        turn.journal("hub:clock", CLOCK_SET, bound)
