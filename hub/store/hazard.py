"""The rows of hazards, and what the store knows of whether their cause is still there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Final

from hub.domain.hazard import Grade, Hazard, HazardState
from hub.store.column import texts
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_COLUMNS: Final = tuple(field.name for field in fields(Hazard))


HazardKey = tuple[str, str]
"""(subject, condition)."""


class LastHazards:
    """The newest hazards of a site inside one turn: found, opened, changed.

    Deferred, what was found or changed is kept, and written together by `write`; else each change is written at
    once and nothing is kept.
    """

    def __init__(self, connection: Connection, site: str, *, deferred: bool) -> None:
        self._connection = connection
        self._site = site
        self._deferred = deferred
        self._last: dict[HazardKey, Hazard | None] = {}
        self._new: dict[int, Hazard] = {}
        self._changed: dict[int, Hazard] = {}

    def load(self, keys: Iterable[HazardKey]) -> None:
        """Find many at once, for those who defer."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._last]
        if self._deferred and len(wanted) > 1:
            self._last |= dict.fromkeys(wanted) | find_last_hazards(self._connection, self._site, wanted)

    def find(self, subject: str, condition: str) -> Hazard | None:
        """The newest hazard of (subject, condition): the open one where there is one."""
        key = (subject, condition)
        if key in self._last:
            return self._last[key]
        hazard = find_last_hazards(self._connection, self._site, [key]).get(key)
        if self._deferred:
            self._last[key] = hazard
        return hazard

    def add(self, hazard: Hazard) -> None:
        """A new hazard; a unique index refuses a second open one for (subject, condition)."""
        self._new[hazard.hazard] = hazard
        self._keep(hazard)

    def save(self, hazard: Hazard) -> None:
        """What may change in a hazard's life."""
        (self._new if hazard.hazard in self._new else self._changed)[hazard.hazard] = hazard
        self._keep(hazard)

    def write(self) -> None:
        """Write what is still in memory only."""
        for query, hazards in ((_UPDATE, self._changed), (_INSERT, self._new)):
            if hazards:
                self._connection.cursor().executemany(query, [_row_of(each) for each in hazards.values()])
                hazards.clear()

    def _keep(self, hazard: Hazard) -> None:
        if self._deferred:
            self._last[hazard.subject, hazard.condition] = hazard
        else:
            self.write()


_INSERT: Final = (
    "INSERT INTO hazard (site, hazard, subject, condition, zone, device, title, grade, state, checker,"
    " interim_measure, source, owner_post, assignee, rectified_by, verified_by, reason, evidence,"
    " occurrences, reported_at, last_seen_at, due_at, closed_at)"
    " VALUES (%(site)s, %(hazard)s, %(subject)s, %(condition)s, %(zone)s, %(device)s, %(title)s,"
    " %(grade)s, %(state)s, %(checker)s, %(interim_measure)s, %(source)s, %(owner_post)s,"
    " %(assignee)s, %(rectified_by)s, %(verified_by)s, %(reason)s, %(evidence)s, %(occurrences)s,"
    " %(reported_at)s, %(last_seen_at)s, %(due_at)s, %(closed_at)s)"
)
_UPDATE: Final = (
    "UPDATE hazard SET grade = %(grade)s, state = %(state)s, interim_measure = %(interim_measure)s,"
    " owner_post = %(owner_post)s, assignee = %(assignee)s, rectified_by = %(rectified_by)s,"
    " verified_by = %(verified_by)s, reason = %(reason)s, evidence = %(evidence)s,"
    " occurrences = %(occurrences)s, last_seen_at = %(last_seen_at)s, due_at = %(due_at)s,"
    " closed_at = %(closed_at)s, checker = %(checker)s"
    " WHERE site = %(site)s AND hazard = %(hazard)s"
)


def find_hazard(connection: Connection, site: str, hazard: int) -> Hazard | None:
    """One hazard by its number."""
    row = fetch_one(connection, "SELECT * FROM hazard WHERE site = %s AND hazard = %s", (site, hazard))
    return None if row is None else read_hazard(row)


def find_last_hazards(connection: Connection, site: str, keys: Sequence[HazardKey]) -> dict[HazardKey, Hazard]:
    """The newest hazard of each (subject, condition) that has one: the open one where there is one."""
    rows = fetch_all(
        connection,
        "SELECT h.* FROM unnest(%s, %s) AS k (subject, condition), LATERAL"
        " (SELECT * FROM hazard WHERE site = %s AND subject = k.subject AND condition = k.condition"
        "  ORDER BY (state NOT IN ('closed', 'dismissed')) DESC, hazard DESC LIMIT 1) h",
        (texts(key[0] for key in keys), texts(key[1] for key in keys), site),
    )
    return {(row["subject"], row["condition"]): read_hazard(row) for row in rows}


def open_hazards_of(
    connection: Connection, site: str, conditions: Collection[str]
) -> dict[tuple[str, str], tuple[int, HazardState]]:
    """(subject, condition) -> number and state, of the open hazards with one of these conditions."""
    rows = connection.execute(
        "SELECT subject, condition, hazard, state FROM hazard WHERE site = %s AND condition = ANY(%s)"
        " AND state NOT IN ('closed', 'dismissed')",
        (site, list(conditions)),
    )
    return {(subject, condition): (number, HazardState(state)) for subject, condition, number, state in rows}


def condition_active(connection: Connection, site: str, subject: str, kind: str) -> bool | None:
    """Does the condition hold now at that subject (device, or device:address)? None: not known."""
    row = fetch_one(
        connection,
        "SELECT active FROM condition WHERE site = %s AND kind = %s"
        " AND CASE WHEN address = '' THEN device ELSE device || ':' || address END = %s",
        (site, kind, subject),
    )
    return None if row is None else bool(row["active"])


def read_hazard(row: Row) -> Hazard:
    """A hazard from its row (all columns of `hazard`)."""
    values = {name: row[name] for name in _COLUMNS}
    values["grade"] = Grade(values["grade"])
    values["state"] = HazardState(values["state"])
    values["evidence"] = tuple(values["evidence"])
    return Hazard(**values)


def _row_of(hazard: Hazard) -> Row:
    row: Row = {name: getattr(hazard, name) for name in _COLUMNS}
    row["title"] = jsonb(hazard.title)
    row["evidence"] = jsonb(list(hazard.evidence))
    return row
