"""CSV that a spreadsheet opens without running anything in it, and that says exactly what it was given."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.sheet import read_text, write_line, write_number, write_text


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "@SUM(1+1)", "+1", "-1", "\t=1", "＝1+1", "－1", "'=1", '=1,"2"\r\n3']
)
def test_a_formula_is_a_text(text: str) -> None:
    (cell,) = next(csv.reader(io.StringIO(write_line([write_text(text)]), newline="")))
    assert cell[0] == "'"
    assert read_text(cell) == text


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=6))
def test_what_was_written_is_read(texts: list[str]) -> None:
    line = write_line(map(write_text, texts))
    assert line.endswith("\r\n")
    (cells,) = csv.reader(io.StringIO(line, newline=""))
    assert [read_text(cell) for cell in cells] == texts
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)


@given(st.floats())
def test_a_number_is_exact_and_never_guarded(value: float) -> None:
    cell = write_number(value)
    assert cell == "" if value != value or abs(value) == float("inf") else float(cell) == value
