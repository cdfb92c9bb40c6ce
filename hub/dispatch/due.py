"""What is due at a site now: acknowledgements, steps, commands. A chore calls it each second."""

from __future__ import annotations

from datetime import datetime

from hub.alarms.desk import escalate_due
from hub.commands.desk import expire_commands
from hub.dispatch.consequence import work_off
from hub.incidents.desk import expire_due_steps
from hub.rulebook.book import RuleBook
from hub.store.database import Connection
from hub.store.turn import CHORES, Turn


def work_due(connection: Connection, site: str, *, at: datetime, book: RuleBook, limit: int = 100) -> int:
    """Escalate, expire and go on; returns how many things were due.

    The caller opened the transaction and took the site's turn.
    """
    turn = Turn(connection, site, at, CHORES)
    escalated = escalate_due(turn, limit)
    steps, consequences = expire_due_steps(turn, limit)
    work_off(turn, consequences, book)
    return escalated + len(steps) + expire_commands(turn, limit)
