"""A school's calendar in the database: what was saved is loaded; a school that entered nothing says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from hub.domain.calendar import (
    Bell,
    DayKind,
    Doubt,
    Edit,
    Period,
    SchoolCalendar,
    Span,
    SpanKind,
    Timetable,
)
from hub.domain.statutory import NOTHING, chinese_statutory
from hub.store.calendar import load_calendar, save_calendar
from hub.store.database import Connection, connect, site_turn, transaction

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
FULL = SchoolCalendar(
    time_zone=ZoneInfo("Europe/Berlin"),
    spans=(
        Span(SpanKind.TERM, date(2026, 3, 2), date(2026, 7, 3), {"zh": "春季学期"}),
        Span(SpanKind.EXAM, date(2026, 6, 20), date(2026, 6, 22)),
    ),
    edits={date(2026, 5, 9): Edit(DayKind.MAKEUP, 2, {"zh": "调休"}), date(2026, 5, 25): Edit(DayKind.HOLIDAY)},
    timetables=(
        Timetable(
            frozenset({1, 2}),
            (Bell(Period.LESSON, time(8), time(8, 45)),),
            ends=date(2026, 4, 30),
            name={"zh": "冬"},
        ),
        Timetable(frozenset({1, 7}), (Bell(Period.ARRIVAL, time(7), time(7, 30)),), begins=date(2026, 5, 1)),
    ),
    night_begins=time(21, 30),
    statutory=chinese_statutory(),
)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    opened = connect(any_database, application="test")
    for site in ("s", "t"):
        opened.execute("INSERT INTO site (site, name, time_zone) VALUES (%s, '{}', 'Europe/Berlin')", (site,))
    yield opened
    opened.close()


def save(connection: Connection, calendar: SchoolCalendar) -> int:
    with transaction(connection):
        site_turn(connection, "s")
        return save_calendar(connection, "s", calendar, actor="a", at=AT)


def test_what_is_saved_is_loaded_and_replaced_whole(connection: Connection) -> None:
    assert save(connection, FULL) == 1
    assert load_calendar(connection, "s") == FULL
    smaller = SchoolCalendar(time_zone=FULL.time_zone, statutory=NOTHING)
    assert save(connection, smaller) == 2
    assert load_calendar(connection, "s") == smaller


def test_a_school_that_entered_nothing_has_the_states_holidays_and_its_doubts(connection: Connection) -> None:
    save(connection, FULL)
    found = load_calendar(connection, "t")
    assert found == SchoolCalendar(time_zone=ZoneInfo("Europe/Berlin"), statutory=chinese_statutory())
    assert found.day(date(2026, 10, 1)).kind is DayKind.HOLIDAY
    assert Doubt.NO_TERM in found.day(date(2026, 3, 2)).doubts
