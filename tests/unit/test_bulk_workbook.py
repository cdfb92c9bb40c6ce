"""Workbooks: values go through, formulas neither in nor out, hostile files are refused in time."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import date, datetime, time

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from hub.bulk import workbook
from hub.bulk.workbook import (
    OutSheet,
    WorkbookRefused,
    column_letters,
    column_number,
    read_workbook,
    write_workbook,
)

HOSTILE = ["=1+1", "=HYPERLINK('http://x')", "+1", "-1", "@SUM(A1)", "<script>alert(1)</script>", "\t=1", "007"]


def _book(**sheets: list[list[object]]) -> bytes:
    return write_workbook([OutSheet(name, rows[0], rows[1:], {}) for name, rows in sheets.items()])


def test_text_comes_back_as_it_was_whatever_it_looks_like() -> None:
    data = _book(人员=[["a"], *[[text] for text in HOSTILE]])
    (sheet,) = read_workbook(data)
    assert [row[0] for row in sheet.rows[1:]] == HOSTILE
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
        assert not [name for name in archive.namelist() if "externalLink" in name]


def test_numbers_dates_and_times_keep_their_kind() -> None:
    moment = datetime.combine(date(2026, 9, 1), time(7, 30))
    row = [3, 2.5, True, date(2026, 9, 1), moment, time(7, 30), None, "文"]
    (sheet,) = read_workbook(_book(s=[["h"] * len(row), row]))
    assert list(sheet.rows[1]) == row


def test_a_formula_is_named_by_its_cell() -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("first").write_string(0, 0, "h")
        page = book.add_worksheet("second")
        page.write_formula(4, 27, "=1+1", None, 2)
    first, second = read_workbook(out.getvalue())
    assert first.formulas == frozenset()
    assert second.formulas == {(5, column_number("AB"))}


def test_a_sheet_that_begins_below_keeps_its_row_numbers() -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("s").write_string(3, 2, "here")
    (sheet,) = read_workbook(out.getvalue())
    assert sheet.rows[3][2] == "here"


def test_hidden_sheets_are_not_read() -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("seen").write_string(0, 0, "h")
        hidden = book.add_worksheet("hidden")
        hidden.write_string(0, 0, "h")
        hidden.hide()
    assert [sheet.name for sheet in read_workbook(out.getvalue())] == ["seen"]


def _repack(data: bytes, **changes: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.namelist():
            target.writestr(part, changes.get(part.rsplit("/")[-1].replace(".", "_"), source.read(part)))
    return out.getvalue()


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", 3_000_000)
    bomb = _repack(_book(s=[["h"]]), sheet1_xml=b" " * 4_000_000)
    assert len(bomb) < 20_000
    with pytest.raises(WorkbookRefused, match="unpacks to more than"):
        read_workbook(bomb)


def test_entities_are_refused() -> None:
    evil = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'
    with pytest.raises(WorkbookRefused, match="list of sheets"):
        read_workbook(_repack(_book(s=[["h"]]), workbook_xml=evil))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"a,b\n1,2\n", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_what_is_no_workbook_says_what_to_do(data: bytes) -> None:
    with pytest.raises(WorkbookRefused, match=r"save it as \.xlsx"):
        read_workbook(data)


def test_too_many_bytes_rows_and_columns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _book(s=[["h", "i"], ["1", "2"], ["3", "4"]])
    for name, limit, words in (
        ("MAX_BYTES", 100, "bytes"),
        ("MAX_ROWS", 2, "rows"),
        ("MAX_COLUMNS", 1, "columns"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(workbook, name, limit)
            with pytest.raises(WorkbookRefused, match=words):
                read_workbook(data)


@given(st.integers(1, 20_000))
def test_column_letters_and_numbers_agree(number: int) -> None:
    assert column_number(column_letters(number)) == number


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_a_damaged_workbook_is_read_or_refused_never_a_crash(noise: bytes, at: int) -> None:
    data = bytearray(_DAMAGED)
    at %= len(data)
    data[at : at + len(noise)] = noise
    with contextlib.suppress(WorkbookRefused):
        read_workbook(bytes(data))


_DAMAGED = _book(a=[["h"], ["1"]], b=[["h"], ["2"]])
