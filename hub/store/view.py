"""What people's screens are made of: rows of one site, each kind by one query, never one query per row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.domain.escalation import EscalationPolicy, read_escalation
from hub.domain.roster import Duty
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.roster import load_duty

Text = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SiteWords:
    """Names and places of a site; they change only with its configuration (and accounts rarely)."""

    site: str
    name: Text
    time_zone: str
    version: int
    zones: Mapping[str, Row]
    """By zone, in the configuration's order: parent, name, class, kind, key_location, active (or gone)."""
    devices: Mapping[str, Row]
    """By device: name, family, zone, edge, configuration, active."""
    edges: Mapping[str, Text]
    posts: Mapping[str, Text]
    """By post, in the configuration's order."""
    persons: Mapping[str, str]
    accounts: Mapping[str, str]
    duty: Duty
    escalation: EscalationPolicy


def load_words(connection: Connection, site: str) -> SiteWords | None:
    """A site's names and places; None where there is no such site."""
    row = fetch_one(
        connection,
        "SELECT name, time_zone, escalation, configuration_version FROM site WHERE site = %s",
        (site,),
    )
    if row is None:
        return None
    zones = fetch_all(
        connection,
        "SELECT zone, parent, name, class, kind, key_location, active FROM zone WHERE site = %s"
        " ORDER BY ordinal, zone",
        (site,),
    )
    devices = fetch_all(
        connection,
        "SELECT device, name, family, zone, edge, configuration, active FROM device WHERE site = %s"
        " ORDER BY device",
        (site,),
    )
    return SiteWords(
        site=site,
        name=row["name"],
        time_zone=row["time_zone"],
        version=row["configuration_version"],
        zones={zone["zone"]: zone for zone in zones},
        devices={device["device"]: device for device in devices},
        edges=_names(connection.execute("SELECT edge, name FROM edge WHERE site = %s AND active", (site,))),
        posts=_names(
            connection.execute("SELECT post, name FROM post WHERE site = %s ORDER BY ordinal, post", (site,))
        ),
        persons=_names(connection.execute("SELECT person, name FROM person WHERE site = %s", (site,))),
        accounts=_names(connection.execute("SELECT account, display_name FROM account")),
        duty=load_duty(connection, site),
        escalation=read_escalation(row["escalation"]),
    )


def _names(rows: Any) -> dict[str, Any]:
    return {row[0]: row[1] for row in rows}


def site_names(connection: Connection, sites: Collection[str]) -> list[Row]:
    """Those sites: site, name."""
    return fetch_all(
        connection, "SELECT site, name FROM site WHERE site = ANY(%s) ORDER BY site", (list(sites),)
    )


def open_alarms(connection: Connection, site: str) -> list[Row]:
    """Alarms that are not closed, the most urgent first, then the oldest."""
    return fetch_all(
        connection,
        "SELECT * FROM alarm WHERE site = %s AND state <> 'closed'"
        " ORDER BY array_position(ARRAY['critical','high','medium','low'], priority), raised_at, alarm",
        (site,),
    )


def newest_alarms(connection: Connection, site: str, limit: int) -> list[Row]:
    """The newest alarms, closed ones too."""
    return fetch_all(
        connection, "SELECT * FROM alarm WHERE site = %s ORDER BY alarm DESC LIMIT %s", (site, limit)
    )


def alarms_by_number(connection: Connection, site: str, numbers: Collection[int]) -> list[Row]:
    """Those alarms."""
    return fetch_all(
        connection, "SELECT * FROM alarm WHERE site = %s AND alarm = ANY(%s)", (site, list(numbers))
    )


def evidence_of(connection: Connection, site: str, alarm: int, limit: int = 100) -> list[Row]:
    """What an alarm rests on, the first first."""
    return fetch_all(
        connection,
        "SELECT ordinal, event, recorded_at, body FROM alarm_evidence WHERE site = %s AND alarm = %s"
        " ORDER BY ordinal LIMIT %s",
        (site, alarm, limit),
    )


def open_hazards(connection: Connection, site: str) -> list[Row]:
    """Hazards neither closed nor dismissed, major ones first, then by date due."""
    return fetch_all(
        connection,
        "SELECT * FROM hazard WHERE site = %s AND state NOT IN ('closed', 'dismissed')"
        " ORDER BY grade DESC, due_at, hazard",
        (site,),
    )


def newest_hazards(connection: Connection, site: str, limit: int) -> list[Row]:
    """The newest hazards, closed ones too."""
    return fetch_all(
        connection, "SELECT * FROM hazard WHERE site = %s ORDER BY hazard DESC LIMIT %s", (site, limit)
    )


def hazards_by_number(connection: Connection, site: str, numbers: Collection[int]) -> list[Row]:
    """Those hazards."""
    return fetch_all(
        connection, "SELECT * FROM hazard WHERE site = %s AND hazard = ANY(%s)", (site, list(numbers))
    )


@dataclass(frozen=True, slots=True)
class IncidentRows:
    """Incidents with what hangs on them."""

    incidents: list[Row]
    steps: Mapping[int, list[Row]]
    commands: Mapping[int, list[Row]]
    alarms: Mapping[int, list[int]]


def open_incidents(connection: Connection, site: str) -> IncidentRows:
    """Incidents that still run or are proposed, the newest first."""
    rows = fetch_all(
        connection,
        "SELECT * FROM incident WHERE site = %s AND state NOT IN ('closed', 'reviewed', 'dismissed')"
        " ORDER BY incident DESC",
        (site,),
    )
    return _gather_incidents(connection, site, rows)


def newest_incidents(connection: Connection, site: str, limit: int) -> IncidentRows:
    """The newest incidents, ended ones too."""
    rows = fetch_all(
        connection, "SELECT * FROM incident WHERE site = %s ORDER BY incident DESC LIMIT %s", (site, limit)
    )
    return _gather_incidents(connection, site, rows)


def incidents_by_number(connection: Connection, site: str, numbers: Collection[int]) -> IncidentRows:
    """Those incidents."""
    rows = fetch_all(
        connection, "SELECT * FROM incident WHERE site = %s AND incident = ANY(%s)", (site, list(numbers))
    )
    return _gather_incidents(connection, site, rows)


def _gather_incidents(connection: Connection, site: str, rows: list[Row]) -> IncidentRows:
    numbers = [row["incident"] for row in rows]
    steps: dict[int, list[Row]] = {}
    commands: dict[int, list[Row]] = {}
    alarms: dict[int, list[int]] = {}
    if numbers:
        for step in fetch_all(
            connection,
            "SELECT incident, step, title, post, person, state, due_at, accepted_at, done_at, reason"
            " FROM incident_step WHERE site = %s AND incident = ANY(%s) ORDER BY incident, step",
            (site, numbers),
        ):
            steps.setdefault(step["incident"], []).append(step)
        for command in fetch_all(
            connection,
            "SELECT * FROM command WHERE site = %s AND incident = ANY(%s) ORDER BY requested_at, command",
            (site, numbers),
        ):
            commands.setdefault(command["incident"], []).append(command)
        for incident, alarm in connection.execute(
            "SELECT incident, alarm FROM alarm WHERE site = %s AND incident = ANY(%s) ORDER BY alarm",
            (site, numbers),
        ):
            alarms.setdefault(incident, []).append(alarm)
    return IncidentRows(rows, steps, commands, alarms)


def newest_commands(connection: Connection, site: str, limit: int) -> list[Row]:
    """The newest commands."""
    return fetch_all(
        connection,
        "SELECT * FROM command WHERE site = %s ORDER BY requested_at DESC, command LIMIT %s",
        (site, limit),
    )


def load_command(connection: Connection, site: str, command: str) -> Row | None:
    """One command."""
    return fetch_one(connection, "SELECT * FROM command WHERE site = %s AND command = %s", (site, command))


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """What is known of devices now."""

    conditions: list[Row]
    """Active ones, and every `device.offline`: device, kind, address, active, observed_at."""
    heard: frozenset[str]
    """Devices that ever reported a condition or a value."""
    values: list[Row]
    """device, address, point, value, quality, observed_at, recorded_at."""
    edges: list[Row]
    """edge, heard_at, settings_error."""


def device_rows(
    connection: Connection, site: str, devices: Collection[str] | None = None, *, values: bool = True
) -> DeviceRows:
    """What is known of these devices, or of all; `values` False leaves the readings out."""
    only = None if devices is None else list(devices)
    conditions = fetch_all(
        connection,
        "SELECT device, kind, address, active, observed_at FROM condition WHERE site = %(site)s"
        " AND (active OR kind = 'device.offline') AND (%(only)s::text[] IS NULL OR device = ANY(%(only)s))"
        " ORDER BY device, address, kind",
        {"site": site, "only": only},
    )
    heard = connection.execute(
        "SELECT device FROM condition WHERE site = %(site)s"
        " AND (%(only)s::text[] IS NULL OR device = ANY(%(only)s))"
        " UNION SELECT device FROM series WHERE site = %(site)s"
        " AND (%(only)s::text[] IS NULL OR device = ANY(%(only)s))",
        {"site": site, "only": only},
    )
    return DeviceRows(
        conditions=conditions,
        heard=frozenset(row[0] for row in heard),
        values=latest_values(connection, site, only) if values else [],
        edges=edge_rows(connection, site),
    )


def latest_values(connection: Connection, site: str, devices: list[str] | None) -> list[Row]:
    """The newest value of each point of these devices, or of all."""
    return fetch_all(
        connection,
        "SELECT s.device, s.address, s.point, l.value, l.quality, l.observed_at, l.recorded_at"
        " FROM series s LEFT JOIN latest l USING (site, series) WHERE s.site = %(site)s"
        " AND (%(only)s::text[] IS NULL OR s.device = ANY(%(only)s)) ORDER BY s.device, s.address, s.point",
        {"site": site, "only": devices},
    )


def edge_rows(connection: Connection, site: str) -> list[Row]:
    """The edges that the configuration names."""
    return fetch_all(
        connection,
        "SELECT edge, name, heard_at, settings_error FROM edge WHERE site = %s AND active ORDER BY edge",
        (site,),
    )


def count_work(connection: Connection, site: str) -> Row:
    """Open alarms by priority, unacknowledged ones, hazards, major ones, incidents: one row."""
    row = fetch_one(
        connection,
        "SELECT a.*, h.*, i.* FROM"
        " (SELECT count(*) FILTER (WHERE priority = 'critical') AS critical,"
        "  count(*) FILTER (WHERE priority = 'high') AS high,"
        "  count(*) FILTER (WHERE priority = 'medium') AS medium,"
        "  count(*) FILTER (WHERE priority = 'low') AS low,"
        "  count(*) FILTER (WHERE state IN ('unacknowledged', 'returned')) AS unacknowledged"
        "  FROM alarm WHERE site = %(site)s AND state <> 'closed') a,"
        " (SELECT count(*) AS hazards, count(*) FILTER (WHERE grade = 'major') AS hazards_major"
        "  FROM hazard WHERE site = %(site)s AND state NOT IN ('closed', 'dismissed')) h,"
        " (SELECT count(*) AS incidents FROM incident WHERE site = %(site)s"
        "  AND state NOT IN ('closed', 'reviewed', 'dismissed')) i",
        {"site": site},
    )
    if row is None:
        raise AssertionError("counting gives a row")
    return row


def count_points(connection: Connection, site: str, fresh_after: datetime) -> tuple[int, int]:
    """Points of the devices in the configuration: how many, and how many have a usable, fresh value."""
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE l.quality <= 1 AND l.recorded_at >= %s)"
        " FROM series s JOIN device d ON d.site = s.site AND d.device = s.device AND d.active"
        " LEFT JOIN latest l ON l.site = s.site AND l.series = s.series WHERE s.site = %s",
        (fresh_after, site),
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def newest_journal(connection: Connection, site: str, limit: int) -> list[Row]:
    """The newest rows, the newest first."""
    return fetch_all(
        connection,
        "SELECT seq, at, actor, subject, kind, body FROM journal WHERE site = %s ORDER BY seq DESC LIMIT %s",
        (site, limit),
    )


def find_events(
    connection: Connection,
    site: str,
    *,
    span: tuple[datetime, datetime],
    device: str | None,
    kind: str | None,
    limit: int,
) -> list[Row]:
    """Events recorded in [from, to), the newest first."""
    return fetch_all(
        connection,
        "SELECT event, recorded_at, observed_at, edge_at, edge, device, address, zone, kind, active, late,"
        " quality, attributes FROM events WHERE site = %(site)s AND recorded_at >= %(from)s"
        " AND recorded_at < %(to)s AND (%(device)s::text IS NULL OR device = %(device)s)"
        " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
        " ORDER BY recorded_at DESC, event DESC LIMIT %(limit)s",
        {
            "site": site,
            "from": span[0],
            "to": span[1],
            "device": device,
            "kind": kind,
            "limit": limit,
        },
    )


def liveness_rows(connection: Connection) -> list[Row]:
    """Every process's sign of life: process, site, started_at, at, detail."""
    return fetch_all(connection, "SELECT process, site, started_at, at, detail FROM liveness")
