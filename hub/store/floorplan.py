"""The rows of floor plans."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.domain.floorplan import FloorPlan, Placement, Spot, rounded
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_PLAIN: Final = ("zone", "version", "digest", "media_type", "width", "height", "updated_at", "updated_by")
_FIELDS: Final = ", ".join((*_PLAIN, "zones", "devices"))
_ALL: Final = f"SELECT {_FIELDS} FROM floorplan WHERE site = %s ORDER BY zone"  # noqa: S608 - our own words
_ONE: Final = f"SELECT {_FIELDS} FROM floorplan WHERE site = %s AND zone = %s"  # noqa: S608 - our own words


def list_floorplans(connection: Connection, site: str) -> list[FloorPlan]:
    """A site's plans by zone, without their pictures."""
    return [_read(row) for row in fetch_all(connection, _ALL, (site,))]


def find_floorplan(connection: Connection, site: str, zone: str) -> FloorPlan | None:
    """A zone's plan, without its picture."""
    row = fetch_one(connection, _ONE, (site, zone))
    return None if row is None else _read(row)


def load_picture(connection: Connection, site: str, zone: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a zone's plan."""
    row = connection.execute(
        "SELECT media_type, picture FROM floorplan WHERE site = %s AND zone = %s", (site, zone)
    ).fetchone()
    return None if row is None else (str(row[0]), bytes(row[1]))


def save_floorplan(connection: Connection, site: str, plan: FloorPlan, picture: bytes) -> None:
    """Write a plan with its picture, new or in place of the one that the zone has."""
    connection.execute(
        "INSERT INTO floorplan (site, zone, version, digest, media_type, width, height, picture, zones,"
        " devices, updated_at, updated_by) VALUES (%(site)s, %(zone)s, %(version)s, %(digest)s,"
        " %(media_type)s, %(width)s, %(height)s, %(picture)s, %(zones)s, %(devices)s, %(updated_at)s,"
        " %(updated_by)s)"
        " ON CONFLICT (site, zone) DO UPDATE SET version = EXCLUDED.version, digest = EXCLUDED.digest,"
        " media_type = EXCLUDED.media_type, width = EXCLUDED.width, height = EXCLUDED.height,"
        " picture = EXCLUDED.picture, zones = EXCLUDED.zones, devices = EXCLUDED.devices,"
        " updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by",
        {
            "site": site,
            "picture": picture,
            **{name: getattr(plan, name) for name in _PLAIN},
            **_write(plan.placement),
        },
    )


def save_placement(
    connection: Connection,
    site: str,
    zone: str,
    placement: Placement,
    *,
    version: int,
    actor: str,
    at: datetime,
) -> None:
    """Write what stands on a plan."""
    connection.execute(
        "UPDATE floorplan SET version = %(version)s, zones = %(zones)s, devices = %(devices)s,"
        " updated_at = %(at)s, updated_by = %(actor)s WHERE site = %(site)s AND zone = %(zone)s",
        {"site": site, "zone": zone, "version": version, "actor": actor, "at": at, **_write(placement)},
    )


def delete_floorplan(connection: Connection, site: str, zone: str) -> None:
    """Take a zone's plan out, with its picture."""
    connection.execute("DELETE FROM floorplan WHERE site = %s AND zone = %s", (site, zone))


def _read(row: Row) -> FloorPlan:
    placement = Placement(
        {zone: [(x, y) for x, y in corners] for zone, corners in row["zones"].items()},
        [Spot(*each) for each in row["devices"]],
    )
    return FloorPlan(placement=placement, **{name: row[name] for name in _PLAIN})


def _write(placement: Placement) -> Row:
    return {
        "zones": jsonb({zone: rounded(corners) for zone, corners in placement.zones.items()}),
        "devices": jsonb(
            [[each.device, each.address, *rounded([(each.x, each.y)])[0]] for each in placement.devices]
        ),
    }
