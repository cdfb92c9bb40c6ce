"""The journal backwards: by kind, subject, actor and time, page by page, and never farther than a stretch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.store import search
from hub.store.database import connect, site_turn, transaction
from hub.store.journal import JournalLine, append_lines
from hub.store.search import Wanted, search_journal, seq_after

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def line(minute: int, actor: str, subject: str, kind: str) -> JournalLine:
    return JournalLine(AT + timedelta(minutes=minute), actor, subject, kind, {})


LINES = [
    line(0, "system:worker", "alarm:1", "alarm.raised"),
    line(1, "7", "alarm:1", "alarm.acknowledged"),
    line(2, "edge:e1", "alarm:12", "alarm.raised"),
    line(3, "8", "hazard:1", "hazard.reported"),
    line(4, "system:chores", "hazard:1", "hazard.repeated"),
]
ASKED = [
    (Wanted(), [5, 4, 3, 2, 1]),
    (Wanted(kind="alarm."), [3, 2, 1]),
    (Wanted(kind="alarm.raised"), [3, 1]),
    (Wanted(kind="alarm"), []),
    (Wanted(subject="alarm:1"), [2, 1]),
    (Wanted(subject="alarm:"), [3, 2, 1]),
    (Wanted(actor="7"), [2]),
    (Wanted(people_only=True), [4, 2]),
    (Wanted(since=AT + timedelta(minutes=1), to=AT + timedelta(minutes=3)), [3, 2]),
    (Wanted(kind="%", subject="'"), []),
]


def test_rows_are_found_by_what_they_say(any_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(any_database, application="test") as connection:
        with transaction(connection):
            site_turn(connection, "school")
            append_lines(connection, "school", LINES)
        with transaction(connection):
            site_turn(connection, "other")
            append_lines(connection, "other", LINES[:1])
        for wanted, found in ASKED:
            rows, below = search_journal(connection, "school", wanted, below=None, limit=10)
            assert ([row["seq"] for row in rows], below) == (found, 1), wanted
        rows, below = search_journal(connection, "school", Wanted(kind="alarm."), below=None, limit=2)
        assert ([row["seq"] for row in rows], below) == ([3, 2], 2)
        rows, below = search_journal(connection, "school", Wanted(kind="alarm."), below=below, limit=2)
        assert ([row["seq"] for row in rows], below) == ([1], 1)
        assert [seq_after(connection, "school", AT + timedelta(minutes=m)) for m in (-1, 0, 2.5, 9)] == [
            1,
            1,
            4,
            6,
        ]
        assert seq_after(connection, "empty", AT) == 1
        # What lies beyond the stretch is not said to be absent: there is a number to go on under.
        monkeypatch.setattr(search, "STRETCH", 2)
        rows, below = search_journal(connection, "school", Wanted(kind="alarm."), below=None, limit=10)
        assert ([row["seq"] for row in rows], below) == ([], 4)
