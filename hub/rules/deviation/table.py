"""A series from a CSV file, row for row with how strange each is: the detector without a hub."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hub.domain.error import ConfigurationError
from hub.rules.deviation.detector import Detector

SCORE = "score"
_MISSING = {"", "na", "n/a", "nan", "null", "none"}


def score_file(file: Path, *, value_column: str, time_column: str | None) -> Iterator[list[str]]:
    """The header with `score` after it, then each row with its score (four digits; empty: nothing can be said).

    A row's score depends on it and on rows above it, never on one below. A value that is empty or a word for
    missing is not judged; anything else that is no number, and a time that is none, ends it. Where the clock
    goes back (the end of summer time) it is taken as it stands: rows count in their order.

    Raises:
        ConfigurationError: file, line, column, value and cure.
    """
    try:
        text = file.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}; name a CSV file"]) from None
    with text:
        rows = csv.reader(text)
        try:
            header = next(rows, [])
            value_at = _column(file, header, value_column, "--value-column")
            time_at = None if time_column is None else _column(file, header, time_column, "--time-column")
            if SCORE in header:
                raise ConfigurationError(
                    [f"{file}: line 1: has a column {SCORE!r} already; rename it, the scores come in one"]
                )
            yield [*header, SCORE]
            detector = Detector()
            for row in rows:
                line = rows.line_num
                if len(row) != len(header):
                    raise ConfigurationError(
                        [f"{file}: line {line}: has {len(row)} columns; write {len(header)} as in line 1"]
                    )
                at = None if time_at is None else _time(file, line, header[time_at], row[time_at])
                score = detector.take(at, _value(file, line, value_column, row[value_at])).score
                yield [*row, "" if score is None else f"{score:.4f}"]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigurationError(
                [f"{file}: line {rows.line_num}: is no CSV in UTF-8 ({error}); export it anew"]
            ) from None


def _column(file: Path, header: list[str], name: str, option: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    there = ", ".join(header) or "nothing"
    raise ConfigurationError([f"{file}: line 1: needs one column {name!r}; give {option} one of: {there}"])


def _value(file: Path, line: int, column: str, text: str) -> float | None:
    if text.strip().lower() in _MISSING:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(
            [f"{file}: line {line}: {column}: is no number (is: {text!r}); write one, or leave it empty"]
        ) from None


def _time(file: Path, line: int, column: str, text: str) -> datetime:
    at = parse_time(text)
    if at is None:
        raise ConfigurationError(
            [
                f"{file}: line {line}: {column}: is no time (is: {text!r}); write it as 2026-09-01T08:00:00"
                " or as seconds since 1970"
            ]
        )
    return at


def parse_time(text: str) -> datetime | None:
    """ISO 8601, also with slashes, or seconds since 1970, or their thousandths and so on, as the size tells."""
    try:
        return datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        pass
    try:
        seconds = float(text)
        while 1e11 <= abs(seconds) < 1e22:  # 1e11 s is the year 5138: what is more counts in thousandths
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
