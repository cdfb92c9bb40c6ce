"""Reading our YAML: no key twice, `${NAME}` placeholders replaced, faults with field, value and cure.

A fault is one line: `file: field: what is wrong (is: value); cure`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.domain.error import ConfigurationError

MAX_DOCUMENT_BYTES: Final = 16_000_000
MAX_DEPTH: Final = 64
MAX_PARTS: Final = 1_000_000
_PLACEHOLDER: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_MAX_SHOWN: Final = 80
_SECRETS: Final = frozenset({"password", "secret"})

_Model = TypeVar("_Model", bound=BaseModel)


class StrictModel(BaseModel):
    """A frozen part of a configuration; a key that it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _UniqueLoader(yaml.SafeLoader):
    """A safe loader to which the same key twice is an error; plain YAML lets the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_document(file: Path) -> Any:
    """The document in a YAML file, placeholders still in it; raises ConfigurationError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            [f"{file}: cannot be read ({error.strerror}); check the path and its rights"]
        ) from None
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ConfigurationError([f"{file}: {len(data)} bytes; {MAX_DOCUMENT_BYTES} at most"])
    try:
        document = yaml.load(data, Loader=_UniqueLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError([f"{file}: is not YAML: {' '.join(str(error).split())}"]) from None
    if document is None:
        raise ConfigurationError([f"{file}: is empty; write the document, or remove the file"])
    if not _is_bounded(document):
        raise ConfigurationError(
            [
                f"{file}: is nested more than {MAX_DEPTH} deep or has more than {MAX_PARTS} parts, its aliases"
                " written out; write it flatter, with fewer aliases"
            ]
        )
    return document


def _is_bounded(document: Any) -> bool:
    """Whether the document can be walked: an alias may hold itself, or double what it names again and again."""
    waiting, parts = [(document, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        parts += 1
        if depth > MAX_DEPTH or parts > MAX_PARTS:
            return False
        if isinstance(value, dict | list):
            waiting += [(each, depth + 1) for each in (value.values() if isinstance(value, dict) else value)]
    return True


def fill_placeholders(
    document: Any, file: Path, environment: Mapping[str, str] | None = None
) -> tuple[Any, list[str]]:
    """The document with `${NAME}` and `${NAME:-default}` replaced, and a fault for each name that is not set.

    A value that is one whole placeholder and comes out as a whole number becomes a number.
    """
    names = os.environ if environment is None else environment
    faults: list[str] = []

    def fill(value: Any, field: str) -> Any:
        if isinstance(value, dict):
            return {key: fill(each, join_field(field, str(key))) for key, each in value.items()}
        if isinstance(value, list):
            return [fill(each, f"{field}[{number}]") for number, each in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value

        def replace(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            found = names.get(name, default)
            if found is None:
                faults.append(
                    f"{file}: {field}: the environment does not set {name} (is: {shorten(value)});"
                    f" set it or write ${{{name}:-default}}"
                )
                return match.group(0)
            return found

        filled = _PLACEHOLDER.sub(replace, value)
        whole = _PLACEHOLDER.fullmatch(value) is not None
        return int(filled) if whole and _INTEGER.fullmatch(filled) else filled

    return fill(document, ""), faults


def parse_document(document: Any, model: type[_Model], file: Path) -> tuple[_Model | None, list[str]]:
    """The document as a model, or None and every fault."""
    if not isinstance(document, dict):
        return None, [f"{file}: is not a mapping (is: {shorten(document)}); write `key: value` lines"]
    try:
        return model.model_validate(document), []
    except ValidationError as error:
        return None, [
            fault(
                file,
                _field(detail["loc"]),
                _words(detail["type"], detail["msg"]),
                _veil(_at(document, detail["loc"]), detail["loc"][-1] if detail["loc"] else ""),
            )
            for detail in error.errors(include_url=False)
        ]


def _veil(value: Any, name: object = "") -> Any:
    """The value as it may be shown: what is secret by its name stays out of faults, which end in logs."""
    if isinstance(value, dict):
        return {key: _veil(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_veil(each) for each in value]
    return "…" if name in _SECRETS and value is not None else value


def fault(file: Path, field: str, message: str, value: Any = None) -> str:
    """One line about one fault. `message` carries the cure after a semicolon."""
    what, separator, cure = message.partition("; ")
    shown = "" if value is None else f" (is: {shorten(value)})"
    return f"{file}: {field}: {what}{shown}{separator}{cure}"


def shorten(value: Any) -> str:
    """A value for a fault's line."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def join_field(field: str, key: str) -> str:
    """`a` and `b` as `a.b`."""
    return f"{field}.{key}" if field else key


def check_unique(
    things: Sequence[Any], name_of: Callable[[Any], str], field: Callable[[int], str], file: Path
) -> list[str]:
    """A fault for each name that stands twice."""
    first: dict[str, int] = {}
    faults = []
    for number, thing in enumerate(things):
        name = name_of(thing)
        if name in first:
            faults.append(
                fault(
                    file, field(number), f"stands already at {field(first[name])}; rename one of the two", name
                )
            )
        first.setdefault(name, number)
    return faults


_WORDS: Final = {
    "missing": "is missing; add it",
    "path_type": "is no path; write one in quotes",
    "tuple_type": "is no list; write `[a, b]`, or lines that begin with `-`",
    "dict_type": "is no mapping; write `key: value` lines",
    "model_type": "is no mapping; write `key: value` lines",
    "extra_forbidden": "is not a known key; remove it or correct its spelling",
}


def _words(code: str, message: str) -> str:
    return _WORDS.get(code, message.removeprefix("Value error, "))


def _field(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text = join_field(text, part)
    return text or "document"


def _at(document: Any, location: tuple[int | str, ...]) -> Any:
    for part in location:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document
