"""The rows of incidents and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from hub.domain.incident import Incident, IncidentState, IncidentStep, Level, StepState
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

_COLUMNS: Final = tuple(field.name for field in fields(Incident))
_STEP_COLUMNS: Final = tuple(field.name for field in fields(IncidentStep))


def insert_incident(connection: Connection, incident: Incident) -> None:
    """A new incident; a unique index refuses a second running one of a plan in a zone."""
    connection.execute(
        "INSERT INTO incident (site, incident, plan, plan_version, title, level, state, exercise, zone,"
        " commander_post, commander, cause, triggered_at, responding_at, contained_at, closed_at, verified)"
        " VALUES (%(site)s, %(incident)s, %(plan)s, %(plan_version)s, %(title)s, %(level)s, %(state)s,"
        " %(exercise)s, %(zone)s, %(commander_post)s, %(commander)s, %(cause)s, %(triggered_at)s,"
        " %(responding_at)s, %(contained_at)s, %(closed_at)s, %(verified)s)",
        _row_of(incident),
    )


def save_incident(connection: Connection, incident: Incident) -> None:
    """Write what may change in an incident's life."""
    connection.execute(
        "UPDATE incident SET state = %(state)s, level = %(level)s, commander = %(commander)s,"
        " cause = %(cause)s, triggered_at = %(triggered_at)s, responding_at = %(responding_at)s,"
        " contained_at = %(contained_at)s, closed_at = %(closed_at)s, verified = %(verified)s"
        " WHERE site = %(site)s AND incident = %(incident)s",
        _row_of(incident),
    )


def find_incident(connection: Connection, site: str, incident: int) -> Incident | None:
    """One incident by its number."""
    row = fetch_one(connection, "SELECT * FROM incident WHERE site = %s AND incident = %s", (site, incident))
    return None if row is None else read_incident(row)


def find_running_incident(
    connection: Connection, site: str, plan: str, zone: str | None, *, exercise: bool
) -> Incident | None:
    """The newest unfinished incident of a plan in a zone."""
    row = fetch_one(
        connection,
        "SELECT * FROM incident WHERE site = %s AND plan = %s AND zone IS NOT DISTINCT FROM %s"
        " AND exercise = %s AND state IN ('proposed', 'triggered', 'responding', 'contained')"
        " ORDER BY incident DESC LIMIT 1",
        (site, plan, zone, exercise),
    )
    return None if row is None else read_incident(row)


def incident_of(connection: Connection, site: str, events: Sequence[str]) -> int | None:
    """The newest incident that gathered an alarm with one of these events as evidence."""
    row = connection.execute(
        "SELECT max(a.incident) FROM alarm_evidence e JOIN alarm a USING (site, alarm)"
        " WHERE e.site = %s AND e.event = ANY(%s)",
        (site, list(events)),
    ).fetchone()
    return row[0] if row else None


def running_drills(connection: Connection, site: str) -> list[Incident]:
    """The exercises that a real alarm would break into."""
    rows = fetch_all(
        connection,
        "SELECT * FROM incident WHERE site = %s AND exercise"
        " AND state IN ('triggered', 'responding', 'contained') ORDER BY incident",
        (site,),
    )
    return [read_incident(row) for row in rows]


def insert_step(connection: Connection, step: IncidentStep) -> None:
    """A new step of an incident."""
    connection.execute(
        "INSERT INTO incident_step (site, incident, step, title, post, person, state, due_s, after, due_at,"
        " notified_at, accepted_at, done_at, done_by, reason, commands)"
        " VALUES (%(site)s, %(incident)s, %(step)s, %(title)s, %(post)s, %(person)s, %(state)s, %(due_s)s,"
        " %(after)s, %(due_at)s, %(notified_at)s, %(accepted_at)s, %(done_at)s, %(done_by)s, %(reason)s,"
        " %(commands)s)",
        _step_row_of(step),
    )


def save_step(connection: Connection, step: IncidentStep) -> None:
    """Write what may change in a step's life."""
    connection.execute(
        "UPDATE incident_step SET person = %(person)s, state = %(state)s, due_at = %(due_at)s,"
        " notified_at = %(notified_at)s, accepted_at = %(accepted_at)s, done_at = %(done_at)s,"
        " done_by = %(done_by)s, reason = %(reason)s, commands = %(commands)s"
        " WHERE site = %(site)s AND incident = %(incident)s AND step = %(step)s",
        _step_row_of(step),
    )


def steps_of(connection: Connection, site: str, incident: int) -> list[IncidentStep]:
    """An incident's steps in order."""
    rows = fetch_all(
        connection,
        "SELECT * FROM incident_step WHERE site = %s AND incident = %s ORDER BY step",
        (site, incident),
    )
    return [read_step(row) for row in rows]


def due_steps(connection: Connection, site: str, at: datetime, limit: int) -> list[IncidentStep]:
    """Steps of running incidents whose time is over, the longest due first."""
    rows = fetch_all(
        connection,
        "SELECT s.* FROM incident_step s JOIN incident i USING (site, incident)"
        " WHERE s.site = %s AND s.state IN ('notified', 'accepted') AND s.due_at <= %s"
        " AND i.state IN ('triggered', 'responding') ORDER BY s.due_at, s.incident, s.step LIMIT %s",
        (site, at, limit),
    )
    return [read_step(row) for row in rows]


def read_incident(row: Row) -> Incident:
    """An incident from its row (all columns of `incident`)."""
    values = {name: row[name] for name in _COLUMNS}
    values["level"] = Level(values["level"])
    values["state"] = IncidentState(values["state"])
    return Incident(**values)


def read_step(row: Row) -> IncidentStep:
    """A step from its row (all columns of `incident_step`)."""
    values = {name: row[name] for name in _STEP_COLUMNS}
    values["state"] = StepState(values["state"])
    values["commands"] = tuple(values["commands"])
    values["after"] = tuple(values["after"])
    return IncidentStep(**values)


def _row_of(incident: Incident) -> Row:
    row: Row = {name: getattr(incident, name) for name in _COLUMNS}
    row["title"] = jsonb(incident.title)
    return row


def _step_row_of(step: IncidentStep) -> Row:
    row: Row = {name: getattr(step, name) for name in _STEP_COLUMNS}
    row["title"] = jsonb(step.title)
    row["commands"] = jsonb(list(step.commands))
    row["after"] = list(step.after)
    return row
