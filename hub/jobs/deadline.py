"""Works off what is due by the hub's clock: acknowledgements, steps of incidents, commands."""

from __future__ import annotations

from datetime import datetime

from hub.dispatch.due import work_due
from hub.jobs.chore import MOST_PER_TURN, Chore
from hub.rulebook.book import RuleBook
from hub.store.database import Connection, site_turn, transaction


def deadline_chore(book: RuleBook) -> Chore:
    """The chore, with the plans that it goes on with."""

    def work(connection: Connection, sites: list[str], now: datetime) -> int:
        done = 0
        for site in sites:
            with transaction(connection):
                site_turn(connection, site)
                done += work_due(connection, site, at=now, book=book, limit=MOST_PER_TURN)
        return done

    return Chore("deadline", 1.0, work)
