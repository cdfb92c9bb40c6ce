"""An edge as its site's worker sees it: its settings, its heartbeats, its clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    """edge, enrolled (bool), settings_version, heard_at, clock_offset_s of a site's edges."""
    return fetch_all(
        connection,
        "SELECT edge, root_secret IS NOT NULL AS enrolled, settings_version, heard_at, clock_offset_s"
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


def load_settings(connection: Connection, site: str, edge: str) -> tuple[int, bytes] | None:
    """The settings that an edge should have: version and JSON document; None where there are none."""
    row = fetch_one(
        connection, "SELECT settings_version, settings FROM edge WHERE site = %s AND edge = %s", (site, edge)
    )
    if row is None or row["settings"] is None:
        return None
    return int(row["settings_version"]), json.dumps(row["settings"], ensure_ascii=False).encode()
