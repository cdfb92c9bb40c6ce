"""CSV after RFC 4180, in UTF-8, that a spreadsheet opens without running anything in it. Pure.

A text cell that a spreadsheet would take for a formula gets an apostrophe in front; whoever reads the file
by program takes one away where one stands first. Numbers and times are written as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from adapters.contract.vocabulary import Quality
from hub.store.series import Page

BOM: Final = "\ufeff"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SPECIAL: Final = frozenset(',"\r\n')
_QUALITIES: Final = tuple(quality.name.lower() for quality in Quality)


def write_text(text: str | None) -> str:
    """A cell of text."""
    if not text:
        return ""
    guarded = "'" + text if text.startswith(("'", *_FORMULA)) else text
    if _SPECIAL.isdisjoint(guarded) and guarded == guarded.strip():
        return guarded
    return '"' + guarded.replace('"', '""') + '"'


def read_text(cell: str) -> str:
    """What `write_text` was given, from a cell as a CSV reader returns it."""
    return cell[1:] if cell.startswith("'") else cell


def write_line(cells: Iterable[str]) -> str:
    """A line of cells that are written already."""
    return ",".join(cells) + "\r\n"


def write_number(value: float | None) -> str:
    """A number in its shortest exact form; nothing for what is none."""
    return "" if value is None or not np.isfinite(value) else repr(value)


def write_time(moment: datetime | None) -> str:
    """A moment in UTC with all its microseconds; nothing for none."""
    if moment is None:
        return ""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def write_times(at_us: npt.NDArray[np.int64]) -> list[str]:
    """Times in µs since 1970 as ISO 8601 in UTC with all their microseconds."""
    return [f"{at}Z" for at in np.datetime_as_string(at_us.astype("datetime64[us]"), unit="us").tolist()]


def write_readings(head: Sequence[str], page: Page) -> str:
    """A page of readings as lines; `head` is what stands in front of each, as text cells."""
    front = ",".join(write_text(cell) for cell in head)
    numbers = [
        "" if value != value or value in (np.inf, -np.inf) else repr(value) for value in page.value.tolist()
    ]
    return "".join(
        f"{front},{observed},{recorded},{value},{_QUALITIES[quality]}\r\n"
        for observed, recorded, value, quality in zip(
            write_times(page.observed_at),
            write_times(page.recorded_at),
            numbers,
            page.quality.tolist(),
            strict=True,
        )
    )
