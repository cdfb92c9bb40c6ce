"""Devices, their readings and events over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from hub.api.act import Line
from hub.api.compose import event_view, reading_view
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite
from hub.api.presence import device_views
from hub.api.views import DeviceView, EventView, ReadingView, View
from hub.clock import utc_now
from hub.domain.error import InvalidAct, NotFound
from hub.store.database import borrow
from hub.store.view import device_rows, find_events, find_readings, find_series

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["devices"])
MAX_SPAN = timedelta(days=32)
_DAY = timedelta(days=1)
From = Annotated[datetime | None, Query(alias="from")]


class DeviceList(View):
    devices: list[DeviceView]


class DeviceDetail(View):
    device: DeviceView
    events: list[EventView]


class ReadingList(View):
    device: str
    address: str
    point: str
    readings: list[ReadingView]


class EventList(View):
    events: list[EventView]


@router.get("/devices", operation_id="listDevices", responses=FAULTS)
def get_devices(here: Here, words: AtSite) -> DeviceList:
    """Every device with its state, conditions and newest values."""
    with borrow(here.pool) as connection:
        rows = device_rows(connection, words.site)
    return DeviceList(devices=device_views(rows, words, utc_now()))


@router.get("/devices/{device}", operation_id="getDevice", responses=FAULTS)
def get_device(here: Here, words: AtSite, device: Annotated[Line, Path()]) -> DeviceDetail:
    """One device, and what it said in the last day."""
    now = utc_now()
    with borrow(here.pool) as connection:
        views = device_views(device_rows(connection, words.site, [device]), words, now, [device])
        if not views:
            raise NotFound("there is no such device")
        rows = find_events(
            connection, words.site, span=(now - _DAY, now + _DAY), device=device, kind=None, limit=50
        )
    return DeviceDetail(device=views[0], events=[event_view(row, words) for row in rows])


@router.get("/readings", operation_id="listReadings", responses=FAULTS)
def get_readings(
    here: Here,
    words: AtSite,
    device: Line,
    point: Line,
    address: Line = "",
    since: From = None,
    to: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> ReadingList:
    """Readings of one point observed in [from, to), by default of the last day; the newest `limit` of them."""
    span = read_span(since, to, utc_now())
    with borrow(here.pool) as connection:
        series = find_series(connection, words.site, device, address, point)
        if series is None:
            raise NotFound("there is no such point")
        rows = find_readings(connection, words.site, series, span=span, limit=limit)
    return ReadingList(
        device=device, address=address, point=point, readings=[reading_view(row) for row in rows]
    )


@router.get("/events", operation_id="listEvents", responses=FAULTS)
def get_events(
    here: Here,
    words: AtSite,
    device: Line | None = None,
    kind: Line | None = None,
    since: From = None,
    to: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> EventList:
    """Events recorded in [from, to), by default of the last day; the newest first."""
    span = read_span(since, to, utc_now())
    with borrow(here.pool) as connection:
        rows = find_events(connection, words.site, span=span, device=device, kind=kind, limit=limit)
    return EventList(events=[event_view(row, words) for row in rows])


def read_span(since: datetime | None, to: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The time asked for: by default the last day. Raises InvalidAct; a time without a zone is UTC."""
    end = _aware(to, "to") if to is not None else now + timedelta(minutes=5)
    begin = _aware(since, "from") if since is not None else end - _DAY
    if not begin < end:
        raise InvalidAct("from: is not before `to`; exchange them")
    if end - begin > MAX_SPAN:
        raise InvalidAct(f"from: more than {MAX_SPAN.days} days before `to`; ask for less at a time")
    return begin, end


def _aware(moment: datetime, field: str) -> datetime:
    if not 1970 <= moment.year < 9999:  # room for a zone and a day on either side
        raise InvalidAct(f"{field}: lies outside the years 1970 to 9998; correct it")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
