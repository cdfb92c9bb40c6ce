"""Rows of a site: places, edges, devices, posts, persons, shifts, as the configuration has them.

Only rows that differ are written, so that applying a configuration anew keeps the turn short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from hub.domain.judgement import DeviceFact, SiteModel
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb
from hub.store.seed import PeopleTables, seed_people


@dataclass(frozen=True, slots=True)
class EdgeKey:
    """What an edge's messages are verified with. Key numbers below `key_number` are refused."""

    root_secret: bytes
    key_number: int


@dataclass(frozen=True, slots=True)
class SiteTables:
    """A site's configuration as rows: each maps a key to its columns (name -> value)."""

    site: str
    name: Mapping[str, str]
    area: Sequence[str]
    time_zone: str
    escalation: Mapping[str, Any]
    zones: Mapping[str, Row] = field(default_factory=dict)
    edges: Mapping[str, Row] = field(default_factory=dict)
    devices: Mapping[str, Row] = field(default_factory=dict)
    posts: Mapping[str, Row] = field(default_factory=dict)
    people: PeopleTables = field(default_factory=PeopleTables)
    """Who is there at the beginning: written only where the site has nobody yet."""


def load_configuration_state(connection: Connection, site: str) -> Row | None:
    """`configuration_version` and `configuration_hash` of a site, or None."""
    return fetch_one(
        connection, "SELECT configuration_version, configuration_hash FROM site WHERE site = %s", (site,)
    )


def save_site(connection: Connection, tables: SiteTables, *, version: int, digest: str, at: datetime) -> None:
    """Write a site's configuration; zones, edges and devices that vanished become inactive.

    Call it inside the site's turn.
    """
    connection.execute(
        "INSERT INTO site (site, name, area, time_zone, escalation, configuration_version, configuration_hash,"
        " updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (site) DO UPDATE SET"
        " name = EXCLUDED.name, area = EXCLUDED.area, time_zone = EXCLUDED.time_zone,"
        " escalation = EXCLUDED.escalation, configuration_version = EXCLUDED.configuration_version,"
        " configuration_hash = EXCLUDED.configuration_hash, updated_at = EXCLUDED.updated_at",
        (
            tables.site,
            jsonb(tables.name),
            list(tables.area),
            tables.time_zone,
            jsonb(tables.escalation),
            version,
            digest,
            at,
        ),
    )
    _save_zones(connection, tables)
    _save_edges(connection, tables)
    _save_devices(connection, tables)
    _save_people(connection, tables)


def _changed(
    connection: Connection, query: LiteralString, site: str, wanted: Mapping[str, Row]
) -> dict[str, Row]:
    present = {row.pop("key"): row for row in fetch_all(connection, query, (site,))}
    return {key: row for key, row in wanted.items() if present.get(key) != row}


def _save_many(connection: Connection, query: LiteralString, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(query, rows)


def _save_zones(connection: Connection, tables: SiteTables) -> None:
    changed = _changed(
        connection,
        "SELECT zone AS key, parent, name, class, kind, key_location, ordinal FROM zone"
        " WHERE site = %s AND active",
        tables.site,
        tables.zones,
    )
    _save_many(
        connection,
        "INSERT INTO zone (site, zone, parent, name, class, kind, key_location, ordinal) VALUES (%(site)s,"
        " %(zone)s, %(parent)s, %(name)s, %(class)s, %(kind)s, %(key_location)s, %(ordinal)s)"
        " ON CONFLICT (site, zone) DO UPDATE SET parent = EXCLUDED.parent, name = EXCLUDED.name, class ="
        " EXCLUDED.class, kind = EXCLUDED.kind, key_location = EXCLUDED.key_location,"
        " ordinal = EXCLUDED.ordinal, active = true",
        [
            {"key_location": None, **row, "site": tables.site, "zone": key, "name": jsonb(row["name"])}
            for key, row in changed.items()
        ],
    )
    # Never deleted: what happened there still has to be named.
    connection.execute(
        "UPDATE zone SET active = false WHERE site = %s AND active AND zone <> ALL(%s)",
        (tables.site, list(tables.zones)),
    )


def _save_edges(connection: Connection, tables: SiteTables) -> None:
    changed = _changed(
        connection, "SELECT edge AS key, name, active FROM edge WHERE site = %s", tables.site, tables.edges
    )
    _save_many(
        connection,
        "INSERT INTO edge (site, edge, name, active) VALUES (%(site)s, %(edge)s, %(name)s, %(active)s)"
        " ON CONFLICT (site, edge) DO UPDATE SET name = EXCLUDED.name, active = EXCLUDED.active",
        [{**row, "site": tables.site, "edge": key, "name": jsonb(row["name"])} for key, row in changed.items()],
    )
    connection.execute(
        "UPDATE edge SET active = false WHERE site = %s AND active AND edge <> ALL(%s)",
        (tables.site, list(tables.edges)),
    )


def _save_devices(connection: Connection, tables: SiteTables) -> None:
    changed = _changed(
        connection,
        "SELECT device AS key, name, family, zone, edge, connection, profile, configuration, notes, active"
        " FROM device WHERE site = %s",
        tables.site,
        tables.devices,
    )
    _save_many(
        connection,
        "INSERT INTO device"
        " (site, device, name, family, zone, edge, connection, profile, configuration, notes, active) VALUES"
        " (%(site)s, %(device)s, %(name)s, %(family)s, %(zone)s, %(edge)s, %(connection)s, %(profile)s,"
        " %(configuration)s, %(notes)s, %(active)s)"
        " ON CONFLICT (site, device) DO UPDATE SET name = EXCLUDED.name,"
        " family = EXCLUDED.family, zone = EXCLUDED.zone, edge = EXCLUDED.edge,"
        " connection = EXCLUDED.connection, profile = EXCLUDED.profile,"
        " configuration = EXCLUDED.configuration, notes = EXCLUDED.notes, active = EXCLUDED.active",
        [
            {
                "notes": "",
                **row,
                "site": tables.site,
                "device": key,
                "name": jsonb(row["name"]),
                "configuration": jsonb(row["configuration"]),
            }
            for key, row in changed.items()
        ],
    )
    connection.execute(
        "UPDATE device SET active = false WHERE site = %s AND active AND device <> ALL(%s)",
        (tables.site, list(tables.devices)),
    )


def _save_people(connection: Connection, tables: SiteTables) -> None:
    site = tables.site
    posts = _changed(
        connection, "SELECT post AS key, name, ordinal FROM post WHERE site = %s", site, tables.posts
    )
    _save_many(
        connection,
        "INSERT INTO post (site, post, name, ordinal) VALUES (%(site)s, %(post)s, %(name)s, %(ordinal)s)"
        " ON CONFLICT (site, post) DO UPDATE SET name = EXCLUDED.name, ordinal = EXCLUDED.ordinal",
        [{**row, "site": site, "post": key, "name": jsonb(row["name"])} for key, row in posts.items()],
    )
    connection.execute("DELETE FROM shift WHERE site = %s AND post <> ALL(%s)", (site, list(tables.posts)))
    connection.execute("DELETE FROM post WHERE site = %s AND post <> ALL(%s)", (site, list(tables.posts)))
    seed_people(connection, site, tables.people)


def active_devices(connection: Connection, site: str) -> set[str]:
    """The devices that the configuration names now."""
    rows = connection.execute("SELECT device FROM device WHERE site = %s AND active", (site,))
    return {row[0] for row in rows}


def save_edge_settings(connection: Connection, site: str, edge: str, document: Mapping[str, Any]) -> int | None:
    """Store the document that an edge should have; its new version, or None where it is as it was."""
    row = fetch_one(
        connection, "SELECT settings, settings_version FROM edge WHERE site = %s AND edge = %s", (site, edge)
    )
    if row is None or row["settings"] == json.loads(json.dumps(document)):
        return None
    version = int(row["settings_version"]) + 1
    connection.execute(
        "UPDATE edge SET settings = %s, settings_version = %s WHERE site = %s AND edge = %s",
        (jsonb(document), version, site, edge),
    )
    return version


def list_sites(connection: Connection) -> list[str]:
    """Every site by name."""
    return [row[0] for row in connection.execute("SELECT site FROM site ORDER BY site")]


def load_site_model(connection: Connection, site: str) -> SiteModel:
    """The places and devices of a site as they are now, as far as rules need them."""
    zones = fetch_all(
        connection, "SELECT zone, parent, class, kind FROM zone WHERE site = %s AND active", (site,)
    )
    devices = fetch_all(
        connection,
        "SELECT device, family, zone, edge, configuration FROM device WHERE site = %s AND active",
        (site,),
    )
    return SiteModel(
        site=site,
        devices={
            row["device"]: DeviceFact(
                device=row["device"],
                family=row["family"],
                zone=row["zone"],
                edge=row["edge"],
                address_zones={
                    address: details["zone"]
                    for address, details in row["configuration"].get("addresses", {}).items()
                    if details.get("zone")
                },
                writes=frozenset(row["configuration"].get("writes", ())),
                addresses=tuple(sorted(row["configuration"].get("addresses", {}))),
            )
            for row in devices
        },
        zone_parents={row["zone"]: row["parent"] for row in zones},
        zone_classes={row["zone"]: row["class"] for row in zones},
        zone_kinds={row["zone"]: row["kind"] for row in zones},
    )


def edge_keys(connection: Connection) -> dict[tuple[str, str], EdgeKey]:
    """The keys of every enrolled edge that the configuration names, by (site, edge)."""
    rows = fetch_all(
        connection,
        "SELECT site, edge, root_secret, key_number FROM edge WHERE active AND root_secret IS NOT NULL",
    )
    return {
        (row["site"], row["edge"]): EdgeKey(bytes(row["root_secret"]), int(row["key_number"])) for row in rows
    }


def find_edges(connection: Connection, edge: str) -> list[str]:
    """The sites that have an edge of this name."""
    rows = connection.execute("SELECT site FROM edge WHERE edge = %s AND active ORDER BY site", (edge,))
    return [row[0] for row in rows]


def save_invite(
    connection: Connection,
    site: str,
    edge: str,
    *,
    invite: str,
    secret: bytes,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Keep an invitation until it is used or expires."""
    connection.execute(
        "INSERT INTO invite (site, invite, edge, secret, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (site, invite, edge, secret, at, expires_at),
    )


def load_invite(connection: Connection, site: str, invite: str) -> Row | None:
    """An invitation: edge, secret, expires_at, used_at; locked until the transaction ends."""
    return fetch_one(
        connection,
        "SELECT edge, secret, expires_at, used_at FROM invite WHERE site = %s AND invite = %s FOR UPDATE",
        (site, invite),
    )


def save_enrolment(
    connection: Connection, site: str, edge: str, *, invite: str, root_secret: bytes, at: datetime
) -> int:
    """Give the edge its root secret, use the invitation up; returns the key number to begin with."""
    connection.execute(
        "UPDATE invite SET used_at = %s, secret = ''::bytea WHERE site = %s AND invite = %s", (at, site, invite)
    )
    row = connection.execute(
        "UPDATE edge SET root_secret = %s, enrolled_at = %s WHERE site = %s AND edge = %s RETURNING key_number",
        (root_secret, at, site, edge),
    ).fetchone()
    if row is None:
        raise AssertionError("an invitation names an edge")
    return int(row[0])


def remove_enrolment(connection: Connection, site: str, edge: str) -> bool:
    """Take an edge's root secret away, and every invitation that it could still use; whether it had one."""
    connection.execute("DELETE FROM invite WHERE site = %s AND edge = %s AND used_at IS NULL", (site, edge))
    row = connection.execute(
        "UPDATE edge SET root_secret = NULL WHERE site = %s AND edge = %s AND root_secret IS NOT NULL"
        " RETURNING edge",
        (site, edge),
    ).fetchone()
    return row is not None
