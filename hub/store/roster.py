"""The rows of the roster: shifts, leave, substitution; a school's staffing figures; and a site's escalation.

Ids only: no person's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.calendar import DayKind
from hub.domain.escalation import EscalationPolicy, read_escalation
from hub.domain.roster import Absence, Cycle, Duty, Shift, Substitution
from hub.domain.staffing import SchoolFigures, read_rule
from hub.store.calendar import load_calendar
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_PAST: Final = timedelta(days=400)
"""Leave and substitution that ended longer ago are not loaded: nobody asks who stood where then but the
journal.
"""


def load_duty(connection: Connection, site: str, *, at: datetime | None = None) -> Duty:
    """The site's roster with its time zone and calendar; leave and substitution from 400 days before `at`
    (None: all of them).
    """
    calendar = load_calendar(connection, site)
    since = None if at is None else at - _PAST
    return Duty(
        shifts=load_shifts(connection, site),
        time_zone=calendar.time_zone,
        calendar=calendar,
        absences=load_absences(connection, site, since),
        substitutions=load_substitutions(connection, site, since),
    )


def load_shifts(connection: Connection, site: str) -> tuple[Shift, ...]:
    """Every shift, in the order of their numbers."""
    return tuple(
        _shift(row)
        for row in fetch_all(connection, "SELECT * FROM shift WHERE site = %s ORDER BY shift", (site,))
    )


def find_shift(connection: Connection, site: str, shift: int) -> Shift | None:
    """One shift."""
    row = fetch_one(connection, "SELECT * FROM shift WHERE site = %s AND shift = %s", (site, shift))
    return None if row is None else _shift(row)


def load_absences(connection: Connection, site: str, since: datetime | None = None) -> tuple[Absence, ...]:
    """Leave that did not end before `since`, by its number."""
    rows = connection.execute(
        "SELECT person, begins, ends, absence FROM absence WHERE site = %s"
        " AND (%s::timestamptz IS NULL OR ends > %s) ORDER BY absence",
        (site, since, since),
    )
    return tuple(Absence(*row) for row in rows)


def load_substitutions(
    connection: Connection, site: str, since: datetime | None = None
) -> tuple[Substitution, ...]:
    """Substitutions that did not end before `since`, by their number."""
    rows = connection.execute(
        "SELECT post, person, substitute, begins, ends, substitution FROM substitution WHERE site = %s"
        " AND (%s::timestamptz IS NULL OR ends > %s) ORDER BY substitution",
        (site, since, since),
    )
    return tuple(Substitution(*row) for row in rows)


def save_shift(connection: Connection, site: str, shift: Shift) -> None:
    """Write a shift under its number."""
    connection.execute(
        "INSERT INTO shift (site, shift, post, person, days, begins, ends, zone, kinds, cycle_days, cycle_on,"
        " cycle_from, valid_from, valid_to) VALUES (%(site)s, %(shift)s, %(post)s, %(person)s, %(days)s,"
        " %(begins)s, %(ends)s, %(zone)s, %(kinds)s, %(cycle_days)s, %(cycle_on)s, %(cycle_from)s,"
        " %(valid_from)s, %(valid_to)s) ON CONFLICT (site, shift) DO UPDATE SET post = EXCLUDED.post,"
        " person = EXCLUDED.person, days = EXCLUDED.days, begins = EXCLUDED.begins, ends = EXCLUDED.ends,"
        " zone = EXCLUDED.zone, kinds = EXCLUDED.kinds, cycle_days = EXCLUDED.cycle_days,"
        " cycle_on = EXCLUDED.cycle_on, cycle_from = EXCLUDED.cycle_from,"
        " valid_from = EXCLUDED.valid_from, valid_to = EXCLUDED.valid_to",
        {
            "site": site,
            "shift": shift.shift,
            "post": shift.post,
            "person": shift.person,
            "days": sorted(shift.days),
            "begins": shift.begins,
            "ends": shift.ends,
            "zone": shift.zone,
            "kinds": sorted(kind.value for kind in shift.kinds),
            "cycle_days": shift.cycle and shift.cycle.length,
            "cycle_on": shift.cycle and sorted(shift.cycle.on),
            "cycle_from": shift.cycle and shift.cycle.since,
            "valid_from": shift.valid_from,
            "valid_to": shift.valid_to,
        },
    )


def remove_shift(connection: Connection, site: str, shift: int) -> None:
    """Take a shift out."""
    connection.execute("DELETE FROM shift WHERE site = %s AND shift = %s", (site, shift))


def insert_absence(connection: Connection, site: str, absence: Absence) -> None:
    """Write a new leave under its number."""
    connection.execute(
        "INSERT INTO absence (site, absence, person, begins, ends) VALUES (%s, %s, %s, %s, %s)",
        (site, absence.absence, absence.person, absence.begins, absence.ends),
    )


def remove_absence(connection: Connection, site: str, absence: int) -> Row | None:
    """Take a leave out; what it was, or None."""
    return fetch_one(
        connection,
        "DELETE FROM absence WHERE site = %s AND absence = %s RETURNING person, begins, ends",
        (site, absence),
    )


def insert_substitution(connection: Connection, site: str, substitution: Substitution) -> None:
    """Write a new substitution under its number."""
    connection.execute(
        "INSERT INTO substitution (site, substitution, post, person, substitute, begins, ends)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            site,
            substitution.substitution,
            substitution.post,
            substitution.person,
            substitution.substitute,
            substitution.begins,
            substitution.ends,
        ),
    )


def remove_substitution(connection: Connection, site: str, substitution: int) -> Row | None:
    """Take a substitution out; what it was, or None."""
    return fetch_one(
        connection,
        "DELETE FROM substitution WHERE site = %s AND substitution = %s"
        " RETURNING post, person, substitute, begins, ends",
        (site, substitution),
    )


def load_figures(connection: Connection, site: str) -> SchoolFigures | None:
    """The school's staffing figures; None where nobody entered them."""
    row = fetch_one(
        connection,
        "SELECT pupils, boarding, guard_posts, control_posts, rule FROM staffing WHERE site = %s",
        (site,),
    )
    if row is None:
        return None
    return SchoolFigures(
        pupils=row["pupils"],
        boarding=row["boarding"],
        guard_posts=tuple(row["guard_posts"]),
        control_posts=tuple(row["control_posts"]),
        rule=read_rule(row["rule"]),
        set_by_school=frozenset(row["rule"]),
    )


def save_figures(connection: Connection, site: str, figures: SchoolFigures) -> None:
    """Write the school's staffing figures; of the rule, those that the school set itself."""
    rule = {name: value for name, value in asdict(figures.rule).items() if name in figures.set_by_school}
    connection.execute(
        "INSERT INTO staffing (site, pupils, boarding, guard_posts, control_posts, rule)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (site) DO UPDATE SET pupils = EXCLUDED.pupils,"
        " boarding = EXCLUDED.boarding, guard_posts = EXCLUDED.guard_posts,"
        " control_posts = EXCLUDED.control_posts, rule = EXCLUDED.rule",
        (
            site,
            figures.pupils,
            figures.boarding,
            list(figures.guard_posts),
            list(figures.control_posts),
            jsonb(rule),
        ),
    )


def load_escalation(connection: Connection, site: str) -> EscalationPolicy:
    """Who hears of an unacknowledged alarm, and when."""
    row = fetch_one(connection, "SELECT escalation FROM site WHERE site = %s", (site,))
    return read_escalation(row["escalation"] if row else {})


def post_names(connection: Connection, site: str) -> dict[str, dict[str, str]]:
    """Post -> what it is called, in the configuration's order."""
    rows = connection.execute("SELECT post, name FROM post WHERE site = %s ORDER BY ordinal, post", (site,))
    return dict(rows)


def post_exists(connection: Connection, site: str, posts: Sequence[str]) -> bool:
    """Whether the site has all of these posts."""
    row = connection.execute(
        "SELECT count(*) FROM post WHERE site = %s AND post = ANY(%s)", (site, list(posts))
    ).fetchone()
    return row is not None and int(row[0]) == len(set(posts))


def _shift(row: Row) -> Shift:
    cycle: dict[str, Any] | None = None
    if row["cycle_days"] is not None:
        cycle = {
            "length": row["cycle_days"],
            "on": frozenset(row["cycle_on"]),
            "since": row["cycle_from"],
        }
    return Shift(
        post=row["post"],
        person=row["person"],
        days=frozenset(row["days"]),
        begins=row["begins"],
        ends=row["ends"],
        zone=row["zone"],
        kinds=frozenset(DayKind(kind) for kind in row["kinds"]),
        cycle=None if cycle is None else Cycle(**cycle),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        shift=row["shift"],
    )
