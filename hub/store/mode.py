"""The rows of modes, and what stands open in an area that is armed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from hub.domain.mode import Mode, ModeKind, ModeState, Subject, ThreatLevel
from hub.store.database import Connection, Row, fetch_all, fetch_one

_COLUMNS: Final = tuple(field.name for field in fields(Mode))
_INSERT: Final = (
    "INSERT INTO mode (site, mode, kind, subject_kind, subject, state, reason, set_by, set_at, expires_at,"
    " level, exit_delay, entry_delay) VALUES (%(site)s, %(mode)s, %(kind)s, %(subject_kind)s, %(subject)s,"
    " %(state)s, %(reason)s, %(set_by)s, %(set_at)s, %(expires_at)s, %(level)s, %(exit_delay)s,"
    " %(entry_delay)s)"
)


def insert_mode(connection: Connection, mode: Mode) -> None:
    """A new mode; a unique index refuses a second open one of a kind on a subject."""
    connection.execute(_INSERT, _row_of(mode))


def save_mode(connection: Connection, mode: Mode) -> None:
    """Write what may change: its end, and that it is over."""
    connection.execute(
        "UPDATE mode SET state = %(state)s, expires_at = %(expires_at)s, ended_at = %(ended_at)s,"
        " ended_by = %(ended_by)s, end_reason = %(end_reason)s WHERE site = %(site)s AND mode = %(mode)s",
        _row_of(mode),
    )


def find_mode(connection: Connection, site: str, number: int) -> Mode | None:
    """One mode by its number."""
    row = fetch_one(connection, "SELECT * FROM mode WHERE site = %s AND mode = %s", (site, number))
    return None if row is None else _read(row)


def open_modes(connection: Connection, site: str) -> list[Mode]:
    """What is set, in the order in which it was; also what has run out and nobody has said so yet."""
    rows = fetch_all(connection, "SELECT * FROM mode WHERE site = %s AND state = 'set' ORDER BY mode", (site,))
    return [_read(row) for row in rows]


def modes_that_ran_out(connection: Connection, site: str, at: datetime, limit: int) -> list[Mode]:
    """Those whose end is over while they still stand as set, the earliest first."""
    rows = fetch_all(
        connection,
        "SELECT * FROM mode WHERE site = %s AND state = 'set' AND expires_at <= %s"
        " ORDER BY expires_at, mode LIMIT %s",
        (site, at, limit),
    )
    return [_read(row) for row in rows]


def past_modes(connection: Connection, site: str, limit: int) -> list[Mode]:
    """What is over, the newest first."""
    rows = fetch_all(
        connection,
        "SELECT * FROM mode WHERE site = %s AND state <> 'set' ORDER BY ended_at DESC, mode DESC LIMIT %s",
        (site, limit),
    )
    return [_read(row) for row in rows]


def subject_exists(connection: Connection, site: str, kind: Subject, subject: str) -> bool:
    """Whether the site has such a zone, device or edge now; the site is its own only subject."""
    if kind is Subject.SITE:
        return subject == site
    query = {
        Subject.ZONE: "SELECT 1 FROM zone WHERE site = %s AND zone = %s AND active",
        Subject.DEVICE: "SELECT 1 FROM device WHERE site = %s AND device = %s AND active",
        Subject.EDGE: "SELECT 1 FROM edge WHERE site = %s AND edge = %s AND active",
    }[kind]
    return connection.execute(query, (site, subject)).fetchone() is not None


def list_unready(connection: Connection, site: str, zones: Sequence[str]) -> list[dict[str, Any]]:
    """What stands in the way of arming these zones: doors that are open, unlocked or released, what is isolated
    or faulty, what an intrusion detector already sees, and devices that do not answer.
    """
    return fetch_all(
        connection,
        "SELECT c.device, c.address, c.kind, c.observed_at FROM condition c"
        " JOIN device d ON d.site = c.site AND d.device = c.device AND d.active"
        " WHERE c.site = %s AND c.active AND coalesce(d.configuration->'addresses'->c.address->>'zone', d.zone)"
        " = ANY(%s) AND (c.kind = ANY(%s) OR c.kind LIKE '%%.isolated' OR c.kind LIKE '%%.fault')"
        " ORDER BY c.device, c.address, c.kind",
        (site, list(zones), list(UNREADY)),
    )


UNREADY: Final = (
    "camera.intrusion",
    "device.offline",
    "door.forced",
    "door.held",
    "door.opened",
    "door.released_by_fire",
    "door.unlocked",
    "intrusion.alarm",
)


def _row_of(mode: Mode) -> dict[str, Any]:
    return {name: getattr(mode, name) for name in _COLUMNS}


def _read(row: Row) -> Mode:
    values = {name: row[name] for name in _COLUMNS}
    return Mode(
        **{
            **values,
            "kind": ModeKind(row["kind"]),
            "subject_kind": Subject(row["subject_kind"]),
            "state": ModeState(row["state"]),
            "level": None if row["level"] is None else ThreatLevel(row["level"]),
        }
    )
