"""The people whom a site begins with. From then on they are rows of their own, and no file changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.domain.responsibility import Responsibility
from hub.domain.roster import Absence, Shift, Substitution
from hub.domain.staffing import SchoolFigures
from hub.store.database import Connection, next_number
from hub.store.person import PersonSheet, has_persons, save_committee, save_person
from hub.store.responsibility import save_responsibility
from hub.store.roster import insert_absence, insert_substitution, save_figures, save_shift


@dataclass(frozen=True, slots=True)
class CommitteeSheet:
    """A committee; members: person -> seat."""

    name: Mapping[str, str]
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PeopleTables:
    """Persons by id, and the roster; its entries get their numbers when they are written."""

    persons: Mapping[str, PersonSheet] = field(default_factory=dict)
    shifts: Sequence[Shift] = ()
    absences: Sequence[Absence] = ()
    substitutions: Sequence[Substitution] = ()
    responsibilities: Sequence[Responsibility] = ()
    committees: Mapping[str, CommitteeSheet] = field(default_factory=dict)
    figures: SchoolFigures | None = None


def seed_people(connection: Connection, site: str, people: PeopleTables) -> bool:
    """Write them where the site has nobody; whether it did. Call it inside the site's turn."""
    if not people.persons or has_persons(connection, site):
        return False
    for person, sheet in people.persons.items():
        save_person(connection, site, person, sheet)
    for shift in people.shifts:
        save_shift(connection, site, replace(shift, shift=next_number(connection, site, "shift")))
    for absence in people.absences:
        number = next_number(connection, site, "absence")
        insert_absence(connection, site, replace(absence, absence=number))
    for substitution in people.substitutions:
        number = next_number(connection, site, "substitution")
        insert_substitution(connection, site, replace(substitution, substitution=number))
    for responsibility in people.responsibilities:
        number = next_number(connection, site, "responsibility")
        save_responsibility(connection, site, replace(responsibility, responsibility=number))
    for committee, described in people.committees.items():
        members = [{"person": person, "seat": seat} for person, seat in described.members.items()]
        save_committee(connection, site, committee, described.name, members)
    if people.figures is not None:
        save_figures(connection, site, people.figures)
    return True
