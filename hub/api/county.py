"""All schools of an area on one page, the worst first: what an education bureau begins with."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from hub.api.compose import text_of
from hub.api.context import Here
from hub.api.fault import FAULTS
from hub.api.guard import Asker, may_somewhere
from hub.api.views import DeviceCounts, Moment, SiteName, View
from hub.clock import utc_now
from hub.domain.county import LOST_AFTER, Link, areas_of, link_of, urgency, within
from hub.store.county import device_counts, school_rows
from hub.store.database import Row, borrow, reading

router = APIRouter(prefix="/api/v1/county", tags=["county"])
LARGEST_PAGE: Final = 500


class AlarmCounts(View):
    """Open alarms."""

    critical: int
    high: int
    medium: int
    low: int
    unacknowledged: int


class HazardCounts(View):
    """Open hazards."""

    open: int
    major: int
    overdue: int


class SchoolView(SiteName):
    """`alarms` and `hazards` are what the hub knew last; where `link` is unknown or offline there may be more.
    `heard_at`: when an edge of the school was last heard.
    """

    area: list[str]
    link: Link
    edges: int
    edges_online: int
    heard_at: Moment | None
    alarms: AlarmCounts
    hazards: HazardCounts
    incidents: int
    devices: DeviceCounts


class LinkCounts(View):
    """Schools by what is known of their link."""

    online: int
    partial: int
    offline: int
    unknown: int


class CountyView(View):
    """`schools` is the page; the rest is about all schools of the area. `areas`: those one may ask for."""

    at: Moment
    areas: list[list[str]]
    total: int
    links: LinkCounts
    alarms: AlarmCounts
    hazards: HazardCounts
    incidents: int
    schools: list[SchoolView]


@router.get("", operation_id="getCounty", dependencies=[may_somewhere("site.read")], responses=FAULTS)
def get_county(
    here: Here,
    asker: Asker,
    area: Annotated[list[Annotated[str, Query(max_length=100)]], Query(max_length=8)] = [],  # noqa: B006
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
) -> CountyView:
    """Links, open alarms, hazards and devices of each school of a city or county (`area=` once for each of its
    parts; without it all that one sees), the worst first.
    """
    now = utc_now()
    seen = asker.access.sites_where("site.read")
    places = {site: place for site, place in asker.access.places.items() if site in seen}
    sites = within(area, places)
    with borrow(here.pool, sites) as connection, reading(connection):
        rows = school_rows(connection, sites, now=now, edges_heard_after=now - LOST_AFTER)
        links = {
            row["site"]: link_of(
                now,
                worker_at=row["worker_at"],
                edges=row["edges"],
                heard=row["edges_heard"],
                online=row["edges_online"],
            )
            for row in rows
        }
        rows.sort(key=lambda row: urgency(links[row["site"]], row, row["site"]))
        page = rows[offset : offset + limit]
        devices = device_counts(connection, [row["site"] for row in page], edges_heard_after=now - LOST_AFTER)
    found = list(links.values())
    return CountyView(
        at=now,
        areas=[list(each) for each in areas_of(places.values())],
        total=len(rows),
        links=LinkCounts(
            online=found.count("online"),
            partial=found.count("partial"),
            offline=found.count("offline"),
            unknown=found.count("unknown"),
        ),
        alarms=_alarms(rows),
        hazards=_hazards(rows),
        incidents=sum(row["incidents"] for row in rows),
        schools=[_school(row, links[row["site"]], devices.get(row["site"], (0, 0, 0))) for row in page],
    )


def _school(row: Row, link: Link, devices: tuple[int, int, int]) -> SchoolView:
    total, online, offline = devices
    # Edges that were heard a moment ago mean nothing where nobody takes in what they say.
    if link == "unknown":
        online = offline = 0
    return SchoolView(
        site=row["site"],
        name=text_of(row["name"], row["site"]),
        area=row["area"],
        link=link,
        edges=row["edges"],
        edges_online=row["edges_online"],
        heard_at=row["heard_at"],
        alarms=_alarms([row]),
        hazards=_hazards([row]),
        incidents=row["incidents"],
        devices=DeviceCounts(total=total, online=online, offline=offline, unknown=total - online - offline),
    )


def _alarms(rows: list[Row]) -> AlarmCounts:
    return AlarmCounts(**{name: sum(row[name] for row in rows) for name in AlarmCounts.model_fields})


def _hazards(rows: list[Row]) -> HazardCounts:
    return HazardCounts(
        open=sum(row["hazards"] for row in rows),
        major=sum(row["hazards_major"] for row in rows),
        overdue=sum(row["hazards_overdue"] for row in rows),
    )
