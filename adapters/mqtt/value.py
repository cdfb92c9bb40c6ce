"""Values out of a device's payload: reading it, finding a value, taking it as text, number, time."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters.contract.message import Attribute
from adapters.profile.model import canonical
from adapters.profile.mqtt import PLACEHOLDER

MISSING: Final = None
"""What a finder gives where nothing stands: JSON null and an absent key say the same, nothing."""
_MAX_TEXT: Final = 200
_DECODER: Final = msgspec.json.Decoder()
_NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_EARLIEST_US: Final = 0
_LATEST_US: Final = 4_102_444_800_000_000  # the year 2100
_PER_SECOND: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

Finder = Callable[[Any, Mapping[str, str]], Any]


class Unreadable(Exception):
    """A payload or value that cannot be understood; kept raw, never guessed."""


def read_payload(payload: bytes, form: str) -> Any:
    """The payload as JSON or text; raises Unreadable.

    NaN and Infinity are no JSON, but devices send them: one bad sensor must not hide its neighbours.
    """
    if form == "text":
        try:
            return payload.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise Unreadable("is no UTF-8 text") from None
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        document = json.loads(payload)
        msgspec.json.encode(document)  # refuses lone surrogates, which no store keeps
    except (ValueError, RecursionError, msgspec.MsgspecError, OverflowError):
        raise Unreadable("is no JSON") from None
    return document


def compile_source(source: str) -> Finder:
    """A function that finds the value which a profile's source names, or MISSING."""
    if found := PLACEHOLDER.fullmatch(source):
        name = found[1]
        return lambda _document, captures: captures.get(name)
    if source == ".":
        return lambda document, _captures: document
    path = source.split(".")
    if len(path) == 1:
        key = path[0]
        return lambda document, _captures: (
            document.get(key) if isinstance(document, dict) else _step(document, key)
        )
    return lambda document, _captures: _walk(document, path)


def _walk(document: Any, path: list[str]) -> Any:
    for key in path:
        document = _step(document, key)
        if document is None:
            return MISSING
    return document


def _step(document: Any, key: str) -> Any:
    if isinstance(document, dict):
        return document.get(key)
    if isinstance(document, list) and key.isascii() and key.isdigit():
        index = int(key)
        return document[index] if index < len(document) else MISSING
    return MISSING


def take_code(value: Any) -> str:
    """The text by which a value is looked up; for lists and objects their JSON, cut."""
    text = canonical(value)
    return clean(text if text is not None else msgspec.json.encode(value).decode())


def take_attribute(value: Any) -> Attribute | None:
    """A value that an event may carry; None for what is nothing, or no plain value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else clean(str(value))
    return value if isinstance(value, float) and math.isfinite(value) else None


def take_number(value: Any) -> float:
    """A number, also from a text that is one; NaN where it is none (`true` is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def take_identity(value: Any) -> str:
    """The device's own id of a message as text; a long one by its digest, so that none collide."""
    text = canonical(value)
    if text is None:
        return ""
    if len(text) > _MAX_TEXT:
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return clean(text)


def take_time(value: Any, form: str) -> int | None:
    """The device's time in µs since the epoch; None where it is absent, without zone or absurd."""
    try:
        if form == "iso8601":
            if not isinstance(value, str):
                return None
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                return None
            at = round(moment.timestamp() * 1e6)
        else:
            at = round(take_number(value) * _PER_SECOND[form])
    except (ValueError, OverflowError):
        return None
    return at if _EARLIEST_US < at < _LATEST_US else None


def clean(text: str) -> str:
    """A text that every store can keep: no U+0000, no lone surrogate, 200 characters at most."""
    if not text.isascii() or "\0" in text:
        text = _NO_TEXT.sub("\ufffd", text)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
