"""Who is alive: one row per process (and site), renewed each second; its silence is the signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.store.database import Connection, Row, fetch_one
from hub.store.journal import jsonb


def save_liveness(
    connection: Connection,
    process: str,
    sites: Sequence[str],
    *,
    started_at: datetime,
    at: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Renew a process's rows, one per site; a process of no site passes `[""]`."""
    connection.execute(
        "INSERT INTO liveness (process, site, started_at, at, detail)"
        " SELECT %s, s, %s, %s, %s FROM unnest(%s::text[]) AS t(s)"
        " ON CONFLICT (process, site) DO UPDATE"
        " SET started_at = EXCLUDED.started_at, at = EXCLUDED.at, detail = EXCLUDED.detail",
        (process, started_at, at, jsonb(detail), list(sites)),
    )


def last_alive(connection: Connection) -> datetime | None:
    """When any part of the hub last said that it is there; None before the first time."""
    row = connection.execute("SELECT max(at) FROM liveness").fetchone()
    return row[0] if row else None


def load_liveness(connection: Connection, process: str, site: str = "") -> Row | None:
    """A process's row: process, site, started_at, at, detail."""
    return fetch_one(
        connection,
        "SELECT process, site, started_at, at, detail FROM liveness WHERE process = %s AND site = %s",
        (process, site),
    )
