"""An edge as its site's worker sees it: its settings, its heartbeats, its clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.contract.message import Settings
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb


@dataclass(frozen=True, slots=True)
class HeartbeatFacts:
    """What one heartbeat says; `clock_offset_s` is the edge's clock less the hub's."""

    heard_at: datetime
    clock_offset_s: float
    settings_applied: int
    settings_error: str
    status: Mapping[str, Any]


def load_edges(connection: Connection, site: str) -> list[Row]:
    """edge, enrolled (bool), settings_version, key_number, heard_at, clock_offset_s of a site's edges."""
    return fetch_all(
        connection,
        "SELECT edge, root_secret IS NOT NULL AS enrolled, settings_version, key_number, heard_at,"
        " clock_offset_s"
        " FROM edge WHERE site = %s AND active ORDER BY edge",
        (site,),
    )


def save_heartbeat(connection: Connection, site: str, edge: str, facts: HeartbeatFacts) -> None:
    """Keep what an edge's heartbeat said."""
    connection.execute(
        "UPDATE edge SET heard_at = %s, clock_offset_s = %s, settings_applied = %s, settings_error = %s,"
        " status = %s WHERE site = %s AND edge = %s",
        (
            facts.heard_at,
            facts.clock_offset_s,
            facts.settings_applied,
            facts.settings_error,
            jsonb(facts.status),
            site,
            edge,
        ),
    )


def load_settings(connection: Connection, site: str, edge: str) -> Settings | None:
    """The settings that an edge should have, with the number of the key that it should sign with; None where
    there are none.
    """
    row = fetch_one(
        connection,
        "SELECT settings_version, greatest(key_wanted, key_number) AS key, settings FROM edge"
        " WHERE site = %s AND edge = %s",
        (site, edge),
    )
    if row is None or row["settings"] is None:
        return None
    document = json.dumps(row["settings"], ensure_ascii=False).encode()
    return Settings(int(row["settings_version"]), int(row["key"]), document)


def raise_settings_version(connection: Connection, site: str, edge: str, above: int) -> None:
    """An edge knows of a newer version than we do, as this database was restored: go on above that one."""
    connection.execute(
        "UPDATE edge SET settings_version = %s WHERE site = %s AND edge = %s AND settings_version <= %s",
        (above + 1, site, edge, above),
    )


def raise_key_number(connection: Connection, site: str, edge: str, number: int) -> None:
    """The edge signs with this key: older ones are refused from now on."""
    connection.execute(
        "UPDATE edge SET key_number = %s, key_wanted = greatest(key_wanted, %s)"
        " WHERE site = %s AND edge = %s AND key_number < %s",
        (number, number, site, edge, number),
    )


def want_key(connection: Connection, site: str, edge: str) -> tuple[int, int] | None:
    """Ask an edge to sign with the next key, by a new version of its settings: the number, and that version.
    None where it is not enrolled.
    """
    row = fetch_one(
        connection,
        "UPDATE edge SET key_wanted = greatest(key_wanted, key_number) + 1,"
        " settings_version = settings_version + 1"
        " WHERE site = %s AND edge = %s AND active AND root_secret IS NOT NULL"
        " RETURNING key_wanted, settings_version",
        (site, edge),
    )
    return None if row is None else (int(row["key_wanted"]), int(row["settings_version"]))
