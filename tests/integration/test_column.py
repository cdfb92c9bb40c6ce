"""Columns in PostgreSQL's binary form: what goes in as an array comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hub.store import column
from hub.store.column import Column
from hub.store.database import connect

LONG = "长" * 3_000
AT = datetime(2026, 3, 1, 8, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        (column.texts(["", "门", None, LONG, 'a"b\\{},NULL']), ["", "门", None, LONG, 'a"b\\{},NULL']),
        (column.numbers([0, -(2**63), 2**63 - 1, None]), [0, -(2**63), 2**63 - 1, None]),
        (column.integers([1, -1, None]), [1, -1, None]),
        (column.flags([True, False, None]), [True, False, None]),
        (column.blobs([b"", b"\0\xff"]), [b"", b"\0\xff"]),
        (column.documents(['{"a": [1, "二"]}', "3"]), [{"a": [1, "二"]}, 3]),
        (
            column.moments([AT, None, datetime(1970, 1, 1, tzinfo=UTC), AT.replace(year=9999)]),
            [AT, None, datetime(1970, 1, 1, tzinfo=UTC), AT.replace(year=9999)],
        ),
        (column.texts([]), []),
    ],
)
def test_round_trip(database: str, sent: Column, back: list[object]) -> None:
    connection = connect(database, application="test")
    rows = connection.execute("SELECT n.value FROM unnest(%s) AS n (value)", (sent,)).fetchall()
    assert [row[0] for row in rows] == back
    connection.close()


def test_other_zones_are_the_same_moment() -> None:
    assert (
        column.ticks(AT)
        == column.ticks(AT.astimezone())
        == (AT - datetime(2000, 1, 1, tzinfo=UTC)) // (timedelta(microseconds=1))
    )


def test_what_no_text_can_hold_is_refused_by_the_server(database: str) -> None:
    connection = connect(database, application="test")
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s", (column.texts(["a\0b"]),))
    connection.close()
