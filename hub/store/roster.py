"""The rows of posts and shifts, and a site's escalation: ids only, no person's name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hub.domain.escalation import EscalationPolicy, read_escalation
from hub.domain.roster import Duty, Shift
from hub.store.database import Connection, fetch_all, fetch_one


def load_duty(connection: Connection, site: str) -> Duty:
    """The site's roster with its time zone."""
    row = fetch_one(connection, "SELECT time_zone FROM site WHERE site = %s", (site,))
    shifts = fetch_all(
        connection,
        "SELECT post, person, days, begins, ends FROM shift WHERE site = %s ORDER BY shift",
        (site,),
    )
    return Duty(
        shifts=tuple(
            Shift(
                post=shift["post"],
                person=shift["person"],
                days=frozenset(shift["days"]),
                begins=shift["begins"],
                ends=shift["ends"],
            )
            for shift in shifts
        ),
        time_zone=ZoneInfo(row["time_zone"] if row else "UTC"),
    )


def load_escalation(connection: Connection, site: str) -> EscalationPolicy:
    """Who hears of an unacknowledged alarm, and when."""
    row = fetch_one(connection, "SELECT escalation FROM site WHERE site = %s", (site,))
    return read_escalation(row["escalation"] if row else {})
