"""What an import would do: steps and faults, from its sheets and what the site has. Pure.

Rows add and change; what a file does not name stays as it is. A sheet that is not there changes nothing of its
kind; of a person who stands in a sheet of contacts or qualifications, it gives all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hub.bulk.places import DEVICE, PLACES, POINT, ZONE, merge_places
from hub.bulk.sheets import CONTACT, PEOPLE, QUALIFICATION, RESPONSIBILITY, SHIFT, TABLES
from hub.bulk.table import Fault, Record, TableReading, read_table
from hub.bulk.workbook import Sheet

MOST_FAULTS: Final = 1_000
MOST_OF_A_PERSON: Final = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the site has: by person, shift and entry what its desk would be given to save it."""

    posts: frozenset[str]
    zones: frozenset[str]
    people: Mapping[str, Mapping[str, Any]]
    erased: frozenset[str]
    shifts: Mapping[int, Mapping[str, Any]]
    responsibilities: Mapping[int, Mapping[str, Any]]
    document: Mapping[str, Any]
    """The newest version of the site's places and devices."""
    gateways: Sequence[Mapping[str, Any]]
    profiles: frozenset[str] | None = None
    """Of devices; None: not asked."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act: what the desk is given, and where in the file it stands."""

    kind: str
    """zone, device, person, shift, responsibility."""
    target: str
    given: Mapping[str, Any]
    sheet: str
    row: int


@dataclass(slots=True)
class Draft:
    """`added`, `changed` and `unchanged` count rows by kind. With a fault nothing is to be done."""

    steps: list[Step] = field(default_factory=list)
    places: list[Step] = field(default_factory=list)
    """Zones and devices, which go before `steps`; each the whole entry of the document."""
    faults: list[Fault] = field(default_factory=list)
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)


def draft_import(sheets: Sequence[Sheet], known: Known) -> Draft:
    """Read the sheets and say what they come to."""
    draft = Draft()
    readings: dict[str, TableReading] = {}
    for sheet in sheets:
        table = next((table for table in TABLES if table.is_called(sheet.name)), None)
        if table is None:
            if any(any(cell is not None for cell in row) for row in sheet.rows) and not is_notes(sheet.name):
                names = "、".join(each.zh for each in TABLES)
                draft.faults.append(
                    Fault(sheet.name, 0, "", "", f"is no sheet that is read; call it {names}, or delete it")
                )
        elif table.name in readings:
            draft.faults.append(Fault(sheet.name, 0, "", "", f"is a second sheet of {table.zh}; join the two"))
        else:
            readings[table.name] = read_table(sheet, table)
    if not readings and not draft.faults:
        draft.faults.append(Fault("", 0, "", "", "the file has no sheet that is read; begin with the template"))
    known = _draft_places(draft, readings, known)
    people = _draft_people(draft, readings, known)
    _draft_shifts(draft, readings.get(SHIFT.name), known, people)
    _draft_responsibilities(draft, readings.get(RESPONSIBILITY.name), known, people)
    for reading in readings.values():
        draft.faults += reading.faults
    draft.faults.sort(key=lambda fault: (fault.sheet, fault.row))
    del draft.faults[MOST_FAULTS:]
    return draft


def _draft_places(draft: Draft, readings: Mapping[str, TableReading], known: Known) -> Known:
    """Steps for zones and devices; returns what is known once they are taken."""
    if not any(table.name in readings for table in PLACES):
        return known
    before = dict(known.document)
    document, faults = merge_places(readings, before, known.gateways)
    draft.faults += faults
    devices = readings.get(DEVICE.name)
    for record in devices.records if devices and known.profiles is not None else ():
        if devices and known.profiles is not None and record.values["profile"] not in known.profiles:
            given = record.values["profile"]
            devices.fault(record, "profile", f"is no known profile; {_some(known.profiles)}", given)
    for section, kind in (("zones", "zone"), ("devices", "device")):
        old = {entry[kind]: entry for entry in before.get(section, ())}
        # A device that stands in the sheet of points only is changed by its first row there.
        tables = [ZONE] if kind == "zone" else [DEVICE, POINT]
        rows: dict[str, tuple[str, int]] = {}
        for reading in (readings[table.name] for table in tables if table.name in readings):
            for record in reading.records:
                rows.setdefault(record.values[kind], (reading.sheet, record.row))
        for entry in _parents_first(document.get(section, ())):
            if entry[kind] in rows:
                sheet, row = rows[entry[kind]]
                step = Step(kind, entry[kind], entry, sheet, row)
                _count(draft, step, old.get(entry[kind]))
    draft.places = [step for step in draft.steps if step.kind in ("zone", "device")]
    draft.steps = [step for step in draft.steps if step not in draft.places]
    return replace(known, zones=frozenset(zone["zone"] for zone in document["zones"]), document=document)


def _parents_first(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Zones so that each stands behind the one that it lies in; devices as they are."""
    parents = {entry["zone"]: entry.get("parent") for entry in entries if "parent" in entry}

    def depth(entry: Mapping[str, Any]) -> int:
        above, steps = entry.get("parent"), 0
        while above is not None and steps <= len(parents):
            above, steps = parents.get(above), steps + 1
        return steps

    return sorted(entries, key=depth)


NOTES: Final = ("说明", "Notes")


def is_notes(name: str) -> bool:
    """Whether it is the sheet of the template that explains; nobody reads it in."""
    return name.strip() in NOTES


def _draft_people(draft: Draft, readings: Mapping[str, TableReading], known: Known) -> frozenset[str]:
    """Steps for persons; returns those who can be named once they are taken."""
    wanted: dict[str, tuple[dict[str, Any], str, int]] = {}
    told = readings.get(PEOPLE.name) or TableReading(PEOPLE, "")
    named = set(known.people) - known.erased
    able = {person for person in named if known.people[person]["active"]}
    for record in told.records:
        person = record.values["person"]
        if person in known.erased:
            told.fault(record, "person", "was erased; enter a person of another id", person)
            continue
        for post in record.values["posts"]:
            if post not in known.posts:
                told.fault(record, "posts", f"there is no post {post}; {_some(known.posts)}", post)
        before = known.people.get(person, {"account": None, "contacts": (), "qualifications": ()})
        values = {"name": record.values["name"], "posts": record.values["posts"]}
        active = record.values["active"] == "yes"
        wanted[person] = ({**before, **values, "active": active}, told.sheet, record.row)
        named.add(person)
        able = able | {person} if active else able - {person}
    for table, column in ((CONTACT, "contacts"), (QUALIFICATION, "qualifications")):
        reading = readings.get(table.name)
        if reading is None:
            continue
        for person, rows in _by_person(reading.records).items():
            if person not in named:
                reading.fault(rows[0], "person", "is nobody of this site, nor of the sheet 人员", person)
                continue
            if len(rows) > MOST_OF_A_PERSON:
                reading.fault(rows[-1], "person", f"has {len(rows)} rows, {MOST_OF_A_PERSON} at most", person)
            if person in wanted:
                given, sheet, row = wanted[person]
            else:
                given, sheet, row = dict(known.people[person]), reading.sheet, rows[0].row
            parts = [{name: value for name, value in each.values.items() if name != "person"} for each in rows]
            wanted[person] = ({**given, column: tuple(parts)}, sheet, row)
    for person, (given, sheet, row) in wanted.items():
        _count(draft, Step("person", person, given, sheet, row), known.people.get(person))
    return frozenset(able)


def _draft_shifts(draft: Draft, reading: TableReading | None, known: Known, people: frozenset[str]) -> None:
    for record in reading.records if reading else ():
        assert reading is not None
        values = dict(record.values)
        number = values.pop("shift")
        _check(reading, record, known, people)
        if values["post"] not in known.posts:
            reading.fault(record, "post", f"there is no such post; {_some(known.posts)}", values["post"])
        if number is not None and number not in known.shifts:
            reading.fault(record, "shift", "there is no such shift; leave it empty for a new one", number)
        values["cycle"] = _read_cycle(reading, record, values)
        values["kinds"] = tuple(sorted(values["kinds"]))
        before = known.shifts.get(number) if number is not None else None
        same = before or next((shift for shift in known.shifts.values() if shift == values), None)
        target = "" if number is None else str(number)
        _count(draft, Step("shift", target, values, reading.sheet, record.row), same)


def _draft_responsibilities(
    draft: Draft, reading: TableReading | None, known: Known, people: frozenset[str]
) -> None:
    key = ("zone", "duty", "person")
    numbers = {tuple(entry[name] for name in key): number for number, entry in known.responsibilities.items()}
    for record in reading.records if reading else ():
        assert reading is not None
        _check(reading, record, known, people)
        number = numbers.get(tuple(record.values[name] for name in key))
        before = None if number is None else known.responsibilities[number]
        target = "" if number is None else str(number)
        _count(draft, Step("responsibility", target, dict(record.values), reading.sheet, record.row), before)


def _check(reading: TableReading, record: Record, known: Known, people: frozenset[str]) -> None:
    """What every entry names: an active person, a place, days in their order."""
    values = record.values
    if values["person"] not in people:
        reading.fault(
            record, "person", "is no active person of this site, nor of the sheet 人员", values["person"]
        )
    if values["zone"] is not None and values["zone"] not in known.zones:
        reading.fault(record, "zone", f"there is no such place; {_some(known.zones)}", values["zone"])
    first, last = values["valid_from"], values["valid_to"]
    if first is not None and last is not None and last < first:
        reading.fault(record, "valid_to", f"is before {first}; write the last day", last)


def _read_cycle(reading: TableReading, record: Record, values: dict[str, Any]) -> dict[str, Any] | None:
    """The rotation of a row, taken out of its three columns."""
    days, on, since = values.pop("cycle_days"), values.pop("cycle_on"), values.pop("cycle_from")
    if days is None and on is None and since is None:
        return None
    if days is None or on is None or since is None:
        reading.fault(record, "cycle_days", "a rotation needs 轮班天数, 轮班当值 and 轮班起点; fill all three")
        return None
    parts = [part.strip() for part in on.replace("，", ",").replace("、", ",").split(",") if part.strip()]
    if not 1 <= days <= 366 or not parts or not all(part.isdecimal() and int(part) < days for part in parts):
        reading.fault(
            record, "cycle_on", f"are no days of a rotation of {days} (1 to 366); it counts from 0", on
        )
        return None
    return {"days": days, "on": sorted({int(part) for part in parts}), "since": since}


def _count(draft: Draft, step: Step, before: Mapping[str, Any] | None) -> None:
    if before is not None and dict(before) == dict(step.given):
        draft.unchanged[step.kind] = draft.unchanged.get(step.kind, 0) + 1
        return
    counts = draft.added if before is None else draft.changed
    counts[step.kind] = counts.get(step.kind, 0) + 1
    draft.steps.append(step)


def _by_person(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.values["person"], []).append(record)
    return found


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return f"there is {', '.join(listed[:12])}{' …' if len(listed) > 12 else ''}" if listed else "there is none"
