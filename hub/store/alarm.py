"""The rows of alarms and their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from adapters.contract.vocabulary import Priority
from hub.domain.alarm import Alarm, AlarmState, Verification
from hub.domain.machine import Nature
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

MAX_EVIDENCE: Final = 200
"""Pieces of evidence kept for one alarm; further ones only count as occurrences."""
_COLUMNS: Final = tuple(field.name for field in fields(Alarm))


def insert_alarm(connection: Connection, alarm: Alarm) -> None:
    """A new alarm; a unique index refuses a second open one for (subject, condition)."""
    connection.execute(
        "INSERT INTO alarm (site, alarm, subject, condition, kind, device, address, zone, priority, state,"
        " nature, active, silent, late, unjudged, exercise, rule, rule_version, response, owner_post,"
        " observed_at, raised_at, last_raised_at, occurrences, acknowledged_at, acknowledged_by,"
        " returned_at, closed_at, verification, verification_cause, verified_by, verified_at,"
        " escalation_level, next_escalation_at, incident, version)"
        " VALUES (%(site)s, %(alarm)s, %(subject)s, %(condition)s, %(kind)s, %(device)s, %(address)s,"
        " %(zone)s, %(priority)s, %(state)s, %(nature)s, %(active)s, %(silent)s, %(late)s, %(unjudged)s,"
        " %(exercise)s, %(rule)s, %(rule_version)s, %(response)s, %(owner_post)s, %(observed_at)s,"
        " %(raised_at)s, %(last_raised_at)s, %(occurrences)s, %(acknowledged_at)s, %(acknowledged_by)s,"
        " %(returned_at)s, %(closed_at)s, %(verification)s, %(verification_cause)s, %(verified_by)s,"
        " %(verified_at)s, %(escalation_level)s, %(next_escalation_at)s, %(incident)s, %(version)s)",
        _row_of(alarm),
    )


def save_alarm(connection: Connection, alarm: Alarm) -> None:
    """Write what may change in an alarm's life."""
    connection.execute(
        "UPDATE alarm SET priority = %(priority)s, state = %(state)s, active = %(active)s,"
        " silent = %(silent)s, late = %(late)s, unjudged = %(unjudged)s, rule = %(rule)s,"
        " rule_version = %(rule_version)s, response = %(response)s, owner_post = %(owner_post)s,"
        " observed_at = %(observed_at)s, last_raised_at = %(last_raised_at)s,"
        " occurrences = %(occurrences)s, acknowledged_at = %(acknowledged_at)s,"
        " acknowledged_by = %(acknowledged_by)s, returned_at = %(returned_at)s, closed_at = %(closed_at)s,"
        " verification = %(verification)s, verification_cause = %(verification_cause)s,"
        " verified_by = %(verified_by)s, verified_at = %(verified_at)s,"
        " escalation_level = %(escalation_level)s, next_escalation_at = %(next_escalation_at)s,"
        " incident = %(incident)s, version = %(version)s"
        " WHERE site = %(site)s AND alarm = %(alarm)s",
        _row_of(alarm),
    )


def find_alarm(connection: Connection, site: str, alarm: int) -> Alarm | None:
    """One alarm by its number."""
    row = fetch_one(connection, "SELECT * FROM alarm WHERE site = %s AND alarm = %s", (site, alarm))
    return None if row is None else read_alarm(row)


def find_open_alarm(connection: Connection, site: str, subject: str, condition: str) -> Alarm | None:
    """The one open alarm of (subject, condition)."""
    row = fetch_one(
        connection,
        "SELECT * FROM alarm WHERE site = %s AND subject = %s AND condition = %s AND state <> 'closed'",
        (site, subject, condition),
    )
    return None if row is None else read_alarm(row)


def find_last_alarm(connection: Connection, site: str, subject: str, condition: str) -> Alarm | None:
    """The newest alarm of (subject, condition), open or closed."""
    row = fetch_one(
        connection,
        "SELECT * FROM alarm WHERE site = %s AND subject = %s AND condition = %s ORDER BY alarm DESC LIMIT 1",
        (site, subject, condition),
    )
    return None if row is None else read_alarm(row)


def due_alarms(connection: Connection, site: str, at: datetime, limit: int) -> list[Alarm]:
    """Open alarms whose acknowledgement is overdue, the longest due first."""
    rows = fetch_all(
        connection,
        "SELECT * FROM alarm WHERE site = %s AND next_escalation_at <= %s AND state <> 'closed'"
        " ORDER BY next_escalation_at, alarm LIMIT %s",
        (site, at, limit),
    )
    return [read_alarm(row) for row in rows]


def add_evidence(
    connection: Connection,
    site: str,
    alarm: int,
    *,
    event: str,
    recorded_at: datetime,
    body: Mapping[str, Any],
) -> bool:
    """Copy one piece of evidence to an alarm; False where it is there already, or too many are."""
    row = connection.execute(
        "INSERT INTO alarm_evidence (site, alarm, ordinal, event, recorded_at, body)"
        " SELECT %(site)s, %(alarm)s, coalesce(max(ordinal), 0) + 1, %(event)s, %(recorded_at)s, %(body)s"
        " FROM alarm_evidence WHERE site = %(site)s AND alarm = %(alarm)s"
        " HAVING count(*) < %(limit)s AND count(*) FILTER (WHERE event = %(event)s) = 0"
        " RETURNING ordinal",
        {
            "site": site,
            "alarm": alarm,
            "event": event,
            "recorded_at": recorded_at,
            "body": jsonb(body),
            "limit": MAX_EVIDENCE,
        },
    ).fetchone()
    return row is not None


def read_alarm(row: Row) -> Alarm:
    """An alarm from its row (all columns of `alarm`)."""
    values = {name: row[name] for name in _COLUMNS}
    values["priority"] = Priority(values["priority"])
    values["state"] = AlarmState(values["state"])
    values["nature"] = Nature(values["nature"])
    values["verification"] = Verification(values["verification"])
    return Alarm(**values)


def _row_of(alarm: Alarm) -> Row:
    row: Row = {name: getattr(alarm, name) for name in _COLUMNS}
    row["response"] = jsonb(alarm.response)
    return row
