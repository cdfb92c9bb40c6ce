"""Devices and their events over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from hub.api.act import Line
from hub.api.compose import event_view
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import AtSite, may
from hub.api.presence import device_views
from hub.api.selection import AHEAD, From, To, read_time
from hub.api.views import DeviceView, EventView, View
from hub.clock import utc_now
from hub.domain.error import NotFound
from hub.store.database import borrow
from hub.store.view import device_rows, find_events

router = APIRouter(prefix="/api/v1/sites/{site}", tags=["devices"])
MAX_SPAN = timedelta(days=32)
_DAY = timedelta(days=1)


class DeviceList(View):
    devices: list[DeviceView]


class DeviceDetail(View):
    device: DeviceView
    events: list[EventView]


class EventList(View):
    events: list[EventView]


@router.get("/devices", operation_id="listDevices", dependencies=[may("site.read")], responses=FAULTS)
def get_devices(here: Here, words: AtSite) -> DeviceList:
    """Every device with its state, conditions and newest values."""
    with borrow(here.pool, [words.site]) as connection:
        rows = device_rows(connection, words.site)
    return DeviceList(devices=device_views(rows, words, utc_now()))


@router.get("/devices/{device}", operation_id="getDevice", dependencies=[may("site.read")], responses=FAULTS)
def get_device(here: Here, words: AtSite, device: Annotated[Line, Path()]) -> DeviceDetail:
    """One device, and what it said in the last day."""
    now = utc_now()
    with borrow(here.pool, [words.site]) as connection:
        views = device_views(device_rows(connection, words.site, [device]), words, now, [device])
        if not views:
            raise NotFound("there is no such device")
        rows = find_events(
            connection, words.site, span=(now - _DAY, now + _DAY), device=device, kind=None, limit=50
        )
    return DeviceDetail(device=views[0], events=[event_view(row, words) for row in rows])


@router.get("/events", operation_id="listEvents", dependencies=[may("reading.read")], responses=FAULTS)
def get_events(
    here: Here,
    words: AtSite,
    device: Line | None = None,
    kind: Line | None = None,
    since: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> EventList:
    """Events recorded in [from, to), by default of the last day; the newest first."""
    span = read_time(since, to, utc_now(), ahead=AHEAD, longest=MAX_SPAN)
    with borrow(here.pool, [words.site]) as connection:
        rows = find_events(connection, words.site, span=span, device=device, kind=kind, limit=limit)
    return EventList(events=[event_view(row, words) for row in rows])
