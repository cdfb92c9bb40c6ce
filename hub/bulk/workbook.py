"""Excel workbooks in and out: values only. What a formula would compute is neither believed nor written."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from xml.etree import ElementTree

import python_calamine
import xlsxwriter

from hub.domain.error import HubError

MAX_BYTES: Final = 8_000_000
MAX_UNPACKED_BYTES: Final = 120_000_000
"""A sheet of 50 000 rows with 12 columns is about 40 MB of XML; a bomb is more."""
MAX_ROWS: Final = 50_000
MAX_COLUMNS: Final = 100
MAX_CELL: Final = 2_000
MAX_SHEETS: Final = 40
_MAX_FORMULAS: Final = 50
_BLOCK: Final = 1 << 20
_DAY: Final = timedelta(days=1)
_SHEET_NAME: Final = re.compile(r"[\[\]:*?/\\']")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]{1,3}[0-9]{1,7})\"[^>]*>\s*<(?:\w+:)?f[\s>/]")
_CELL: Final = re.compile(r"([A-Z]+)([0-9]+)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Value = str | int | float | bool | date | datetime | time | None


class WorkbookRefused(HubError):
    """The file is no workbook that can be read; the message says why and what to do."""

    status = 422
    code = "workbook"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's cells as they stand; `rows[0]` is the sheet's row 1. `formulas` are (row, column) from 1."""

    name: str
    rows: Sequence[Sequence[Value]]
    formulas: frozenset[tuple[int, int]] = frozenset()


def read_workbook(data: bytes) -> list[Sheet]:
    """The visible sheets of an .xlsx file, in their order; raises WorkbookRefused.

    Bounded before anything is unpacked in memory: bytes, unpacked bytes, sheets, rows, columns.
    """
    if len(data) > MAX_BYTES:
        raise WorkbookRefused(f"the file has {len(data)} bytes, {MAX_BYTES} at most; split it into several")
    formulas = _read_formulas(data)
    try:
        book = python_calamine.load_workbook(io.BytesIO(data))
        names = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
            and sheet.visible == python_calamine.SheetVisibleEnum.Visible
        ]
        return [_read_sheet(book, name, formulas.get(name, frozenset())) for name in names]
    except python_calamine.PasswordError:
        raise WorkbookRefused("the file is locked by a password; save it without one") from None
    except python_calamine.CalamineError as error:
        raise WorkbookRefused(f"the file is no Excel workbook ({error}); save it as .xlsx") from None


def _read_sheet(
    book: python_calamine.CalamineWorkbook, name: str, formulas: frozenset[tuple[int, int]]
) -> Sheet:
    sheet = book.get_sheet_by_name(name)
    last = sheet.end or (-1, -1)
    height, width = last[0] + 1, last[1] + 1
    if height > MAX_ROWS or width > MAX_COLUMNS:
        raise WorkbookRefused(
            f"{name}: {height} rows and {width} columns, {MAX_ROWS} and {MAX_COLUMNS} at most; delete what is"
            " empty at the end, or split the sheet"
        )
    rows = [[_value(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    return Sheet(name, rows, formulas)


def _value(cell: object) -> Value:
    if cell == "" or cell is None:
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    if isinstance(cell, timedelta):
        return (datetime.min.replace(tzinfo=UTC) + cell).time() if timedelta() <= cell < _DAY else str(cell)
    if isinstance(cell, str | bool | int | float | date | datetime | time):
        return cell
    raise AssertionError(f"a cell of type {type(cell).__name__}")


def _read_formulas(data: bytes) -> dict[str, frozenset[tuple[int, int]]]:
    """Where formulas stand, by sheet; and the check that the archive may be unpacked at all."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_size(archive)
            files = _sheet_files(archive)
            return {name: _find_formulas(archive.read(file)) for name, file in files.items()}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, RuntimeError, ValueError) as error:
        # zipfile says so of a damaged archive, one that is locked or packed in a way that it does not know.
        raise WorkbookRefused(f"the file is no Excel workbook ({error}); save it as .xlsx") from None
    except ElementTree.ParseError as error:
        raise WorkbookRefused(f"the workbook's own list of sheets is broken ({error}); save it anew") from None


def _check_size(archive: zipfile.ZipFile) -> None:
    """What the directory of the archive claims is not believed: every part is unpacked and counted once."""
    total = 0
    for part in archive.infolist():
        if part.is_dir():
            continue
        with archive.open(part) as stream:
            while block := stream.read(_BLOCK):
                total += len(block)
                if total > MAX_UNPACKED_BYTES:
                    raise WorkbookRefused(
                        f"the file unpacks to more than {MAX_UNPACKED_BYTES} bytes; split it into several"
                    )


def _sheet_files(archive: zipfile.ZipFile) -> dict[str, str]:
    """Sheet name -> its part in the archive."""
    book = _parse(archive.read("xl/workbook.xml"))
    links = _parse(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    found = {}
    for sheet in (part for part in book.iter() if part.tag.rpartition("}")[2] == "sheet"):
        link = next((value for key, value in sheet.attrib.items() if key.rpartition("}")[2] == "id"), None)
        target = targets.get(link, "")
        file = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if file in archive.namelist():
            found[sheet.get("name", "")] = file
    if not 0 < len(found) <= MAX_SHEETS:
        raise WorkbookRefused(f"the workbook has {len(found)} sheets; 1 to {MAX_SHEETS} are read")
    return found


def _parse(document: bytes) -> ElementTree.Element:
    # Entities are what makes XML dangerous, and they need a DOCTYPE, which no workbook has.
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document or len(document) > _BLOCK:
        raise WorkbookRefused("the workbook's list of sheets is not what a spreadsheet writes; save it anew")
    return ElementTree.fromstring(document)


def _find_formulas(document: bytes) -> frozenset[tuple[int, int]]:
    found = set()
    for match in _FORMULA.finditer(document):
        cell = _CELL.fullmatch(match.group(1).decode())
        if cell is not None:
            found.add((int(cell.group(2)), column_number(cell.group(1))))
        if len(found) >= _MAX_FORMULAS:
            break
    return frozenset(found)


def column_number(letters: str) -> int:
    """A → 1, Z → 26, AA → 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """1 → A, 26 → Z, 27 → AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


@dataclass(frozen=True, slots=True)
class OutSheet:
    """A sheet to be written: its header and rows; widths in characters by column."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]
    widths: Mapping[int, int]


def write_workbook(sheets: Sequence[OutSheet]) -> bytes:
    """An .xlsx file. Text is written as text, whatever it looks like: `=1+1` stays four characters."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
        "remove_timezone": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        formats = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            time: book.add_format({"num_format": "hh:mm"}),
            str: book.add_format({"num_format": "@"}),
        }
        for sheet in sheets:
            page = book.add_worksheet(_SHEET_NAME.sub(" ", sheet.name)[:31])
            page.freeze_panes(1, 0)
            for column, title in enumerate(sheet.header):
                page.write_string(0, column, title, bold)
                page.set_column(column, column, sheet.widths.get(column, 14), formats[str])
            for row, column, value in _cells(sheet.rows):
                if isinstance(value, bool):
                    page.write_boolean(row, column, value)
                elif isinstance(value, int | float):
                    page.write_number(row, column, value)
                elif isinstance(value, str):
                    page.write_string(row, column, _CONTROL.sub("\ufffd", value)[:32_000], formats[str])
                else:
                    page.write_datetime(row, column, value, formats[type(value)])
    return out.getvalue()


def _cells(
    rows: Sequence[Sequence[Value]],
) -> Iterator[tuple[int, int, str | int | float | bool | date | datetime | time]]:
    for row, cells in enumerate(rows, start=1):
        for column, value in enumerate(cells):
            if value is not None:
                yield row, column, value
