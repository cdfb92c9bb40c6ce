"""Each second a beat to every screen: how old the picture is, what is missing; and what has no receipt.

It runs in the event loop and touches no database, so that it goes on when everything else is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub import watchdog
from hub.api.audience import Audience
from hub.api.compose import device_name, kind_name, text_of, zone_of
from hub.api.feed import Feed
from hub.api.listener import Listener
from hub.api.names import Names
from hub.api.stream import write_event
from hub.api.unreceipted import Heard, Unreceipted
from hub.api.views import Beat, UnreceiptedList, UnreceiptedView
from hub.clock import steady_s, utc_now
from hub.store.view import SiteWords

LOST_AFTER_S: Final[Mapping[str, float]] = {"database": 2.5, "broker": 1.0, "worker": 4.0, "chores": 15.0}
"""So long may each be silent before it is missing."""
_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Report:
    """What is missing now, and how long ago each was heard, in seconds (None: never)."""

    missing: tuple[str, ...]
    ages_s: Mapping[str, float | None]


class Pulse:
    """Makes beats and the list of what has no receipt."""

    def __init__(
        self, feed: Feed, listener: Listener, unreceipted: Unreceipted, names: Names, audience: Audience
    ) -> None:
        self._feed = feed
        self._listener = listener
        self._unreceipted = unreceipted
        self._names = names
        self._audience = audience
        self._shown: dict[str, tuple[str, ...]] = {}

    async def beat_forever(self) -> None:
        """Beat until cancelled."""
        due = steady_s()
        while True:
            now = utc_now()
            self._publish_unreceipted(now)
            if steady_s() >= due:
                watchdog.pet()
                due = max(due + 1.0, steady_s() + 0.5)
                self._audience.end_distrusted(steady_s())
                for site in self._audience.sites():
                    beat = self.beat(site, now)
                    if beat is not None:
                        self._audience.publish(site, 0, write_event("beat", beat))
            await asyncio.sleep(_LOOK_S)

    def beat(self, site: str, now: datetime) -> Beat | None:
        """The beat of a site at this moment; None where nothing is known of it yet."""
        condition = self._feed.conditions.get(site)
        if condition is None:
            return None
        missing = self.report(now, site).missing
        return Beat(
            at=now,
            committed_at=condition.worker_at,
            worker_at=condition.worker_at,
            storing="database" not in missing and "worker" not in missing,
            seq=condition.seq,
            missing=list(missing),
            counts=condition.counts,
        )

    def report(self, now: datetime, site: str | None = None) -> Report:
        """What is missing for a site, or for any."""
        conditions = self._feed.conditions
        held = [conditions[name].worker_at for name in conditions if site in (None, name)]
        seen = [at for at in held if at is not None]
        worker_at = min(seen) if seen and len(seen) == len(held) else None
        chores_at = self._feed.liveness.get("chores")
        answered = self._feed.answered
        ages: dict[str, float | None] = {
            "database": steady_s() - answered if answered > float("-inf") else None,
            "broker": 0.0 if self._listener.listening else None,
            "worker": (now - worker_at).total_seconds() if worker_at else None,
            "chores": (now - chores_at).total_seconds() if chores_at else None,
        }
        missing = tuple(name for name, age in ages.items() if age is None or age > LOST_AFTER_S[name])
        return Report(missing, ages)

    def unreceipted_event(self, site: str, now: datetime) -> bytes:
        """The whole list of what has no receipt at a site."""
        words = self._names.known(site)
        items = [_heard_view(item, words) for item in self._unreceipted.shown(site, now)]
        return write_event("unreceipted", UnreceiptedList(items=items))

    def _publish_unreceipted(self, now: datetime) -> None:
        for site in self._unreceipted.sites() | set(self._shown):
            shown = tuple(item.id for item in self._unreceipted.shown(site, now))
            if shown != self._shown.get(site, ()):
                self._shown[site] = shown
                self._audience.publish(site, 0, self.unreceipted_event(site, now))
            if not shown:
                self._shown.pop(site, None)


def _heard_view(item: Heard, words: SiteWords | None) -> UnreceiptedView:
    zone = zone_of(words, item.device, item.address) if words else None
    row = words.zones.get(zone) if words and zone else None
    return UnreceiptedView(
        id=item.id,
        kind=item.kind,
        kind_name=kind_name(item.kind),
        priority=item.priority.value,
        device=item.device,
        device_name=device_name(words, item.device) if words else None,
        zone_name=text_of(row["name"], zone or "") if row else None,
        address=item.address,
        active=item.active,
        edge_at=item.edge_at,
        first_seen_at=item.first_seen_at,
    )
