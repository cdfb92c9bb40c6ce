"""A county's schools side by side: what is known of each one's link, which needs somebody first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

Link = Literal["online", "partial", "offline", "unknown"]
"""`partial`: some edges are heard and some are not; `unknown`: the hub itself does not take in this school's
messages now, or the school was never heard."""

LOST_AFTER: Final = timedelta(seconds=30)
"""An edge, or a school's worker, that said nothing for so long is not there (design §6)."""
_DARK: Final[frozenset[Link]] = frozenset({"offline", "unknown"})


def link_of(now: datetime, *, worker_at: datetime | None, edges: int, heard: int, online: int) -> Link:
    """What is known of a school's link. The hub's own absence is not the school's silence: where no worker
    commits for the school, nobody listens, and how its edges are is unknown.
    """
    if worker_at is None or now - worker_at > LOST_AFTER or heard == 0:
        return "unknown"
    if online == 0:
        return "offline"
    return "online" if online == edges else "partial"


def urgency(link: Link, counts: Mapping[str, Any], site: str) -> tuple[Any, ...]:
    """Sorts schools worst first: critical alarms, then schools of which nothing is known (what happens there is
    not seen), then other alarms and what is overdue. `counts` is a row of `school_rows` (hub/store/county.py).
    """
    return (
        -counts["critical"],
        link not in _DARK,
        -counts["high"],
        -counts["hazards_overdue"],
        link != "partial",
        -counts["medium"],
        -counts["hazards_major"],
        -counts["hazards"],
        -counts["low"],
        site,
    )


def within(area: Iterable[str], places: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The sites of a city or a county of it (a prefix of the site's own area), by name."""
    wanted = tuple(area)
    return sorted(site for site, place in places.items() if place[: len(wanted)] == wanted)


def areas_of(places: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every city and county in which there is one of these places, cities before their counties."""
    return sorted({place[:depth] for place in places for depth in range(1, len(place) + 1)})
