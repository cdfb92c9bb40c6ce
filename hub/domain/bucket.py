"""Buckets of time for a series of readings: which width, where each begins, why one is empty. Pure.

Minutes and hours lie on UTC's; a quarter of a day and a day lie on the site's own midnight, so that a
day in a report is a school's day. Every edge is a multiple of the roll-up that the bucket is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.domain.error import InvalidAct
from hub.domain.moment import microseconds
from hub.domain.retention import Kept

LEVELS_S: Final = (86_400, 3_600, 900, 60)
"""The roll-ups that the store keeps, the coarsest first; 86 400 is a UTC day."""
WIDTHS_S: Final[dict[str, int]] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "6h": 21_600,
    "1d": 86_400,
}
"""By name, the finest first. `6h` and `1d` follow the site's clock and may be an hour off twice a year."""
MOST_BUCKETS: Final = 5_000
"""Of one series in one answer."""
_CLASSES: Final = {60: "rollup_minute", 900: "rollup_quarter", 3_600: "rollup_hour"}
_LOCAL: Final = {"6h": 6, "1d": 24}


@dataclass(frozen=True, slots=True)
class Bucketing:
    """`edges[i]` ≤ bucket i < `edges[i + 1]`; made of the roll-up `level_s`."""

    name: str
    edges: tuple[datetime, ...]
    level_s: int

    def __len__(self) -> int:
        return len(self.edges) - 1


def kept_since(kept: Kept, now: datetime) -> dict[int, datetime]:
    """Since when each roll-up, by its seconds, is still there; what is missing is kept for ever."""
    return {
        level: now - timedelta(days=days)
        for level, name in _CLASSES.items()
        if (days := kept[name]) is not None
    }


def choose_width(
    begin: datetime, end: datetime, points: int, since: Mapping[int, datetime] = MappingProxyType({})
) -> str:
    """The finest width that covers [begin, end) with at most `points` buckets, and whose roll-up (`kept_since`)
    is still there at `begin`; the widest where none does.
    """
    span_s = (end - begin).total_seconds()
    for name, width_s in WIDTHS_S.items():
        # Days are the school's own, so they are made of hours.
        level = next(each for each in LEVELS_S[1:] if width_s % each == 0)
        if span_s / width_s <= points and (level not in since or begin >= since[level]):
            return name
    return "1d"


def lay_buckets(name: str, begin: datetime, end: datetime, zone: tzinfo) -> Bucketing:
    """Whole buckets that cover [begin, end), `begin` before `end`. Raises InvalidAct for too many."""
    width_s = WIDTHS_S[name]
    count = (end - begin).total_seconds() / width_s
    if count > MOST_BUCKETS:
        raise InvalidAct(
            f"bucket: {name} makes {count:.0f} buckets of this time and {MOST_BUCKETS} are allowed;"
            " choose a wider one, auto, or less time"
        )
    edges = _local_edges(_LOCAL[name], begin, end, zone) if name in _LOCAL else _even_edges(width_s, begin, end)
    seconds = [microseconds(edge) for edge in edges]
    level_s = next((level for level in LEVELS_S if not any(at % (level * 1_000_000) for at in seconds)), None)
    if level_s is None:
        raise InvalidAct("time_zone: its days do not begin on a whole minute of UTC; choose another, or UTC")
    return Bucketing(name, tuple(edges), level_s)


def parse_zone(name: str) -> tzinfo:
    """A time zone by its name or offset. Raises InvalidAct."""
    try:
        if name[:1] in ("+", "-"):
            return timezone(datetime.strptime(name, "%z").utcoffset() or timedelta())
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise InvalidAct(
            f"time_zone: {name!r} is no time zone; write site, UTC, +08:00 or Asia/Shanghai"
        ) from None


def _even_edges(width_s: int, begin: datetime, end: datetime) -> list[datetime]:
    first = int(begin.timestamp()) // width_s * width_s
    last = -(-microseconds(end) // (width_s * 1_000_000)) * width_s
    return [datetime.fromtimestamp(at, UTC) for at in range(first, last + 1, width_s)]


def _local_edges(hours: int, begin: datetime, end: datetime, zone: tzinfo) -> list[datetime]:
    """Each local day's beginning and what divides it, as the local clock shows it."""
    day: date = begin.astimezone(zone).date() - timedelta(days=1)  # midnight itself may be skipped
    edges: list[datetime] = []
    while not edges or edges[-1] < end:
        for hour in range(0, 24, hours):
            edge = datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)
            if not edges or edge > edges[-1]:
                edges.append(edge)
        day += timedelta(days=1)
    first = max(at for at in range(len(edges)) if edges[at] <= begin)
    last = min(at for at in range(len(edges)) if edges[at] >= end)
    return edges[first : last + 1]


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which no reading could come, and why; `end` None: it goes on."""

    begin: datetime
    end: datetime | None
    reason: str


REASONS: Final = ("expired", "dropped", "hub_away", "edge_offline", "device_offline", "no_data")
"""Why a bucket is empty; what stands first says more than what comes after it."""


def empty_runs(taken: Sequence[bool]) -> list[tuple[int, int]]:
    """Where nothing is: runs [first, last] of indices whose entry is False."""
    runs: list[tuple[int, int]] = []
    for index, full in enumerate(taken):
        if full:
            continue
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs


def explain_gap(begin: datetime, end: datetime, outages: Sequence[Outage]) -> str:
    """Why the empty bucket [begin, end) is empty: what is known to have covered at least half of it."""
    covered = dict.fromkeys(REASONS, timedelta())
    for outage in outages:
        until = end if outage.end is None else min(end, outage.end)
        covered[outage.reason] += max(timedelta(), until - max(begin, outage.begin))
    return next((reason for reason in REASONS if covered[reason] * 2 >= end - begin), "no_data")


def pair_outages(changes: Sequence[tuple[datetime, bool]], reason: str) -> list[Outage]:
    """Outages out of the changes of a condition, in order of time."""
    found: list[Outage] = []
    since: datetime | None = None
    for at, active in changes:
        if active and since is None:
            since = at
        elif not active and since is not None:
            found.append(Outage(since, at, reason))
            since = None
    return found if since is None else [*found, Outage(since, None, reason)]
