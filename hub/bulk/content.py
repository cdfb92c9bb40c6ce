"""What a site has, as an import would say it: to compare a file with, and to write into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES
from hub.bulk.draft import NOTES, Known
from hub.bulk.places import CLASSES, DEVICE, KINDS, ZONE, place_rows
from hub.bulk.sheets import CONTACT, CONTACTS, DAYS, PEOPLE, QUALIFICATION, RANKS, RESPONSIBILITY, SHIFT, TABLES
from hub.bulk.table import Table, cells, titles, widths
from hub.bulk.workbook import OutSheet, Value, write_workbook
from hub.domain.place import KEY_LOCATIONS
from hub.domain.responsibility import DUTIES
from hub.domain.staffing import QUALIFICATIONS
from hub.store.database import Connection
from hub.store.person import contacts_of, list_persons, posts_of, qualifications_of
from hub.store.responsibility import load_responsibilities
from hub.store.roster import load_shifts, post_names
from hub.store.version import load_gateways, load_version
from hub.store.zone import zone_names

Language = str
"""zh or en."""


def load_known(connection: Connection, site: str, profiles: Iterable[str] | None = None) -> Known:
    """All of it, in a handful of queries."""
    posts, contacts = posts_of(connection, site), contacts_of(connection, site)
    qualifications = qualifications_of(connection, site)
    persons = list_persons(connection, site)
    newest = load_version(connection, site)
    return Known(
        posts=frozenset(post_names(connection, site)),
        zones=frozenset(zone_names(connection, site)),
        people={
            row["person"]: {
                "account": row["account"],
                "contacts": tuple(contacts.get(row["person"], ())),
                "qualifications": tuple(qualifications.get(row["person"], ())),
                "name": row["name"],
                "posts": tuple(posts.get(row["person"], ())),
                "active": row["active"],
            }
            for row in persons
        },
        erased=frozenset(row["person"] for row in persons if row["erased_at"] is not None),
        shifts={
            shift.shift: {
                "post": shift.post,
                "person": shift.person,
                "zone": shift.zone,
                "days": tuple(sorted(shift.days)),
                "kinds": tuple(sorted(shift.kinds)),
                "begins": shift.begins,
                "ends": shift.ends,
                "valid_from": shift.valid_from,
                "valid_to": shift.valid_to,
                "cycle": shift.cycle
                and {"days": shift.cycle.length, "on": sorted(shift.cycle.on), "since": shift.cycle.since},
            }
            for shift in load_shifts(connection, site)
        },
        responsibilities={
            entry.responsibility: {
                "zone": entry.zone,
                "duty": entry.duty,
                "person": entry.person,
                "rank": entry.rank.value,
                "valid_from": entry.valid_from,
                "valid_to": entry.valid_to,
            }
            for entry in load_responsibilities(connection, site)
        },
        document={} if newest is None else newest.document,
        gateways=load_gateways(connection, site),
        profiles=None if profiles is None else frozenset(profiles),
    )


Rows = list[dict[str, Any]]


def list_rows(known: Known, *, contacts: bool) -> dict[str, Rows]:
    """The rows by table, in the machine's words; contacts only for those who may see them."""
    people = {person: given for person, given in known.people.items() if person not in known.erased}
    rows: dict[str, Rows] = {
        **place_rows(dict(known.document)),
        PEOPLE.name: [
            {"person": person, **given, "active": "yes" if given["active"] else "no"}
            for person, given in people.items()
        ],
        QUALIFICATION.name: _of_people(people, "qualifications"),
        SHIFT.name: [_shift_row(number, given) for number, given in known.shifts.items()],
        RESPONSIBILITY.name: [dict(given) for given in known.responsibilities.values()],
    }
    if contacts:
        rows[CONTACT.name] = _of_people(people, "contacts")
    return rows


def write_xlsx(known: Known | None, language: Language, *, contacts: bool = True) -> bytes:
    """A workbook of what there is; without `known` the empty template. Its last sheet explains."""
    rows = {} if known is None else list_rows(known, contacts=contacts)
    sheets = [
        OutSheet(
            table.title(language),
            titles(table, language),
            [cells(table, _shown(table, row, language)) for row in rows.get(table.name, ())],
            widths(table),
        )
        for table in TABLES
        if contacts or table is not CONTACT
    ]
    zh = language == "zh"
    notes = OutSheet(
        NOTES[0] if zh else NOTES[1],
        ["工作表", "列", "填写"] if zh else ["Sheet", "Column", "What to write"],
        [
            [table.title(language), column.zh if zh else column.en, column.note or None]
            for table in TABLES
            for column in table.columns
        ],
        {0: 16, 1: 16, 2: 80},
    )
    return write_workbook([*sheets, notes])


def write_yaml(known: Known, *, contacts: bool = True) -> bytes:
    """The same as YAML, in the machine's words."""
    document = {
        table.name: [
            {
                column.name: _plain(row[column.name])
                for column in table.columns
                if row.get(column.name) not in (None, "", ())
            }
            for row in rows
        ]
        for table in TABLES
        if (rows := list_rows(known, contacts=contacts).get(table.name)) is not None
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()


def _of_people(people: Mapping[str, Mapping[str, Any]], column: str) -> Rows:
    return [{"person": person, **each} for person, given in people.items() for each in given[column]]


def _shift_row(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    cycle = given["cycle"]
    row = {"shift": number, **given}
    if cycle:
        row |= {"cycle_days": cycle["days"], "cycle_on": tuple(cycle["on"]), "cycle_from": cycle["since"]}
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int) else str(value)


def _names(words: Mapping[str, Mapping[str, str]]) -> Callable[[Language], Mapping[str, str]]:
    return lambda language: {key: text[language] for key, text in words.items()}


def _pairs(words: Mapping[str, tuple[str, str]]) -> Callable[[Language], Mapping[str, str]]:
    return lambda language: {key: pair[0 if language == "zh" else 1] for key, pair in words.items()}


def _chinese(words: Mapping[str, str]) -> Callable[[Language], Mapping[str, str]]:
    """The first word that means it, for a Chinese sheet; the machine's own word in others."""
    shown = {str(meant): word for word, meant in reversed(list(words.items())) if word != str(meant)}
    return lambda language: shown if language == "zh" else {}


_SHOWN: Final[Mapping[tuple[str, str], Callable[[Language], Mapping[str, str]]]] = {
    (ZONE.name, "kind"): _chinese(KINDS),
    (ZONE.name, "class"): _chinese(CLASSES),
    (ZONE.name, "key_location"): _pairs(KEY_LOCATIONS),
    (DEVICE.name, "family"): _pairs(FAMILIES),
    (DEVICE.name, "writes"): _chinese({zh: key for key, (zh, _) in COMMAND_KINDS.items()}),
    (PEOPLE.name, "active"): _chinese({"是": "yes", "否": "no"}),
    (CONTACT.name, "kind"): _chinese(CONTACTS),
    (QUALIFICATION.name, "kind"): _names(QUALIFICATIONS),
    (RESPONSIBILITY.name, "duty"): _names(DUTIES),
    (RESPONSIBILITY.name, "rank"): _chinese(RANKS),
    (SHIFT.name, "kinds"): _chinese({word: kind.value for word, kind in DAYS.items()}),
}


def _shown(table: Table, row: Mapping[str, Any], language: Language) -> dict[str, Value | Sequence[Value]]:
    """A row in the words of the language, as the sheet is read back."""
    shown = dict(row)
    for (name, column), words_of in _SHOWN.items():
        if name == table.name and shown.get(column) is not None:
            words, value = words_of(language), shown[column]
            several: Iterable[Any] = value if isinstance(value, tuple) else (value,)
            said = tuple(words.get(str(each), str(each)) for each in several)
            shown[column] = said if isinstance(value, tuple) else said[0]
    return shown
