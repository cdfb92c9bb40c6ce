"""Who is there: the states of devices and edges, their values, and the counts. Unknown is never online."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from adapters.contract.vocabulary import POINTS, Quality
from hub.api.compose import finite, kind_name, text_of
from hub.api.views import (
    ConditionView,
    Counts,
    DeviceCounts,
    DeviceView,
    EdgeView,
    Presence,
    ValueView,
    ZoneView,
)
from hub.store.database import Row
from hub.store.view import DeviceRows, SiteWords

EDGE_LOST_AFTER: Final = timedelta(seconds=30)
FRESH_FOR: Final = timedelta(minutes=10)
"""A value recorded longer ago is stale, and its point unknown."""

States = Mapping[str, tuple[Presence, datetime | None]]
"""By device: its state and since when."""


def edge_view(row: Row, now: datetime) -> EdgeView:
    """An edge: offline once nothing was heard for 30 s, unknown where nothing was ever heard."""
    heard_at = row["heard_at"]
    state: Presence = "unknown"
    if heard_at is not None:
        state = "online" if now - heard_at <= EDGE_LOST_AFTER else "offline"
    return EdgeView(
        edge=row["edge"],
        name=text_of(row["name"], row["edge"]),
        state=state,
        heard_at=heard_at,
        settings_error=row["settings_error"] or None,
    )


def device_states(rows: DeviceRows, words: SiteWords, now: datetime) -> States:
    """Each configured device's state and since when. Behind a silent edge nothing is known."""
    edges = {row["edge"]: edge_view(row, now) for row in rows.edges}
    offline = {
        row["device"]: (bool(row["active"]), row["observed_at"])
        for row in rows.conditions
        if row["kind"] == "device.offline" and row["address"] == ""
    }
    states: dict[str, tuple[Presence, datetime | None]] = {}
    for device, row in words.devices.items():
        if not row["active"]:
            continue
        edge = edges.get(row["edge"])
        if edge is None or edge.state != "online":
            states[device] = ("unknown", edge.heard_at if edge else None)
        elif device in offline:
            active, since = offline[device]
            states[device] = ("offline" if active else "online", since)
        else:
            states[device] = ("online" if device in rows.heard else "unknown", None)
    return states


def device_views(
    rows: DeviceRows, words: SiteWords, now: datetime, only: Iterable[str] | None = None
) -> list[DeviceView]:
    """Devices with their conditions and values."""
    states = device_states(rows, words, now)
    conditions: dict[str, list[Row]] = {}
    values: dict[str, list[Row]] = {}
    for row in rows.conditions:
        if row["active"]:
            conditions.setdefault(row["device"], []).append(row)
    for row in rows.values:
        values.setdefault(row["device"], []).append(row)
    wanted = states if only is None else [device for device in only if device in states]
    return [
        DeviceView(
            device=device,
            name=text_of(words.devices[device]["name"], device),
            family=words.devices[device]["family"],
            zone=words.devices[device]["zone"],
            state=states[device][0],
            since=states[device][1],
            conditions=[
                ConditionView(
                    kind=row["kind"],
                    kind_name=kind_name(row["kind"]),
                    address=row["address"],
                    active=True,
                    since=row["observed_at"],
                )
                for row in conditions.get(device, ())
            ],
            values=[_value_view(row, states[device][0], now) for row in values.get(device, ())],
        )
        for device in wanted
    ]


def _value_view(row: Row, state: Presence, now: datetime) -> ValueView:
    zh, unit = POINTS.get(row["point"], (row["point"], ""))
    quality = Quality.MISSING if row["quality"] is None else Quality(row["quality"])
    if quality.usable and (state != "online" or now - row["recorded_at"] > FRESH_FOR):
        quality = Quality.STALE
    return ValueView(
        address=row["address"],
        point=row["point"],
        point_name=text_of({"zh": zh, "en": row["point"]}),
        value=finite(row["value"]),
        unit=unit,
        quality=quality.name.lower(),  # type: ignore[arg-type]
        observed_at=row["observed_at"],
    )


def zone_views(words: SiteWords, states: States) -> list[ZoneView]:
    """Zones in their order with the states of the devices in each and in all that lies in it: a building
    whose rooms nobody hears must not look known.
    """
    tally: dict[str, dict[str, int]] = {
        zone: dict.fromkeys(("online", "offline", "unknown"), 0) for zone in words.zones
    }
    for device, (state, _) in states.items():
        for zone in _zones_around(words, words.devices[device]["zone"]):
            tally[zone][state] += 1
    return [
        ZoneView(
            zone=zone,
            parent=row["parent"],
            name=text_of(row["name"], zone),
            class_=row["class"],
            kind=row["kind"],
            devices=DeviceCounts(total=sum(tally[zone].values()), **tally[zone]),
        )
        for zone, row in words.zones.items()
        if row["active"]
    ]


def _zones_around(words: SiteWords, zone: str | None) -> list[str]:
    """A zone and those it lies in."""
    around: list[str] = []
    while zone is not None and zone in words.zones and zone not in around:
        around.append(zone)
        zone = words.zones[zone]["parent"]
    return around


def counts_view(work: Row, points: tuple[int, int], states: States) -> Counts:
    """The figures at the top of the wall. `points` is (all, known)."""
    presences = [state for state, _ in states.values()]
    return Counts(
        **work,
        points_total=points[0],
        points_known=points[1],
        points_unknown=points[0] - points[1],
        devices_total=len(presences),
        devices_online=presences.count("online"),
        devices_offline=presences.count("offline"),
        devices_unknown=presences.count("unknown"),
    )
