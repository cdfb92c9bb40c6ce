"""What is done with floor plans: set a zone's picture, place zones and devices on it, remove it. Each on the
version that was seen, in the site's turn, journaled. The rules see nothing of it.
"""

from __future__ import annotations

from hub.domain.error import InvalidAct, Moved, NotFound
from hub.domain.floorplan import NOTHING, FloorPlan, Placement
from hub.floorplans.workshop import Picture
from hub.store.floorplan import delete_floorplan, find_floorplan, save_floorplan, save_placement
from hub.store.turn import Turn
from hub.store.zone import zone_exists


def set_picture(turn: Turn, zone: str, picture: Picture, seen: int) -> int:
    """The zone's plan is this picture now; what stood on the one before stays where it stood. `seen` 0: there
    was none. Returns its version. Raises NotFound, Moved.
    """
    if not zone_exists(turn.connection, turn.site, zone):
        raise NotFound("there is no such zone")
    before = _seen(turn, zone, seen)
    plan = FloorPlan(
        zone=zone,
        version=seen + 1,
        digest=picture.digest,
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
        placement=before.placement if before else NOTHING,
        updated_at=turn.at,
        updated_by=turn.actor,
    )
    save_floorplan(turn.connection, turn.site, plan, picture.data)
    facts = {"digest": picture.digest, "file": picture.kind, "width": picture.width, "height": picture.height}
    turn.journal(f"zone:{zone}", "floorplan.set", {"zone": zone, "version": plan.version, **facts})
    return plan.version


def place(turn: Turn, zone: str, placement: Placement, seen: int) -> int:
    """All that stands on the plan, checked by the caller. Returns its version; raises NotFound, Moved."""
    if _seen(turn, zone, seen) is None:
        raise NotFound("the zone has no floor plan")
    version = seen + 1
    save_placement(turn.connection, turn.site, zone, placement, version=version, actor=turn.actor, at=turn.at)
    counts = {"zones": len(placement.zones), "devices": len(placement.devices)}
    turn.journal(f"zone:{zone}", "floorplan.placed", {"zone": zone, "version": version, **counts})
    return version


def remove(turn: Turn, zone: str, seen: int, reason: str) -> None:
    """The zone has no plan any more. Raises NotFound, Moved."""
    if _seen(turn, zone, seen) is None:
        raise NotFound("the zone has no floor plan")
    delete_floorplan(turn.connection, turn.site, zone)
    turn.journal(f"zone:{zone}", "floorplan.removed", {"zone": zone, "version": seen, "reason": reason})


def _seen(turn: Turn, zone: str, seen: int) -> FloorPlan | None:
    plan = find_floorplan(turn.connection, turn.site, zone)
    present = 0 if plan is None else plan.version
    if seen < 0:
        raise InvalidAct(f"version: {seen} is none; send the one that was seen, 0 where there was no plan")
    if plan is None and seen > 0:
        raise NotFound("the zone has no floor plan")
    if present != seen:
        raise Moved(f"version: {seen} was seen, and {present} is there by now; look again")
    return plan
