"""Alarms and events as lines of a table that people defend their figures with: what stands in each column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from adapters.contract.vocabulary import Quality
from hub.api.compose import actor_name, address_name, device_name, kind_name, zone_path
from hub.api.sheet import write_number, write_text, write_time
from hub.api.views import Text
from hub.store.database import Row
from hub.store.view import SiteWords

Column = tuple[str, Callable[[Row], str]]
_ALARM_TIMES: Final = (
    "observed_at",
    "raised_at",
    "last_raised_at",
    "acknowledged_at",
    "verified_at",
    "returned_at",
    "closed_at",
)
_EVENT_TIMES: Final = ("recorded_at", "observed_at", "device_at", "edge_at")


def alarm_columns(words: SiteWords) -> list[Column]:
    """Alarms: numbers, names in Chinese, every time in UTC, seconds to acknowledgement."""
    return [
        *_plain("alarm"),
        *_text("priority", "state", "kind"),
        ("kind_name", lambda row: _zh(kind_name(row["kind"]))),
        *_text("subject", "condition", "device"),
        ("device_name", lambda row: _zh(device_name(words, row["device"]))),
        *_text("address"),
        ("address_name", lambda row: _zh(address_name(words, row["device"], row["address"]))),
        *_text("zone"),
        ("zone_path", lambda row: _path(words, row["zone"])),
        *_times(_ALARM_TIMES),
        ("acknowledged_after_s", lambda row: _seconds(row["raised_at"], row["acknowledged_at"])),
        ("acknowledged_by", lambda row: write_text(actor_name(words, row["acknowledged_by"] or ""))),
        *_text("verification", "verification_cause"),
        *_plain("occurrences", "escalation_level", "incident"),
        *_text("rule"),
        *_plain("rule_version"),
        *_flags("late", "unjudged", "silent", "exercise"),
    ]


def event_columns(words: SiteWords) -> list[Column]:
    """Events as they are stored; `attributes` is JSON."""
    return [
        *_text("event"),
        *_times(_EVENT_TIMES),
        *_text("edge", "device"),
        ("device_name", lambda row: _zh(device_name(words, row["device"]))),
        *_text("address", "zone"),
        ("zone_path", lambda row: _path(words, row["zone"])),
        *_text("kind"),
        ("kind_name", lambda row: _zh(kind_name(row["kind"]))),
        *_flags("active", "late"),
        ("quality", lambda row: Quality(row["quality"]).name.lower()),
        *_text("attributes"),
    ]


def _column(name: str, write: Callable[[Any], str]) -> Column:
    return name, lambda row: write(row[name])


def _text(*names: str) -> Iterable[Column]:
    return [_column(name, write_text) for name in names]


def _times(names: Iterable[str]) -> Iterable[Column]:
    return [_column(name, write_time) for name in names]


def _plain(*names: str) -> Iterable[Column]:
    return [_column(name, lambda value: "" if value is None else str(value)) for name in names]


def _flags(*names: str) -> Iterable[Column]:
    return [_column(name, lambda value: "" if value is None else str(value).lower()) for name in names]


def _zh(text: Text | None) -> str:
    return write_text(text.zh if text else None)


def _path(words: SiteWords, zone: str | None) -> str:
    return write_text(" / ".join(step.zh for step in zone_path(words, zone)))


def _seconds(begin: datetime, end: datetime | None) -> str:
    return "" if end is None else write_number(round((end - begin).total_seconds(), 3))
