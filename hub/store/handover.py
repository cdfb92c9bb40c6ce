"""The rows of hand-overs, and what is open at a site at that moment."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from hub.domain.handover import Handover, HandoverState
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_COLUMNS: Final = tuple(field.name for field in fields(Handover))


def insert_handover(connection: Connection, handover: Handover) -> None:
    """A new hand-over; a unique index refuses a second open one of a post."""
    connection.execute(
        "INSERT INTO handover (site, handover, post, state, list, digest, note, from_account, from_person,"
        " to_person, to_account, signed_at, ended_at, reason) VALUES (%(site)s, %(handover)s, %(post)s,"
        " %(state)s, %(list)s, %(digest)s, %(note)s, %(from_account)s, %(from_person)s, %(to_person)s,"
        " %(to_account)s, %(signed_at)s, %(ended_at)s, %(reason)s)",
        _row_of(handover),
    )


def save_handover(connection: Connection, handover: Handover) -> None:
    """Write what may change: state, who took it, when, why."""
    connection.execute(
        "UPDATE handover SET state = %(state)s, to_account = %(to_account)s, to_person = %(to_person)s,"
        " ended_at = %(ended_at)s, reason = %(reason)s WHERE site = %(site)s AND handover = %(handover)s",
        _row_of(handover),
    )


def find_handover(connection: Connection, site: str, number: int) -> Handover | None:
    """One hand-over by its number."""
    row = fetch_one(connection, "SELECT * FROM handover WHERE site = %s AND handover = %s", (site, number))
    return None if row is None else _read(row)


def find_open_handover(connection: Connection, site: str, post: str) -> Handover | None:
    """The hand-over of a post that nobody has taken yet."""
    row = fetch_one(
        connection, "SELECT * FROM handover WHERE site = %s AND post = %s AND state = 'signed'", (site, post)
    )
    return None if row is None else _read(row)


def newest_handovers(connection: Connection, site: str, limit: int) -> list[Handover]:
    """The newest first."""
    rows = fetch_all(
        connection, "SELECT * FROM handover WHERE site = %s ORDER BY handover DESC LIMIT %s", (site, limit)
    )
    return [_read(row) for row in rows]


def list_work(connection: Connection, site: str) -> dict[str, Any]:
    """What whoever takes a post over has to know: alarms, hazards and incidents that are not closed, orders
    under way, devices that do not answer, and what is out of service: isolated at its panel, or faulty;
    and what is armed or in test. Numbers and ids.
    """
    alarms = fetch_all(
        connection,
        "SELECT alarm, priority, state FROM alarm WHERE site = %s AND state <> 'closed' ORDER BY alarm",
        (site,),
    )
    hazards = fetch_all(
        connection,
        "SELECT hazard, grade, state FROM hazard WHERE site = %s AND state NOT IN ('closed', 'dismissed')"
        " ORDER BY hazard",
        (site,),
    )
    incidents = fetch_all(
        connection,
        "SELECT incident, plan, state, exercise FROM incident WHERE site = %s"
        " AND state NOT IN ('closed', 'reviewed', 'dismissed') ORDER BY incident",
        (site,),
    )
    commands = connection.execute(
        "SELECT command FROM command WHERE site = %s AND state IN ('requested', 'sent', 'accepted')"
        " ORDER BY requested_at, command",
        (site,),
    )
    silent = connection.execute(
        "SELECT DISTINCT device FROM condition WHERE site = %s AND kind = 'device.offline' AND active"
        " ORDER BY device",
        (site,),
    )
    out_of_service = fetch_all(
        connection,
        "SELECT device, address, kind FROM condition WHERE site = %s AND active"
        " AND (kind LIKE '%%.isolated' OR kind LIKE '%%.fault') ORDER BY device, address, kind",
        (site,),
    )
    modes = fetch_all(
        connection,
        "SELECT mode, kind, subject FROM mode WHERE site = %s AND state = 'set' ORDER BY mode",
        (site,),
    )
    return {
        "alarms": alarms,
        "hazards": hazards,
        "incidents": incidents,
        "commands": [row[0] for row in commands],
        "silent_devices": [row[0] for row in silent],
        "out_of_service": out_of_service,
        "modes": modes,
    }


def _read(row: Row) -> Handover:
    values = {name: row[name] for name in _COLUMNS}
    return Handover(**{**values, "state": HandoverState(row["state"])})


def _row_of(handover: Handover) -> Row:
    row: Row = {name: getattr(handover, name) for name in _COLUMNS}
    return {**row, "state": handover.state.value, "list": jsonb(handover.list)}
