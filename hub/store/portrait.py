"""All that is kept of one person, to hand to that person (PIPL, articles 45 and 50)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from hub.domain.error import NotFound
from hub.store.database import Connection, Row, fetch_all
from hub.store.person import contacts_of, credentials_of, find_person, posts_of, qualifications_of

MOST_ROWS: Final = 1_000
"""So many rows of the journal, and of door events, the newest first; `truncated` says that there are more."""
_EVENTS_BACK: Final = timedelta(days=31)


def portray(connection: Connection, site: str, person: str, *, at: datetime) -> dict[str, Any]:
    """The person's rows by table; of the journal what is about the person or was done by his account; of the
    doors the last 31 days. Raises NotFound.
    """
    row = find_person(connection, site, person)
    if row is None:
        raise NotFound("there is no such person")
    key = {"site": site, "person": person, "account": row["account"], "most": MOST_ROWS + 1}
    cards = credentials_of(connection, site, person)
    holders = [card["holder"] for card in cards]
    doors = fetch_all(
        connection,
        "SELECT recorded_at, device, address, kind, attributes FROM events WHERE site = %(site)s"
        " AND recorded_at > %(since)s AND kind LIKE 'access.%%' AND attributes ->> 'holder' = ANY(%(holders)s)"
        " ORDER BY recorded_at DESC LIMIT %(most)s",
        {**key, "since": at - _EVENTS_BACK, "holders": holders},
    )
    journal = fetch_all(
        connection,
        "SELECT seq, at, actor, subject, kind, body FROM journal WHERE site = %(site)s"
        " AND (subject = 'person:' || %(person)s OR actor = %(account)s) ORDER BY seq DESC LIMIT %(most)s",
        key,
    )
    return {
        "site": site,
        "made_at": at,
        "person": row,
        "contacts": contacts_of(connection, site, person).get(person, []),
        "posts": posts_of(connection, site).get(person, []),
        "qualifications": qualifications_of(connection, site, person).get(person, []),
        "cards": cards,
        **{name: fetch_all(connection, query, key) for name, query in _TABLES.items()},
        "journal": journal[:MOST_ROWS],
        "door_events": doors[:MOST_ROWS],
        "truncated": [name for name, rows in _counted(journal, doors) if len(rows) > MOST_ROWS],
    }


def _counted(journal: list[Row], doors: list[Row]) -> tuple[tuple[str, list[Row]], ...]:
    return ("journal", journal), ("door_events", doors)


_TABLES: Final[dict[str, LiteralString]] = {
    "shifts": "SELECT shift, post, zone, days, begins, ends, kinds, cycle_days, cycle_on, cycle_from,"
    " valid_from, valid_to FROM shift WHERE site = %(site)s AND person = %(person)s ORDER BY shift",
    "absences": "SELECT absence, begins, ends FROM absence WHERE site = %(site)s AND person = %(person)s"
    " ORDER BY 1",
    "substitutions": "SELECT substitution, post, person, substitute, begins, ends FROM substitution"
    " WHERE site = %(site)s AND (person = %(person)s OR substitute = %(person)s) ORDER BY 1",
    "responsibilities": "SELECT responsibility, zone, duty, rank, valid_from, valid_to FROM responsibility"
    " WHERE site = %(site)s AND person = %(person)s ORDER BY 1",
    "committees": "SELECT committee, seat FROM committee_member WHERE site = %(site)s AND person = %(person)s"
    " ORDER BY 1",
    "handovers": "SELECT handover, post, state, signed_at, ended_at FROM handover WHERE site = %(site)s"
    " AND (from_person = %(person)s OR to_person = %(person)s OR from_account = %(account)s"
    " OR to_account = %(account)s) ORDER BY 1",
    "steps": "SELECT incident, step, title, state, notified_at, accepted_at, done_at FROM incident_step"
    " WHERE site = %(site)s AND person = %(person)s ORDER BY 1, 2",
}
