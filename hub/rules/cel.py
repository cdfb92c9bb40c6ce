"""Predicates in CEL: compiled and typed at load, bounded in length and depth, never guessed.

CEL itself turns `false && error` into false; so every value that a predicate names must be there and usable
before it is evaluated, or the answer is *unknown*. Loops over lists (`all`, `exists`, `map`, `filter`) are
refused: what a rule costs must not depend on how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hub.domain.judgement import EventInput

if TYPE_CHECKING:
    from cel_expr_python import cel

Answer = bool | None

MAX_DEPTH: Final = 20
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_ATTRIBUTE: Final = re.compile(r"\battributes\.([a-z_][a-z0-9_]*)")
_PLAIN: Final = ("device", "address", "zone", "kind", "active", "late")
_LOOPS: Final = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")


def compile_cel(text: str) -> Callable[[EventInput], Answer]:
    """The closure of a CEL predicate over `device`, `address`, `zone`, `kind`, `active`, `late` and
    `attributes.NAME`; raises ValueError with what is wrong.
    """
    bare = _STRINGS.sub('""', text)
    if (loop := _LOOPS.search(bare)) is not None:
        raise ValueError(f"{loop[1]}() loops over a list; write the cases out, or use `in`")
    if "attributes[" in bare.replace(" ", ""):
        raise ValueError("attributes[…] hides what is needed; write attributes.NAME")
    if _depth(bare) > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH}; split the rule")
    try:
        expression = _environment().compile(text)
    except RuntimeError as error:
        raise ValueError(_first_line(str(error))) from None
    if expression.return_type().name() not in ("BOOL", "DYN"):
        raise ValueError(f"gives {expression.return_type().name()}, not true or false")
    named = tuple(sorted(set(_ATTRIBUTE.findall(bare))))
    words = tuple(word for word in _PLAIN if re.search(rf"(?<![.\w]){word}\b", bare))

    def evaluate(event: EventInput) -> Answer:
        attributes: Mapping[str, Any] = event.attributes
        data: dict[str, Any] = {word: getattr(event, word) for word in words}
        data["attributes"] = {name: attributes.get(name) for name in named}
        if any(value is None for value in (*data.values(), *data["attributes"].values())):
            return None
        if any(value != value for value in data["attributes"].values()):
            return None  # NaN is no number to judge by
        answer = expression.eval(data=data).value()
        return answer if isinstance(answer, bool) else None

    return evaluate


@cache
def _environment() -> cel.Env:
    # Loaded only where a rule needs it: plain comparisons are compiled without it, and it is large.
    from cel_expr_python import cel

    variables = dict.fromkeys(("device", "address", "zone", "kind"), cel.Type.STRING)
    variables |= dict.fromkeys(("active", "late"), cel.Type.BOOL)
    variables["attributes"] = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables=variables)


def _depth(text: str) -> int:
    """How deep brackets, signs and conditionals nest at the most."""
    deepest = depth = 0
    for char in text:
        depth += (char in "([{?!") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _first_line(error: str) -> str:
    line = error.partition("\n")[0]
    return line.rpartition("<input>:")[2].partition(" ")[2] or line
