"""`when:` — a predicate in CEL on an event's own values, compiled once to a closure.

Plain comparisons joined by `&&` become Python comparisons (the cheap and common case):
`attributes.reason == "expired" && attributes.confidence >= 0.5`, `attributes.reason in ["a", "b"]`. All
else is CEL's own: `late || device.startsWith("gate")`.
The answer is True, False, or None: a value is missing or is of another type, so it is *unknown*.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from hub.domain.judgement import EventInput
from hub.rules.cel import compile_cel

Answer = bool | None
Predicate = Callable[[EventInput], Answer]

MAX_TEXT: Final = 500
_COMPARISON: Final = re.compile(
    r"\s*(?P<name>attributes\.[a-z_][a-z0-9_]{0,40}|device|address|zone|active|late)"
    r"\s*(?P<operator>==|!=|<=|>=|<|>|in)\s*(?P<literal>.+?)\s*",
    re.DOTALL,
)
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _NotPlain(Exception):
    """The text is more than comparisons of names with literals."""


def compile_when(text: str) -> Predicate:
    """The closure of a `when:` text; raises ValueError with what is wrong and the cure."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters; split the rule")
    try:
        comparisons = [_compile_comparison(part) for part in _split(text)]
    except _NotPlain:
        return _compile_cel(text)

    def evaluate(event: EventInput) -> Answer:
        answer: Answer = True
        for compare in comparisons:
            one = compare(event)
            if one is None:
                return None  # all that is named must be known before anything is decided
            answer = answer and one
        return answer

    return evaluate


def _compile_cel(text: str) -> Predicate:
    try:
        return compile_cel(text)
    except ValueError as error:
        raise ValueError(
            f"cannot be read as CEL: {error}; write comparisons joined by && or ||,"
            ' as attributes.reason == "expired"'
        ) from None


def _split(text: str) -> list[str]:
    parts, start, quoted, index = [], 0, False, 0
    while index < len(text):
        char = text[index]
        if char == '"' and (index == 0 or text[index - 1] != "\\"):
            quoted = not quoted
        elif not quoted and text.startswith("&&", index):
            parts.append(text[start:index])
            start = index = index + 2
            continue
        index += 1
    return [*parts, text[start:]]


def _compile_comparison(text: str) -> Predicate:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise _NotPlain
    read = _reader(match["name"])
    sign, literal = match["operator"], _literal(match["literal"])
    if sign == "in":
        if not isinstance(literal, list) or not literal:
            raise ValueError('needs a list after `in`; write ["a", "b"]')
        return lambda event: _contains(literal, read(event))
    if isinstance(literal, list) or (sign not in ("==", "!=") and isinstance(literal, bool | str)):
        raise ValueError(f"{sign} does not fit {match['literal'][:40]}; use == for words, `in` for lists")
    compare = _OPERATORS[sign]

    def evaluate(event: EventInput) -> Answer:
        value = read(event)
        return bool(compare(value, literal)) if _alike(value, literal) else None

    return evaluate


def _reader(name: str) -> Callable[[EventInput], Any]:
    if name.startswith("attributes."):
        key = name.removeprefix("attributes.")
        return lambda event: event.attributes.get(key)
    return operator.attrgetter(name)


def _literal(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        raise _NotPlain from None
    if value is None or isinstance(value, dict):
        raise ValueError(f"{text[:60]!r} is no literal; write a number, true, false, a word or a list")
    return value


def _contains(known: list[Any], value: Any) -> Answer:
    if value is None:
        return None
    return any(_alike(value, each) and value == each for each in known)


def _alike(value: Any, literal: Any) -> bool:
    if isinstance(value, bool) or isinstance(literal, bool):
        return isinstance(value, bool) and isinstance(literal, bool)
    if isinstance(literal, str):
        return isinstance(value, str)
    # NaN compares false with everything: it is no number to judge by.
    return isinstance(value, int | float) and value == value
