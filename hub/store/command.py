"""The rows of commands, and what deciding about one needs to know of its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from hub.domain.command import Actuator, Command, CommandState, Precedence
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_COLUMNS: Final = tuple(field.name for field in fields(Command))


def insert_command(connection: Connection, command: Command) -> bool:
    """A new command; False where one with this id exists (judged again: nothing is repeated)."""
    row = connection.execute(
        "INSERT INTO command (site, command, device, address, kind, parameters, precedence, state, reason,"
        " detail, source, incident, requested_at, expires_at, sent_at, finished_at)"
        " VALUES (%(site)s, %(command)s, %(device)s, %(address)s, %(kind)s, %(parameters)s, %(precedence)s,"
        " %(state)s, %(reason)s, %(detail)s, %(source)s, %(incident)s, %(requested_at)s, %(expires_at)s,"
        " %(sent_at)s, %(finished_at)s) ON CONFLICT (site, command) DO NOTHING RETURNING command",
        _row_of(command),
    ).fetchone()
    return row is not None


def save_command(connection: Connection, command: Command) -> None:
    """Write what may change in a command's life."""
    connection.execute(
        "UPDATE command SET state = %(state)s, detail = %(detail)s, precedence = %(precedence)s,"
        " incident = %(incident)s, sent_at = %(sent_at)s, finished_at = %(finished_at)s"
        " WHERE site = %(site)s AND command = %(command)s",
        _row_of(command),
    )


def find_command(connection: Connection, site: str, command: str) -> Command | None:
    """One command by its id."""
    row = fetch_one(
        connection,
        "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
        " WHERE c.site = %s AND c.command = %s",
        (site, command),
    )
    return None if row is None else read_command(row)


def find_commands(connection: Connection, site: str, commands: Sequence[str]) -> list[Command]:
    """Those of these commands that there are, in the order of their ids."""
    rows = fetch_all(
        connection,
        "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
        " WHERE c.site = %s AND c.command = ANY(%s) ORDER BY c.command",
        (site, list(commands)),
    )
    return [read_command(row) for row in rows]


def unanswered_commands(connection: Connection, site: str, at: datetime, limit: int) -> list[Command]:
    """Commands in time that no edge has answered, requested or sent: the highest rank first."""
    rows = fetch_all(
        connection,
        "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
        " WHERE c.site = %s AND c.state IN ('requested', 'sent') AND c.expires_at > %s"
        " ORDER BY c.precedence, c.requested_at, c.command LIMIT %s",
        (site, at, limit),
    )
    return [read_command(row) for row in rows]


def overdue_commands(connection: Connection, site: str, at: datetime, limit: int) -> list[Command]:
    """Unfinished commands whose expiry has passed."""
    rows = fetch_all(
        connection,
        "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
        " WHERE c.site = %s AND c.state IN ('requested', 'sent', 'accepted') AND c.expires_at <= %s"
        " ORDER BY c.expires_at, c.command LIMIT %s",
        (site, at, limit),
    )
    return [read_command(row) for row in rows]


def commands_at(connection: Connection, site: str, device: str, address: str) -> tuple[Command, ...]:
    """What was last ordered at an address and is pending or took effect, the newest first."""
    rows = fetch_all(
        connection,
        "SELECT c.*, coalesce(d.edge, '') AS edge FROM command c LEFT JOIN device d USING (site, device)"
        " WHERE c.site = %s AND c.device = %s AND c.address = %s"
        " AND c.state IN ('requested', 'sent', 'accepted', 'confirmed', 'unconfirmed')"
        " ORDER BY c.requested_at DESC, c.command LIMIT 50",
        (site, device, address),
    )
    return tuple(read_command(row) for row in rows)


def find_actuator(connection: Connection, site: str, device: str) -> Actuator | None:
    """What a decision needs to know of a device."""
    row = fetch_one(
        connection,
        "SELECT device, family, zone, edge, configuration, active FROM device WHERE site = %s AND device = %s",
        (site, device),
    )
    return None if row is None else _read_actuator(row)


def actuators_that_allow(connection: Connection, site: str, family: str, kind: str) -> list[Actuator]:
    """Active devices of a family whose configuration allows a command."""
    rows = fetch_all(
        connection,
        "SELECT device, family, zone, edge, configuration, active FROM device"
        " WHERE site = %s AND active AND family = %s AND configuration->'writes' ? %s ORDER BY device",
        (site, family, kind),
    )
    return [_read_actuator(row) for row in rows]


def fire_active(connection: Connection, site: str, zones: Sequence[str]) -> bool:
    """Is a fire alarm or a manual call point active in one of these zones?"""
    row = connection.execute(
        "SELECT 1 FROM alarm WHERE site = %s AND zone = ANY(%s) AND state <> 'closed' AND active"
        " AND kind IN ('fire.alarm', 'fire.manual_call_point', 'fire.output_started') LIMIT 1",
        (site, list(zones)),
    ).fetchone()
    return row is not None


def read_command(row: Row) -> Command:
    """A command from its row (all columns of `command`, and `edge`)."""
    values = {name: row[name] for name in _COLUMNS}
    values["state"] = CommandState(values["state"])
    values["precedence"] = Precedence(values["precedence"])
    return Command(**values)


def _row_of(command: Command) -> Row:
    row: Row = {name: getattr(command, name) for name in _COLUMNS}
    row["parameters"] = jsonb(command.parameters)
    return row


def _read_actuator(row: Row) -> Actuator:
    configuration = row["configuration"]
    parameters = configuration.get("parameters") or {}
    return Actuator(
        device=row["device"],
        family=row["family"],
        zone=row["zone"],
        edge=row["edge"],
        writes=frozenset(configuration.get("writes") or ()),
        escape=bool(parameters.get("escape", False)),
        free_exit=bool(parameters.get("free_exit", False)),
        addresses={
            address: details.get("zone") or row["zone"]
            for address, details in sorted((configuration.get("addresses") or {}).items())
        },
        active=row["active"],
    )
