"""The rows of a site's document: its versions, and which site.yaml it was last taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Json

from hub.store.database import Connection, Row, fetch_all, fetch_one

_KEPT_FOR: Final = timedelta(days=400)
_KEPT_LEAST: Final = 50
"""Versions older than `_KEPT_FOR` go, but so many always stay."""


@dataclass(frozen=True, slots=True)
class SiteVersion:
    """One version of a site's document. `source`: file, start (the hub's, new settings for edges only),
    console, import, revert, or schema (made of the rows by a migration).
    """

    version: int
    at: datetime
    actor: str
    source: str
    reason: str
    document: Mapping[str, Any]


def load_version(connection: Connection, site: str, version: int | None = None) -> SiteVersion | None:
    """That version of a site's document, or the newest; None where it is not kept."""
    row = fetch_one(
        connection,
        "SELECT version, at, actor, source, reason, document FROM site_version WHERE site = %(site)s"
        " AND (%(version)s::bigint IS NULL OR version = %(version)s) ORDER BY version DESC LIMIT 1",
        {"site": site, "version": version},
    )
    return None if row is None else SiteVersion(**row)


def list_versions(connection: Connection, site: str, *, before: int | None, limit: int) -> list[Row]:
    """Versions without their documents, the newest first: version, at, actor, source, reason."""
    return fetch_all(
        connection,
        "SELECT version, at, actor, source, reason FROM site_version WHERE site = %(site)s"
        " AND (%(before)s::bigint IS NULL OR version < %(before)s) ORDER BY version DESC LIMIT %(limit)s",
        {"site": site, "before": before, "limit": limit},
    )


def save_version(connection: Connection, site: str, version: SiteVersion) -> None:
    """Keep a version, and drop those that are too old. In the site's turn."""
    connection.execute(
        "INSERT INTO site_version (site, version, at, actor, source, reason, document)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            site,
            version.version,
            version.at,
            version.actor,
            version.source,
            version.reason,
            Json(version.document),
        ),
    )
    connection.execute(
        "DELETE FROM site_version WHERE site = %s AND at < %s AND version <= %s",
        (site, version.at - _KEPT_FOR, version.version - _KEPT_LEAST),
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Which site.yaml a site was last taken from, by the hash of its document, and which was refused since.
    Empty: none.
    """

    file_hash: str = ""
    refused_hash: str = ""


def load_origin(connection: Connection, site: str) -> Origin:
    """Empty hashes where there was none."""
    row = fetch_one(connection, "SELECT file_hash, refused_hash FROM site WHERE site = %s", (site,))
    return Origin() if row is None else Origin(**row)


def save_origin(connection: Connection, site: str, origin: Origin) -> None:
    """In the site's turn."""
    connection.execute(
        "UPDATE site SET file_hash = %s, refused_hash = %s WHERE site = %s",
        (origin.file_hash, origin.refused_hash, site),
    )


def load_gateways(connection: Connection, site: str) -> list[Row]:
    """The site's gateways as they are configured now: edge, name, connections."""
    return fetch_all(
        connection,
        "SELECT edge, name, coalesce(settings -> 'connections', '[]') AS connections FROM edge"
        " WHERE site = %s AND active ORDER BY edge",
        (site,),
    )


_ZONE_USES: Final = (
    "SELECT 'alarm' AS noun, alarm::text AS which FROM alarm"
    " WHERE site = %(site)s AND zone = ANY(%(names)s) AND state <> 'closed'"
    " UNION ALL SELECT 'hazard', hazard::text FROM hazard"
    " WHERE site = %(site)s AND zone = ANY(%(names)s) AND state NOT IN ('closed', 'dismissed')"
    " UNION ALL SELECT 'incident', incident::text FROM incident"
    " WHERE site = %(site)s AND zone = ANY(%(names)s) AND state NOT IN ('closed', 'reviewed', 'dismissed')"
    " UNION ALL SELECT 'shift', shift::text FROM shift WHERE site = %(site)s AND zone = ANY(%(names)s)"
    " UNION ALL SELECT 'responsibility', responsibility::text FROM responsibility"
    " WHERE site = %(site)s AND zone = ANY(%(names)s)"
    " UNION ALL SELECT 'mode', mode::text FROM mode"
    " WHERE site = %(site)s AND subject_kind = 'zone' AND subject = ANY(%(names)s) AND state = 'set'"
)
_DEVICE_USES: Final = (
    "SELECT 'alarm' AS noun, alarm::text AS which FROM alarm"
    " WHERE site = %(site)s AND device = ANY(%(names)s) AND state <> 'closed'"
    " UNION ALL SELECT 'hazard', hazard::text FROM hazard"
    " WHERE site = %(site)s AND device = ANY(%(names)s) AND state NOT IN ('closed', 'dismissed')"
    " UNION ALL SELECT 'command', command FROM command"
    " WHERE site = %(site)s AND device = ANY(%(names)s) AND state IN ('requested', 'sent', 'accepted')"
    " UNION ALL SELECT 'mode', mode::text FROM mode"
    " WHERE site = %(site)s AND subject_kind = 'device' AND subject = ANY(%(names)s) AND state = 'set'"
)


def uses_of(connection: Connection, site: str, *, zones: list[str], devices: list[str]) -> dict[str, list[str]]:
    """What still goes on at zones or with devices, by noun: their numbers. Devices and zones that lie in a zone
    are the document's matter.
    """
    found: dict[str, set[str]] = {}
    for names, query in ((zones, _ZONE_USES), (devices, _DEVICE_USES)):
        if names:
            for row in fetch_all(connection, query, {"site": site, "names": names}):
                found.setdefault(row["noun"], set()).add(row["which"])
    return {noun: sorted(which) for noun, which in found.items()}
