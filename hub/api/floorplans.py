"""Floor plans over HTTP: which there are, their pictures, what stands on them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query
from fastapi import Body as RawBody
from pydantic import Field
from starlette.responses import Response

from hub.api.act import AtDesk, Body, Desk, Line, Number, Words
from hub.api.compose import text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.views import Moment, Text, View
from hub.domain.error import InvalidAct, NotFound
from hub.domain.floorplan import (
    MOST_CORNERS,
    MOST_DEVICES,
    MOST_ZONES,
    FloorPlan,
    Placement,
    Spot,
    check_placement,
    still_there,
)
from hub.floorplans.desk import place, remove, set_picture
from hub.floorplans.workshop import make_picture
from hub.store.database import Connection, borrow
from hub.store.floorplan import find_floorplan, list_floorplans, load_picture
from hub.store.turn import Turn
from hub.store.view import SiteWords

router = APIRouter(prefix="/api/v1/sites/{site}/floorplans", tags=["floorplans"])
ZoneName = Annotated[str, Path(min_length=1, max_length=63)]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""Of the picture itself, opened by its address: nothing is loaded, nothing runs."""
MOST_FAULTS: Final = 20


class PlacedZone(View):
    """Its outline, corner by corner: 0..1 of the picture's width and height, from the upper left."""

    zone: Line
    corners: Annotated[list[tuple[Part, Part]], Field(min_length=3, max_length=MOST_CORNERS)]


class PlacedDevice(View):
    """`address` null: the device as a whole."""

    device: Line
    address: Line | None = None
    x: Part
    y: Part


class FloorPlanView(View):
    """`version` is what a change must have seen; `digest` changes with the picture."""

    zone: str
    zone_name: Text
    version: int
    digest: str
    width: int
    height: int
    zones: list[PlacedZone]
    devices: list[PlacedDevice]
    updated_at: Moment


class FloorPlanList(View):
    floorplans: list[FloorPlanView]


class PlanAnswer(View):
    """`version` is there now."""

    zone: str
    version: int


class PlaceBody(Body):
    """All that stands on the plan; what is left out is taken off."""

    version: Number
    zones: Annotated[list[PlacedZone], Field(max_length=MOST_ZONES)]
    devices: Annotated[list[PlacedDevice], Field(max_length=MOST_DEVICES)]


class RemoveBody(Body):
    version: Number
    reason: Words = ""


@router.get("", operation_id="listFloorplans", dependencies=[may("floorplan.read")], responses=FAULTS)
def get_floorplans(here: Here, words: AtSite) -> FloorPlanList:
    """The site's plans in the order of its zones. Those of zones that are gone are not shown."""
    with borrow(here.pool, [words.site]) as connection:
        plans = {plan.zone: plan for plan in list_floorplans(connection, words.site)}
    return FloorPlanList(floorplans=[_view(plans[zone], words) for zone in _zones(words) if zone in plans])


@router.get(
    "/{zone}/picture",
    operation_id="getFloorplanPicture",
    dependencies=[may("floorplan.read")],
    response_class=Response,
    responses={
        **FAULTS,
        200: {"content": {"image/png": {}, "image/webp": {}}, "description": "The picture"},
        304: {"description": "As it was"},
    },
)
def get_picture(
    here: Here, words: AtSite, zone: ZoneName, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The picture. The browser asks again each time: who lost the right does not find it in its store."""
    with borrow(here.pool, [words.site]) as connection:
        plan = find_floorplan(connection, words.site, zone)
        if plan is None:
            raise NotFound("the zone has no floor plan")
        headers = {
            "ETag": f'"{plan.digest}"',
            "Cache-Control": "private, no-cache",
            "Content-Security-Policy": POLICY,
        }
        known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
        if headers["ETag"] in known:
            return Response(status_code=304, headers=headers)
        found = load_picture(connection, words.site, zone)
    if found is None:
        raise NotFound("the zone has no floor plan")
    return Response(found[1], media_type=found[0], headers=headers)


@router.post(
    "/{zone}/picture", operation_id="setFloorplan", dependencies=[may("floorplan.edit")], responses=ACT_FAULTS
)
def post_picture(
    desk: AtDesk,
    zone: ZoneName,
    data: Annotated[bytes, RawBody(media_type="application/octet-stream")],
    version: Annotated[int, Query(ge=0, description="The one that was seen; 0: there was none")],
    page: Annotated[int, Query(ge=1, le=10_000, description="Of a PDF")] = 1,
) -> PlanAnswer:
    """A file as the zone's plan: PNG, JPEG, SVG or a page of a PDF, by what is in it. It is drawn anew."""
    if zone not in _zones(desk.words):
        raise NotFound("there is no such zone")
    answer = desk.before()
    if answer is None:
        picture = make_picture(data, page)
        answer = _do(desk, zone, lambda turn: set_picture(turn, zone, picture, version))
    return PlanAnswer.model_validate(answer)


@router.post(
    "/{zone}/places",
    operation_id="placeOnFloorplan",
    dependencies=[may("floorplan.edit")],
    responses=ACT_FAULTS,
)
def post_places(body: PlaceBody, desk: AtDesk, zone: ZoneName) -> PlanAnswer:
    """Where zones and devices are on the plan."""
    placement = Placement(
        {each.zone: each.corners for each in body.zones},
        [Spot(each.device, each.address, each.x, each.y) for each in body.devices],
    )
    faults = check_placement(placement, _zones(desk.words), _devices(desk.words))
    if len(placement.zones) != len(body.zones):
        faults.append("zones: one stands there twice; a zone has one outline")
    if faults:
        raise InvalidAct("\n".join(faults[:MOST_FAULTS]))
    answer = _do(desk, zone, lambda turn: place(turn, zone, placement, body.version))
    return PlanAnswer.model_validate(answer)


@router.post(
    "/{zone}/remove", operation_id="removeFloorplan", dependencies=[may("floorplan.edit")], responses=ACT_FAULTS
)
def post_removal(body: RemoveBody, desk: AtDesk, zone: ZoneName) -> PlanAnswer:
    """The zone has no plan any more; its version is 0 again."""

    def do(turn: Turn) -> int:
        remove(turn, zone, body.version, body.reason)
        return 0

    return PlanAnswer.model_validate(_do(desk, zone, do))


def _do(desk: Desk, zone: str, act: Any) -> dict[str, Any]:
    def do(connection: Connection, now: Any) -> PlanAnswer:
        asker = desk.asker
        turn = Turn(connection, desk.words.site, now, asker.account, asker.station, desk.client)
        return PlanAnswer(zone=zone, version=act(turn))

    return desk.once(do)


def _zones(words: SiteWords) -> list[str]:
    return [zone for zone, row in words.zones.items() if row["active"]]


def _devices(words: SiteWords) -> dict[str, list[str]]:
    return {
        device: list(row["configuration"].get("addresses") or ())
        for device, row in words.devices.items()
        if row["active"]
    }


def _view(plan: FloorPlan, words: SiteWords) -> FloorPlanView:
    shown = still_there(plan.placement, set(_zones(words)), _devices(words))
    return FloorPlanView(
        zone=plan.zone,
        zone_name=text_of(words.zones[plan.zone]["name"], plan.zone),
        version=plan.version,
        digest=plan.digest,
        width=plan.width,
        height=plan.height,
        zones=[PlacedZone(zone=zone, corners=list(corners)) for zone, corners in shown.zones.items()],
        devices=[
            PlacedDevice(device=each.device, address=each.address, x=each.x, y=each.y) for each in shown.devices
        ],
        updated_at=plan.updated_at,
    )
