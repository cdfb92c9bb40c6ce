"""Sheets of an import: every fault has its sheet, row, column, value and cure."""

from __future__ import annotations

from datetime import date, time

import pytest

from hub.bulk.cell import as_choice, as_date, as_line, as_name, as_names, as_time, as_weekdays
from hub.bulk.table import Column, Table, read_table, titles
from hub.bulk.workbook import Sheet

PEOPLE = Table(
    "people",
    "人员",
    "People",
    (
        Column("person", "人员编号", "Person", as_name, required=True),
        Column("name", "姓名", "Name", as_line, required=True),
        Column("posts", "岗位", "Posts", as_names, default=()),
        Column("since", "入职", "Since", as_date),
        Column("grade", "类别", "Grade", as_choice({"正式": "staff", "staff": "staff"})),
    ),
    key=("person",),
)
HEADER = ["人员编号", "姓名", "岗位", "入职"]


def _read(*rows: list[object], formulas: frozenset[tuple[int, int]] = frozenset()) -> object:
    return read_table(Sheet("人员", list(rows), formulas), PEOPLE)  # type: ignore[arg-type]


def test_rows_are_read_by_titles_in_any_order_and_language() -> None:
    reading = _read(
        ["Name *", "人员编号", None, "posts"],
        ["张伟", "zhang", None, "gate-guard、patrol-guard"],
        [None, " "],
        ["李娜", "li", None, None],
    )
    assert not reading.faults
    assert [(record.row, record.values["person"], record.values["posts"]) for record in reading.records] == [
        (2, "zhang", ("gate-guard", "patrol-guard")),
        (4, "li", ()),
    ]


@pytest.mark.parametrize(
    ("rows", "formulas", "expected"),
    [
        ([HEADER, ["Zhang!", "张"]], (), ["人员, row 2, A 人员编号: is no id; use 1 to 63"]),
        ([HEADER, ["zhang", None]], (), ["人员, row 2, B 姓名: must not be empty"]),
        ([HEADER, ["z", "张", "", "昨天"]], (), ["row 2, D 入职: is no date; write 2026-09-01 (is: 昨天)"]),
        ([HEADER, ["z", "张"], ["z", "李"]], (), ["row 3, A 人员编号: stands in row 2 already"]),
        ([["姓名"], ["张"]], (), ["row 1: the column 人员编号 (person) is missing"]),
        ([[*HEADER, "工资"], ["z", "张"]], (), ["row 1, E 工资: is no column of this sheet; it has 人员编号"]),
        ([[*HEADER, "姓名"], ["z", "张"]], (), ["row 1, E 姓名: stands twice"]),
        ([HEADER, ["z", "张"]], ((2, 2),), ["row 2, B 姓名: holds a formula"]),
        ([HEADER, ["z", "张" * 3000]], (), ["has 3000 characters"]),
        ([HEADER, ["!", ""], ["?", "李"]], (), ["row 2, A", "row 2, B", "row 3, A"]),
    ],
)
def test_every_fault_says_where_what_and_the_cure(
    rows: list[list[object]], formulas: tuple[tuple[int, int], ...], expected: list[str]
) -> None:
    reading = _read(*rows, formulas=frozenset(formulas))
    said = [str(fault) for fault in reading.faults]
    assert len(said) == len(expected)
    for line, part in zip(said, expected, strict=True):
        assert part in line


def test_a_row_with_a_fault_is_no_record() -> None:
    reading = _read(HEADER, ["z", "张", None, "?"], ["y", "李"])
    assert [record.values["person"] for record in reading.records] == ["y"]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1-5", (1, 2, 3, 4, 5)),
        ("周一至周五", (1, 2, 3, 4, 5)),
        ("一、三、五", (1, 3, 5)),
        ("星期六，星期日", (6, 7)),
        ("7,1", (1, 7)),
        (6, (6,)),
    ],
)
def test_weekdays_as_people_write_them(text: object, days: tuple[int, ...]) -> None:
    assert as_weekdays(text) == days  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["5-1", "8", "周八", "1;9", "Mon"])
def test_what_is_no_weekday_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"weekdays|week's end"):
        as_weekdays(text)


def test_times_and_dates_as_people_write_them() -> None:
    assert as_time("7:30") == time(7, 30)
    assert as_time("24:00") == time(0)
    assert as_date("2026/09/01") == date(2026, 9, 1)


def test_the_header_marks_what_must_be_filled() -> None:
    assert titles(PEOPLE, "zh")[:3] == ["人员编号 *", "姓名 *", "岗位"]
