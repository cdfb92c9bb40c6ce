"""Why a bucket without readings is empty: what supervision saw, and what the edge says it dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from adapters.contract.vocabulary import Lane
from hub.domain.bucket import Bucketing, Outage, empty_runs, explain_gap, pair_outages
from hub.domain.moment import EPOCH
from hub.store.database import Connection, Row
from hub.store.outage import dropped_gaps, outage_changes
from hub.store.series import Series
from hub.store.view import SiteWords

MOST_GAPS: Final = 200
"""So many gaps are looked at for what the edge dropped; those beyond say less."""


def explain_gaps(
    connection: Connection,
    words: SiteWords,
    series: list[Series],
    slots: Mapping[int, Mapping[int, Row]],
    buckets: Bucketing,
    begun: int,
    kept_from: datetime | None,
) -> dict[tuple[int, int], str]:
    """Why each empty bucket that has begun is empty, by (series, slot). What was before `kept_from` is no
    longer kept.
    """
    runs = [
        (each, first, last)
        for each in series
        for first, last in empty_runs([slot in slots[each[0]] for slot in range(begun)])
    ]
    if not runs:
        return {}
    edges_of = {device: row["edge"] for device, row in words.devices.items()}
    devices = {each[1] for each, _, _ in runs}
    subjects = devices | {f"edge:{edges_of[device]}" for device in devices if device in edges_of}
    changes = outage_changes(
        connection,
        words.site,
        subjects | {"hub:broker", "hub:store"},
        begin=buckets.edges[0],
        end=buckets.edges[-1] + timedelta(days=1),
    )
    outages = _outages_by_subject(changes)
    asked = [
        (each[0], edges_of[each[1]], buckets.edges[first], buckets.edges[last + 1])
        for each, first, last in runs[:MOST_GAPS]
        if each[1] in edges_of
    ]
    dropped = {
        (asked[n][0], asked[n][2]) for n in dropped_gaps(connection, words.site, asked, int(Lane.TELEMETRY))
    }
    reasons: dict[tuple[int, int], str] = {}
    for (number, device, _, _), first, last in runs:
        known = [
            *outages.get(device, ()),
            *outages.get(f"edge:{edges_of.get(device)}", ()),
            *outages.get("hub:broker", ()),
            *outages.get("hub:store", ()),
        ]
        if kept_from is not None:
            known.append(Outage(EPOCH, kept_from, "expired"))
        if (number, buckets.edges[first]) in dropped:
            known.append(Outage(buckets.edges[first], buckets.edges[last + 1], "dropped"))
        for slot in range(first, last + 1):
            reasons[(number, slot)] = explain_gap(buckets.edges[slot], buckets.edges[slot + 1], known)
    return reasons


def _outages_by_subject(changes: Iterable[Row]) -> dict[str, list[Outage]]:
    by_subject: dict[str, list[tuple[datetime, bool]]] = {}
    for row in changes:
        by_subject.setdefault(row["device"], []).append((row["observed_at"], row["active"]))
    return {
        subject: pair_outages(
            told,
            "hub_away"
            if subject.startswith("hub:")
            else "edge_offline"
            if subject.startswith("edge:")
            else "device_offline",
        )
        for subject, told in by_subject.items()
    }
