"""How a cell of a sheet is read: what it means, or ValueError with what is wrong and the cure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Final

from adapters.contract.topic import NAME
from hub.bulk.workbook import Value

_LIST: Final = re.compile(r"[,;、，；\s]+")


def as_text(cell: Value) -> str:
    """Text; a number that somebody typed is the digits that he sees."""
    if isinstance(cell, date | time | datetime):
        raise ValueError("is a date or a time; format the cell as text")  # noqa: TRY004 - a cell's value is wrong
    text = str(cell).strip()
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise ValueError("holds characters that cannot be printed; type it anew")
    return text


def as_line(cell: Value) -> str:
    """Text in one line, 200 characters at most."""
    text = as_text(cell)
    if "\n" in text or len(text) > 200:
        raise ValueError("must be one line of at most 200 characters")
    return text


def as_name(cell: Value) -> str:
    """A name in the machine's sense: what ids are made of."""
    text = as_text(cell)
    if not NAME.fullmatch(text):
        raise ValueError("is no id; use 1 to 63 small letters, digits and - or _, for example gate-guard")
    return text


def as_names(cell: Value) -> tuple[str, ...]:
    """Ids with commas between them."""
    return tuple(dict.fromkeys(as_name(part) for part in _LIST.split(as_text(cell)) if part))


def as_number(cell: Value) -> int:
    """A whole number."""
    if isinstance(cell, bool) or not isinstance(cell, int | str):
        raise ValueError("is no whole number")  # noqa: TRY004 - a cell's value is wrong
    try:
        return int(cell)
    except ValueError:
        raise ValueError("is no whole number") from None


def as_date(cell: Value) -> date:
    """A day."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    try:
        return date.fromisoformat(as_text(cell).replace("/", "-"))
    except ValueError:
        raise ValueError("is no date; write 2026-09-01") from None


def as_time(cell: Value) -> time:
    """A time of day; 24:00 is 00:00."""
    if isinstance(cell, time):
        return cell
    text = as_text(cell).replace("：", ":")
    try:
        return time(0) if text == "24:00" else time.fromisoformat(text.zfill(5))
    except ValueError:
        raise ValueError("is no time of day; write 07:30") from None


def as_choice(choices: Mapping[str, str]) -> Callable[[Value], str]:
    """One of the words: `choices` is what people write (any of several words) -> what is meant."""

    def read(cell: Value) -> str:
        word = choices.get(as_text(cell).casefold())
        if word is None:
            raise ValueError(f"is none of {'、'.join(choices)}")
        return word

    return read


def as_choices(choices: Mapping[str, str]) -> Callable[[Value], tuple[str, ...]]:
    """Several of the words."""
    one = as_choice(choices)

    def read(cell: Value) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one(part) for part in _LIST.split(as_text(cell)) if part))

    return read


_WEEKDAYS: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "日": 7, "天": 7}
_RANGE: Final = re.compile(r"([1-7])\s*[-–~至到]\s*([1-7])")


def as_weekdays(cell: Value) -> tuple[int, ...]:
    """ISO weekdays: `1-5`, `1,3,7`, `周一至周五`, `一、三、五`."""
    text = as_text(cell)
    for word, digit in _WEEKDAYS.items():
        text = re.sub(rf"(?:周|星期)?{word}", f"{digit} ", text)
    found: list[int] = []
    rest = text
    for match in _RANGE.finditer(text):
        first, last = int(match.group(1)), int(match.group(2))
        if last < first:
            raise ValueError("runs backwards over the week's end; write the days one by one")
        found += range(first, last + 1)
        rest = rest.replace(match.group(0), " ")
    for part in _LIST.split(rest):
        if part and part not in "1234567":
            raise ValueError("are no weekdays; write 1-5, or 1,3,5, or 周一至周五")
        if part:
            found.append(int(part))
    return tuple(sorted(set(found)))
