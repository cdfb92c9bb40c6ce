"""A site's zones and devices over HTTP: the tree, and changing it one entry at a time.

Each change names the version that was seen: where another was faster it is 409, and nothing was changed. What
is wrong is named by entry and field, `zones[lab].parent: …`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import Field

from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES
from hub.api.act import AtDesk, Body, Desk, Number, Words
from hub.api.compose import text_of
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import Asker, AtSite, may
from hub.api.views import Moment, Text, View
from hub.dispatch.place import propose, put
from hub.domain.error import Moved, NotFound
from hub.domain.place import KEY_LOCATIONS
from hub.sites.configuration import DeviceConfiguration, ZoneConfiguration
from hub.sites.desk import Hand
from hub.sites.document import Document
from hub.sites.edit import (
    add_entry,
    change_area,
    change_entry,
    move_device,
    move_zone,
    remove_entry,
)
from hub.store.database import Connection, borrow
from hub.store.version import SiteVersion, load_gateways, load_version

router = APIRouter(prefix="/api/v1/sites/{site}/places", tags=["places"])
Entry = Annotated[str, Path(min_length=1, max_length=63)]
Area = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=4)]


class PlaceZoneView(View):
    zone: str
    parent: str | None
    name: Text
    class_: str = Field(serialization_alias="class")
    kind: str
    key_location: str | None


class PlaceAddressView(View):
    zone: str | None
    name: Text | None


class PlaceDeviceView(View):
    """`parameters` null: only for those who may change them."""

    device: str
    name: Text
    family: str
    zone: str
    edge: str
    connection: str
    profile: str
    address: str | None
    addresses: dict[str, PlaceAddressView]
    parameters: dict[str, bool | int | float | str] | None
    writes: list[str]
    notes: str


class GatewayView(View):
    """A gateway that devices can be at, with its connections by name. What else they are is site.yaml's."""

    edge: str
    name: Text
    connections: list[str]


class ChoicesView(View):
    """What can be written into an entry."""

    families: dict[str, Text]
    profiles: list[str]
    writes: list[str]
    key_locations: dict[str, Text]


class PlacesView(View):
    """`zones` in their order, parents by name; `version` is what a change must have seen."""

    version: int
    at: Moment
    actor: str
    name: Text
    area: list[str]
    time_zone: str
    zones: list[PlaceZoneView]
    devices: list[PlaceDeviceView]
    gateways: list[GatewayView]
    choices: ChoicesView


class ChangeAnswer(View):
    """`version` is there now; `changed` false: it was so already."""

    version: int
    changed: bool


class ChangeBody(Body):
    """`version`: what was seen."""

    version: Number
    reason: Words = ""


class ZoneBody(ChangeBody):
    zone: ZoneConfiguration


class MoveZoneBody(ChangeBody):
    """`parent` null: outermost; `after` null: before all its siblings."""

    parent: str | None
    after: str | None = None


class DeviceBody(ChangeBody):
    device: DeviceConfiguration


class MoveDeviceBody(ChangeBody):
    zone: str


class AreaBody(ChangeBody):
    """City, county: whoever has a role there sees the site."""

    area: Area


@router.get("", operation_id="getPlaces", dependencies=[may("site.read")], responses=FAULTS)
def get_places(here: Here, words: AtSite, asker: Asker) -> PlacesView:
    """The tree of zones with its devices, as the newest version has it."""
    with borrow(here.pool, [words.site]) as connection:
        newest = _newest(connection, words.site)
        gateways = load_gateways(connection, words.site)
    document, edits = newest.document, asker.access.may("site.edit", words.site)
    return PlacesView(
        version=newest.version,
        at=newest.at,
        actor=newest.actor,
        name=_text(document["name"]),
        area=document.get("area", ()),
        time_zone=document["time_zone"],
        zones=[
            PlaceZoneView(
                zone=each["zone"],
                parent=each.get("parent"),
                name=_text(each["name"]),
                class_=each.get("class", "general"),
                kind=each["kind"],
                key_location=each.get("key_location"),
            )
            for each in document["zones"]
        ],
        devices=[_device(each, edits) for each in document["devices"]],
        gateways=[
            GatewayView(
                edge=row["edge"],
                name=_text(row["name"]),
                connections=[each["connection"] for each in row["connections"]],
            )
            for row in gateways
        ],
        choices=ChoicesView(
            families={key: Text(zh=zh, en=en) for key, (zh, en) in FAMILIES.items()},
            profiles=sorted(here.outfit.profiles),
            writes=sorted(COMMAND_KINDS),
            key_locations={key: Text(zh=zh, en=en) for key, (zh, en) in KEY_LOCATIONS.items()},
        ),
    )


@router.post("/zones", operation_id="addZone", dependencies=[may("site.edit")], responses=ACT_FAULTS)
def post_zone(body: ZoneBody, desk: AtDesk) -> ChangeAnswer:
    """A zone more."""
    return change(desk, body, lambda document: add_entry(document, "zones", _plain(body.zone)))


@router.post("/zones/{zone}", operation_id="changeZone", dependencies=[may("site.edit")], responses=ACT_FAULTS)
def post_zone_change(body: ZoneBody, desk: AtDesk, zone: Entry) -> ChangeAnswer:
    """All of a zone becomes what is sent; its name stays."""
    return change(desk, body, lambda document: change_entry(document, "zones", zone, _plain(body.zone)))


@router.post(
    "/zones/{zone}/move", operation_id="moveZone", dependencies=[may("site.edit")], responses=ACT_FAULTS
)
def post_zone_move(body: MoveZoneBody, desk: AtDesk, zone: Entry) -> ChangeAnswer:
    """A zone with all that it holds, to another place in the tree."""
    return change(desk, body, lambda document: move_zone(document, zone, body.parent, body.after))


@router.post(
    "/zones/{zone}/remove", operation_id="removeZone", dependencies=[may("site.edit")], responses=ACT_FAULTS
)
def post_zone_removal(body: ChangeBody, desk: AtDesk, zone: Entry) -> ChangeAnswer:
    """Refused while it holds something, or something still goes on there. Its history stays."""
    return change(desk, body, lambda document: remove_entry(document, "zones", zone))


@router.post("/devices", operation_id="addDevice", dependencies=[may("site.edit")], responses=ACT_FAULTS)
def post_device(body: DeviceBody, desk: AtDesk) -> ChangeAnswer:
    """A device more; its gateway is told."""
    return change(desk, body, lambda document: add_entry(document, "devices", _plain(body.device)))


@router.post(
    "/devices/{device}", operation_id="changeDevice", dependencies=[may("site.edit")], responses=ACT_FAULTS
)
def post_device_change(body: DeviceBody, desk: AtDesk, device: Entry) -> ChangeAnswer:
    """All of a device becomes what is sent; its name stays."""
    return change(desk, body, lambda document: change_entry(document, "devices", device, _plain(body.device)))


@router.post(
    "/devices/{device}/move", operation_id="moveDevice", dependencies=[may("site.edit")], responses=ACT_FAULTS
)
def post_device_move(body: MoveDeviceBody, desk: AtDesk, device: Entry) -> ChangeAnswer:
    """A device into another zone."""
    return change(desk, body, lambda document: move_device(document, device, body.zone))


@router.post(
    "/devices/{device}/remove",
    operation_id="removeDevice",
    dependencies=[may("site.edit")],
    responses=ACT_FAULTS,
)
def post_device_removal(body: ChangeBody, desk: AtDesk, device: Entry) -> ChangeAnswer:
    """Refused while something of it is open. Its history stays."""
    return change(desk, body, lambda document: remove_entry(document, "devices", device))


@router.post("/area", operation_id="moveSite", dependencies=[may("site.move")], responses=ACT_FAULTS)
def post_area(body: AreaBody, desk: AtDesk) -> ChangeAnswer:
    """The site under another city and county: other people see it from then on."""
    return change(desk, body, lambda document: change_area(document, body.area))


_MOVED: Final = "version: {seen} was seen, and {present} is there by now; look again"


def change(
    desk: Desk, body: ChangeBody, edit: Callable[[Document], Document], source: str = "console"
) -> ChangeAnswer:
    """Apply an edit to the version that was seen. Checked and made ready before the site's turn is taken, so
    that no alarm waits for it. Raises Moved, InvalidAct, ActRefused, NotFound, NotAllowed.
    """
    site = desk.words.site
    answer = desk.before()
    if answer is None:
        with borrow(desk.here.pool, [site]) as connection:
            newest = _newest(connection, site)
            if newest.version != body.version:
                raise Moved(_MOVED.format(seen=body.version, present=newest.version))
            document = edit(dict(newest.document))
            if list(document.get("area", ())) != list(newest.document.get("area", ())):
                desk.demand("site.move")
            fitted = propose(connection, newest.document, document, desk.here.outfit)
        where = {"station": desk.asker.station, "client": desk.client}
        hand = Hand(
            desk.asker.account,
            source,
            body.reason,
            {name: value for name, value in where.items() if value},
            seen=body.version,
        )

        def do(connection: Connection, now: Any) -> ChangeAnswer:
            version = put(connection, fitted, hand=hand, at=now)
            return ChangeAnswer(version=version or body.version, changed=version is not None)

        answer = desk.once(do)
        desk.here.names.forget(site)
    return ChangeAnswer.model_validate(answer)


def _newest(connection: Connection, site: str) -> SiteVersion:
    newest = load_version(connection, site)
    if newest is None:
        raise NotFound("the site has no document yet")
    return newest


def _plain(entry: ZoneConfiguration | DeviceConfiguration) -> dict[str, Any]:
    return entry.model_dump(mode="json", by_alias=True)


def _text(value: Mapping[str, str]) -> Text:
    return text_of(value, "")


def _device(entry: Mapping[str, Any], edits: bool) -> PlaceDeviceView:
    addresses = entry.get("addresses", {})
    return PlaceDeviceView(
        **{key: entry[key] for key in ("device", "family", "zone", "edge", "connection", "profile")},
        name=_text(entry["name"]),
        address=entry.get("address"),
        addresses={
            address: PlaceAddressView(
                zone=each.get("zone"), name=_text(each["name"]) if each.get("name") else None
            )
            for address, each in addresses.items()
        },
        parameters=entry.get("parameters", {}) if edits else None,
        writes=entry.get("writes", ()),
        notes=entry.get("notes", ""),
    )
