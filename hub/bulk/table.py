"""What a sheet of an import holds: its columns, how a cell is read, every fault with sheet, row and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hub.bulk.workbook import MAX_CELL, Sheet, Value, column_letters

_MAX_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one cell (or row, or sheet: then column and row are empty and 0), and the cure."""

    sheet: str
    row: int
    column: str
    """Its letters and title: `C 岗位`."""
    value: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(
            part for part in (self.sheet, f"row {self.row}" if self.row else "", self.column) if part
        )
        shown = f" (is: {self.value})" if self.value else ""
        return f"{place}: {self.message}{shown}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `read` gives what a filled cell means or raises ValueError with what is wrong and the cure;
    an empty cell is `default`, or a fault where it is `required`. `write` gives what export puts into the cell.
    """

    name: str
    zh: str
    en: str
    read: Callable[[Value], Any]
    required: bool = False
    default: Any = None
    width: int = 14
    note: str = ""
    """What may stand here, in Chinese, for the sheet that explains."""


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of sheet; `key` are the columns that together name a row."""

    name: str
    zh: str
    en: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def title(self, language: str) -> str:
        """The sheet's name in that language."""
        return self.zh if language == "zh" else self.en

    def is_called(self, name: str) -> bool:
        """Whether a sheet of that name is of this kind."""
        return name.strip().casefold() in {self.name, self.zh.casefold(), self.en.casefold()}


@dataclass(frozen=True, slots=True)
class Record:
    """One row that was read: its number in the sheet and the value of each column."""

    row: int
    values: Mapping[str, Any]


@dataclass(slots=True)
class TableReading:
    """The rows of one sheet that are in order, and what is wrong with the others."""

    table: Table
    sheet: str
    records: list[Record] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    letters: dict[str, str] = field(default_factory=dict)
    """Column name -> its letters and title, for faults that are found later."""

    def fault(self, record: Record, column: str, message: str, value: object = "") -> None:
        """Add a fault that only the whole shows: a name that stands nowhere, a loop."""
        place = self.letters.get(column, column)
        self.faults.append(Fault(self.sheet, record.row, place, shorten(value), message))


def read_table(sheet: Sheet, table: Table) -> TableReading:
    """Read a sheet by its header (machine name, Chinese or English title; any order). Pure."""
    reading = TableReading(table, sheet.name)
    if not any(sheet.rows):
        # A sheet without anything, as an export of a school without such entries has it, changes nothing.
        return reading
    header = _read_header(sheet, table, reading)
    missing = [column for column in table.columns if column.required and column.name not in header.values()]
    for column in missing:
        reading.faults.append(
            Fault(sheet.name, 1, "", "", f"the column {column.zh} ({column.name}) is missing")
        )
    if missing:
        return reading
    seen: dict[tuple[Any, ...], int] = {}
    columns = {column.name: column for column in table.columns}
    for number, cells in enumerate(sheet.rows[1:], start=2):
        if all(_is_empty(cell) for cell in cells):
            continue
        values: dict[str, Any] = {column.name: column.default for column in table.columns}
        sound = True
        for index, name in header.items():
            cell = cells[index] if index < len(cells) else None
            problem, value = _read_cell(cell, columns[name], (number, index + 1) in sheet.formulas)
            if problem:
                sound = False
                place = reading.letters[name]
                reading.faults.append(Fault(sheet.name, number, place, shorten(cell), problem))
            values[name] = value
        if not sound:
            continue
        record = Record(number, values)
        key = tuple(values[name] for name in table.key)
        if key in seen:
            reading.fault(record, table.key[0], f"stands in row {seen[key]} already; keep one", key[0])
            continue
        seen[key] = number
        reading.records.append(record)
    return reading


def _read_header(sheet: Sheet, table: Table, reading: TableReading) -> dict[int, str]:
    """Index of the cell -> the column's name."""
    header: dict[int, str] = {}
    names = {
        title.casefold(): column.name
        for column in table.columns
        for title in (column.name, column.zh, column.en)
    }
    for index, cell in enumerate(sheet.rows[0] if sheet.rows else ()):
        if _is_empty(cell):
            continue
        place = f"{column_letters(index + 1)} {shorten(cell)}"
        name = names.get(str(cell).strip().rstrip("*").strip().casefold())
        if name is None:
            known = "、".join(column.zh for column in table.columns)
            reading.faults.append(
                Fault(sheet.name, 1, place, shorten(cell), f"is no column of this sheet; it has {known}")
            )
        elif name in header.values():
            reading.faults.append(Fault(sheet.name, 1, place, shorten(cell), "stands twice; keep one column"))
        else:
            header[index] = name
            reading.letters[name] = place
    return header


def _read_cell(cell: Value, column: Column, is_formula: bool) -> tuple[str, Any]:
    """(what is wrong, or "", and the value)."""
    if is_formula:
        return "holds a formula, and formulas are not computed; paste its value", None
    if _is_empty(cell):
        return ("must not be empty", None) if column.required else ("", column.default)
    if isinstance(cell, str) and len(cell) > MAX_CELL:
        return f"has {len(cell)} characters, {MAX_CELL} at most", None
    try:
        return "", column.read(cell)
    except ValueError as error:
        return str(error), None


def _is_empty(cell: Value) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def shorten(value: object) -> str:
    """A value as a fault shows it."""
    text = "" if value is None else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def titles(table: Table, language: str) -> list[str]:
    """The header of a sheet that people fill in; what must be filled has a star."""
    return [
        (column.zh if language == "zh" else column.en) + (" *" if column.required else "")
        for column in table.columns
    ]


def widths(table: Table) -> dict[int, int]:
    """Widths of the columns in characters."""
    return {index: column.width for index, column in enumerate(table.columns)}


def cells(table: Table, values: Mapping[str, Any]) -> Sequence[Value]:
    """One row for the sheet; lists get commas."""
    return [_cell(values.get(column.name)) for column in table.columns]


def _cell(value: Any) -> Value:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(each) for each in value) or None
    return value  # type: ignore[no-any-return]
