"""The rows of zones: what lies where."""

from __future__ import annotations

from hub.store.database import Connection


def zone_exists(connection: Connection, site: str, zone: str) -> bool:
    """Is there such a place?"""
    row = connection.execute(
        "SELECT 1 FROM zone WHERE site = %s AND zone = %s AND active", (site, zone)
    ).fetchone()
    return row is not None


def zone_names(connection: Connection, site: str) -> dict[str, dict[str, str]]:
    """The names of the site's present places, by zone."""
    rows = connection.execute("SELECT zone, name FROM zone WHERE site = %s AND active ORDER BY zone", (site,))
    return dict(rows.fetchall())


def zones_below(connection: Connection, site: str, zone: str) -> list[str]:
    """A zone with all its descendants."""
    rows = connection.execute(
        "WITH RECURSIVE below AS ("
        " SELECT zone FROM zone WHERE site = %(site)s AND zone = %(zone)s"
        " UNION SELECT z.zone FROM zone z JOIN below b ON z.parent = b.zone"
        " WHERE z.site = %(site)s AND z.active)"
        " SELECT zone FROM below",
        {"site": site, "zone": zone},
    ).fetchall()
    return [str(row[0]) for row in rows]


def building_of(connection: Connection, site: str, zone: str) -> str:
    """The building around a zone; where there is none, the outermost zone around it."""
    rows = connection.execute(
        "WITH RECURSIVE above AS ("
        " SELECT zone, parent, kind, 0 AS depth FROM zone WHERE site = %(site)s AND zone = %(zone)s"
        " UNION ALL SELECT z.zone, z.parent, z.kind, a.depth + 1 FROM zone z"
        " JOIN above a ON z.zone = a.parent WHERE z.site = %(site)s AND a.depth < 20)"
        " SELECT zone FROM above ORDER BY (kind = 'building') DESC, depth DESC LIMIT 1",
        {"site": site, "zone": zone},
    ).fetchone()
    return str(rows[0]) if rows else zone
