"""The small words of the rule language: names, texts, durations, kinds, points."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from adapters.contract.topic import NAME
from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES, KINDS, POINTS
from hub.document import StrictModel

_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MOST_NAMED: Final = 20
_MAX_DURATION: Final = timedelta(days=400)


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("is not a name; use a-z 0-9 _ . - (63 at most, beginning with a letter or digit)")
    return value


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a duration; write a whole number with its unit, as 30s, 10m, 2h or 92d")
    span = timedelta(seconds=int(match.group(1)) * _SECONDS[match.group(2)])
    if span > _MAX_DURATION:
        raise ValueError("is too long; 400d at most")
    return span


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("is empty; name at least one")
    return values


def _among(words: Iterable[str], what: str) -> AfterValidator:
    known = frozenset(words)

    def check(value: str) -> str:
        if value not in known:
            near = get_close_matches(value, known, 3) or sorted(known)
            shown = ", ".join(near[:_MOST_NAMED]) + (" …" if len(near) > _MOST_NAMED else "")
            raise ValueError(f"is not {what} of the vocabulary; use {shown}")
        return value

    return AfterValidator(check)


Name = Annotated[str, AfterValidator(_name)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
EventKind = Annotated[str, _among(KINDS, "an event kind")]
EventKinds = Annotated[tuple[EventKind, ...], AfterValidator(_some)]
Point = Annotated[str, _among(POINTS, "a point")]
Family = Annotated[str, _among(FAMILIES, "a family")]
CommandKind = Annotated[str, _among(COMMAND_KINDS, "a command")]
Words = Annotated[str, Field(min_length=2, max_length=500)]
Scalar = str | int | float | bool


class LocalText(StrictModel):
    """A text for people, in both languages."""

    zh: Words
    en: Words

    def texts(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}
