"""How long what is kept: one table of classes. Days; a class's floor cannot be set lower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

AUDIT_DAYS: Final = 180
"""Audit records are kept so long at least (GB/T 22239, and the trade's acceptance rules)."""
LATE_DAYS: Final = 10
"""Readings are taken for nine days back: a day that may still grow must not be dropped."""
FOREVER: Final = "forever"


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """What is kept for `days` (None: for ever) unless told otherwise, and for `floor` days at least, `why`."""

    days: int | None
    floor: int
    why: str


_AUDIT: Final = "an audit may ask for"
_LATE: Final = "late readings are still taken for"
_WORK: Final = "people need to look into it"

CLASSES: Final[Mapping[str, RetentionClass]] = MappingProxyType(
    {
        "readings": RetentionClass(30, LATE_DAYS, _LATE),
        "rollup_minute": RetentionClass(90, LATE_DAYS, _LATE),
        "rollup_quarter": RetentionClass(366, LATE_DAYS, _LATE),
        "rollup_hour": RetentionClass(1_827, LATE_DAYS, _LATE),
        "events": RetentionClass(190, AUDIT_DAYS, _AUDIT),
        "journal": RetentionClass(1_096, AUDIT_DAYS, _AUDIT),
        "alarms": RetentionClass(1_096, AUDIT_DAYS, _AUDIT),
        "hazards": RetentionClass(1_096, AUDIT_DAYS, _AUDIT),
        "incidents": RetentionClass(1_096, AUDIT_DAYS, _AUDIT),
        "commands": RetentionClass(190, AUDIT_DAYS, _AUDIT),
        "history": RetentionClass(190, LATE_DAYS, _LATE),
        "quarantine": RetentionClass(190, 30, _WORK),
        "tombstones": RetentionClass(190, 30, _WORK),
        "sessions": RetentionClass(30, 1, _WORK),
    }
)
"""Closed alarms (with their evidence), hazards and incidents; finished commands; sessions and invitations that
are over. Open ones, day roll-ups, cursors, and what is now (conditions, latest values) stay."""

Kept = Mapping[str, int | None]
"""Class -> days; None: for ever."""
DEFAULT: Final[Kept] = MappingProxyType({name: each.days for name, each in CLASSES.items()})


def read_days(name: str, value: object) -> int | None:
    """A class's days as a person wrote them; raises ValueError with the cure."""
    kind = CLASSES[name]
    if value is None or value == FOREVER:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"is no number of days; write {kind.days or 365}, or {FOREVER}")  # noqa: TRY004 - pydantic's
    if value < kind.floor:
        raise ValueError(f"is less than the {kind.floor} days that {kind.why}; write {kind.floor} or more")
    if value > 36_500:
        raise ValueError(f"is more than a century; write {FOREVER}")
    return value
