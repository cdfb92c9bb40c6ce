"""What a spool may hold, in bytes and age, and what it gives up: telemetry first, then the oldest alarms of
medium and low priority. Pure: sizes in, sizes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHEDDABLE_RANK: Final = 2
"""Alarm items of this rank (medium) and above may be dropped; critical and high ones never are."""
ITEM_OVERHEAD_BYTES: Final = 64
"""What a row costs beside its bytes."""


MOST_AT_ONCE: Final = 2 * 1024 * 1024
"""No transaction drops more, so that an alarm never waits for one that does."""
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Budget:
    """How many bytes of items the spool may hold; a tenth of them is kept for alarms. Telemetry may be so old,
    by the age clock; an alarm is never too old.
    """

    total_bytes: int = 512 * 1024 * 1024
    telemetry_age_ms: int = 7 * _DAY_MS

    @property
    def telemetry_bytes(self) -> int:
        return self.total_bytes - self.total_bytes // 10

    @property
    def step_bytes(self) -> int:
        """Dropping goes this much below the limit, so that it is not done for every item."""
        return min(self.total_bytes // 64, 1024 * 1024)

    @property
    def relaxed_bytes(self) -> int:
        """Dropping has stopped when less than this is held."""
        return self.total_bytes * 7 // 10


@dataclass(frozen=True, slots=True)
class Relief:
    """How many bytes each lane has to give up now."""

    telemetry_bytes: int
    alarm_bytes: int


def find_relief(telemetry_held: int, alarm_held: int, alarm_sheddable: int, budget: Budget) -> Relief:
    """What must go so that the budget holds again. Critical and high alarms stay even above it."""
    telemetry_over = max(
        telemetry_held - budget.telemetry_bytes,
        telemetry_held + alarm_held - budget.total_bytes,
        0,
    )
    if not telemetry_over:
        return Relief(0, 0)
    telemetry = min(telemetry_held, telemetry_over + budget.step_bytes, MOST_AT_ONCE)
    if telemetry < min(telemetry_held, telemetry_over):
        return Relief(telemetry, 0)
    alarm_over = alarm_held + telemetry_held - telemetry - budget.total_bytes
    alarm = min(alarm_sheddable, alarm_over + budget.step_bytes, MOST_AT_ONCE) if alarm_over > 0 else 0
    return Relief(telemetry, alarm)
