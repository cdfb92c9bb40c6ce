"""Predicates that are more than plain comparisons are CEL: typed, bounded, and unknown rather than guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.judgement import EventInput
from hub.rules.predicate import compile_when

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def event(
    device: str = "gate-door", late: bool = False, zone: str | None = "gate", **attributes: Any
) -> EventInput:
    return EventInput("e/1/1/1/0", device, "1", zone, "access.denied", None, AT, AT, late, attributes)


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ('late || device.startsWith("gate")', event(), True),
        ('late || device.startsWith("lab")', event(), False),
        ('!(attributes.reason == "expired")', event(reason="unknown"), True),
        ('attributes.reason == "a" || attributes.count > 2', event(reason="b", count=3), True),
        ('kind == "access.denied" && (attributes.count > 2 || late)', event(count=1), False),
        ('attributes.count > 2 ? late : device == "gate-door"', event(count=1), True),
        ('device.matches("^gate-.*$") && !late', event(), True),
        ('device == "attributes.nothing" || !late', event(), True),
    ],
)
def test_cel_answers(text: str, given: EventInput, wanted: bool) -> None:
    assert compile_when(text)(given) is wanted


@pytest.mark.parametrize(
    ("text", "given"),
    [
        # CEL alone would answer: false && error is false, true || error is true.
        ("late && attributes.count > 2", event()),
        ("!late || attributes.count > 2", event()),
        ("!late || attributes.count > 2", event(count=float("nan"))),
        ('!late || zone == "gate"', event(zone=None)),
        ("!(attributes.count > 2)", event(count="three")),
    ],
)
def test_what_is_missing_or_unusable_makes_it_unknown(text: str, given: EventInput) -> None:
    assert compile_when(text)(given) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("!late && nothing", "undeclared reference to 'nothing'"),
        ("late || 1", "found no matching overload"),
        ("(late", "Syntax error"),
        ("[1, 2].all(x, x > 0)", "loops over a list"),
        ("attributes['count'] > 2 || late", "hides what is needed"),
        ("(" * 30 + "late" + ")" * 30, "nested deeper than 20"),
    ],
)
def test_a_faulty_or_costly_predicate_is_refused_when_it_is_loaded(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="cannot be read as CEL") as refused:
        compile_when(text)
    assert fault in str(refused.value)
