"""Values by columns in PostgreSQL's binary form: array parameters for `unnest`, and fields of a binary COPY.

What a backlog writes goes in by the thousand. psycopg would dump a list value by value, and each text through
a regular expression; the server would parse every time and number from text again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
"""What a stream of binary COPY begins with: signature, no flags, no extension."""
COPY_END: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
"""The length of a value that is none."""
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LENGTH: Final = Struct(">i")
_HEAD: Final = Struct(">iiIii")
_SMALL, _WHOLE, _BIG, _TRUTH = Struct(">ih"), Struct(">ii"), Struct(">iq"), (b"\0\0\0\1\0", b"\0\0\0\1\1")


@dataclass(frozen=True, slots=True)
class Column:
    """An array parameter, ready to be sent; `oid` is the array's type."""

    oid: int
    data: bytes


def ticks(at: datetime) -> int:
    """An aware time as PostgreSQL counts it: µs since 2000, UTC."""
    return (at - _EPOCH) // _MICROSECOND


def sized(value: bytes) -> bytes:
    """The length of a value, as it stands before it."""
    return _LENGTH.pack(len(value))


def texts(values: Iterable[str | None]) -> Column:
    """text[]"""
    return _column(25, 1009, [_field(value) for value in values])


def documents(values: Iterable[str]) -> Column:
    """jsonb[], of JSON that is written already."""
    return _column(3802, 3807, [_field("\1" + value) for value in values])


def blobs(values: Iterable[bytes]) -> Column:
    """bytea[]"""
    return _column(17, 1001, [sized(value) + value for value in values])


def flags(values: Iterable[bool | None]) -> Column:
    """boolean[]"""
    return _column(16, 1000, [NULL if value is None else _TRUTH[value] for value in values])


def integers(values: Iterable[int | None]) -> Column:
    """int[]"""
    return _column(23, 1007, [NULL if value is None else _WHOLE.pack(4, value) for value in values])


def numbers(values: Iterable[int | None]) -> Column:
    """bigint[]"""
    return _column(20, 1016, [NULL if value is None else _BIG.pack(8, value) for value in values])


def moments(values: Iterable[datetime | None]) -> Column:
    """timestamptz[]"""
    return _column(1184, 1185, [NULL if value is None else _BIG.pack(8, ticks(value)) for value in values])


def _field(value: str | None) -> bytes:
    if value is None:
        return NULL
    data = value.encode()
    return _LENGTH.pack(len(data)) + data


def _column(element: int, array: int, fields: Sequence[bytes]) -> Column:
    # One dimension, may hold nulls, the elements' type, how many, counted from 1; none at all has no dimension.
    head = _HEAD.pack(1, 1, element, len(fields), 1) if fields else _HEAD.pack(0, 0, element, 0, 0)[:12]
    return Column(array, head + b"".join(fields))


class _ColumnDumper(Dumper):
    """Sends the bytes as they are, each under its own type."""

    format = Format.BINARY

    def get_key(self, obj: Column, format: Any) -> Any:
        return (self.cls, obj.oid)

    def upgrade(self, obj: Column, format: Any) -> _ColumnDumper:
        dumper = _ColumnDumper(self.cls)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: Column) -> bytes:
        return obj.data


psycopg.adapters.register_dumper(Column, _ColumnDumper)
