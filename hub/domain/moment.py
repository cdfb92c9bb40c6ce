"""Times as numbers: µs since 1970, UTC, as the wire, the rules' memory and the readings' columns have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """An aware time as µs since 1970, exactly."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(at_us: int) -> datetime:
    """µs since 1970 as an aware UTC time; raises OverflowError for what no calendar holds."""
    return EPOCH + timedelta(microseconds=at_us)


def span_us(span: timedelta) -> int:
    """A length of time in µs."""
    return span // _MICROSECOND
