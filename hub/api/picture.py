"""A site as a screen sees it: the whole picture with its cursor, and the changes after a cursor.

Both are read in one transaction that sees one moment, so that picture and cursor belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.api.compose import alarm_view, duty_views, hazard_view, incident_views, journal_view, text_of
from hub.api.presence import FRESH_FOR, States, counts_view, device_states, device_views, edge_view, zone_views
from hub.api.views import Change, Counts, SiteHead, Snapshot
from hub.store.database import Connection, Row, reading
from hub.store.journal import head_id, read_journal, row_id
from hub.store.view import (
    SiteWords,
    alarms_by_number,
    count_points,
    count_work,
    device_rows,
    hazards_by_number,
    incidents_by_number,
    newest_journal,
    open_alarms,
    open_hazards,
    open_incidents,
)

RECENT: Final = 20
REDRAWS: Final = frozenset({"configuration.applied", "edge.online", "edge.offline"})
"""After these so much differs that screens get the whole picture anew."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts need besides alarms: read once a second, because it changes without journal rows."""

    points: tuple[int, int]
    states: States


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in order, and what was seen with them."""

    changes: list[Change]
    ids: list[str]
    """Of the changes: what a screen says it saw last."""
    counts: Counts
    redraw: bool
    full: bool
    """The limit was reached: there may be more."""


def read_standing(connection: Connection, words: SiteWords, now: datetime) -> Standing:
    """Points and device states of a site."""
    return Standing(read_points(connection, words, now), read_states(connection, words, now))


def read_points(connection: Connection, words: SiteWords, now: datetime) -> tuple[int, int]:
    """How many points a site has, and of how many a usable, fresh value is known."""
    return count_points(connection, words.site, now - FRESH_FOR)


def read_states(connection: Connection, words: SiteWords, now: datetime) -> States:
    """What each device of a site is."""
    return device_states(device_rows(connection, words.site, values=False), words, now)


def read_counts(connection: Connection, words: SiteWords, standing: Standing) -> Counts:
    """The figures at the top of the wall."""
    return counts_view(count_work(connection, words.site), standing.points, standing.states)


def read_snapshot(connection: Connection, words: SiteWords, now: datetime) -> tuple[Snapshot, str]:
    """The whole picture and the id of the journal row it belongs to."""
    site = words.site
    with reading(connection):
        seq, identity = head_id(connection, site)
        alarms = open_alarms(connection, site)
        hazards = open_hazards(connection, site)
        incidents = open_incidents(connection, site)
        devices = device_rows(connection, site)
        work = count_work(connection, site)
        points = count_points(connection, site, now - FRESH_FOR)
        recent = newest_journal(connection, site, RECENT)
    states = device_states(devices, words, now)
    snapshot = Snapshot(
        site=SiteHead(site=site, name=text_of(words.name, site), time_zone=words.time_zone),
        seq=seq,
        at=now,
        alarms=[alarm_view(row, words) for row in alarms],
        hazards=[hazard_view(row, words, now) for row in hazards],
        incidents=incident_views(incidents, words),
        zones=zone_views(words, states),
        devices=device_views(devices, words, now),
        duty=duty_views(words, now),
        counts=counts_view(work, points, states),
        recent=[journal_view(row, words) for row in recent],
        edges=[edge_view(row, now) for row in devices.edges],
    )
    return snapshot, identity


def read_changes(
    connection: Connection, words: SiteWords, standing: Standing, *, after: int, now: datetime, limit: int = 200
) -> Batch | None:
    """The journal rows above `after` with the things that they are about; None where there are none.

    A handful of queries for the whole batch, whatever its size.
    """
    site = words.site
    with reading(connection):
        rows = read_journal(connection, site, after=after, limit=limit)
        if not rows:
            return None
        numbers = {noun: _numbers(rows, noun) for noun in ("alarm", "hazard", "incident")}
        numbers["incident"] |= {number for row in rows if (number := _incident_in(row))}
        alarms = {
            row["alarm"]: row
            for row in (alarms_by_number(connection, site, numbers["alarm"]) if numbers["alarm"] else [])
        }
        hazards = {
            row["hazard"]: hazard_view(row, words, now)
            for row in (hazards_by_number(connection, site, numbers["hazard"]) if numbers["hazard"] else [])
        }
        incidents = {
            view.incident: view
            for view in (
                incident_views(incidents_by_number(connection, site, numbers["incident"]), words)
                if numbers["incident"]
                else []
            )
        }
        named = sorted({device for row in rows if (device := _device_of(row, alarms))})
        devices = {}
        edges = {}
        if named or any(row["subject"].startswith("edge:") for row in rows):
            found = device_rows(connection, site, [device for device in named if device])
            devices = {
                view.device: view for view in device_views(found, words, now, sorted(filter(None, named)))
            }
            edges = {row["edge"]: edge_view(row, now) for row in found.edges}
            moved = {view.device: (view.state, view.since) for view in devices.values()}
            standing = Standing(standing.points, {**standing.states, **moved})
        counts = read_counts(connection, words, standing)
    views = {number: alarm_view(row, words) for number, row in alarms.items()}
    changes = [
        Change(
            **dict(journal_view(row, words)),
            alarm=views.get(_number(row, "alarm")),
            hazard=hazards.get(_number(row, "hazard")),
            incident=incidents.get(_number(row, "incident")) or incidents.get(_incident_in(row)),
            device=devices.get(_device_of(row, alarms) or ""),
            edge=edges.get(_named(row, "edge") or ""),
            counts=counts,
        )
        for row in rows
    ]
    return Batch(
        changes,
        [row_id(site, row["seq"], row["hash"]) for row in rows],
        counts,
        redraw=any(row["kind"] in REDRAWS for row in rows),
        full=len(rows) == limit,
    )


def _named(row: Row, noun: str) -> str | None:
    head, _, rest = str(row["subject"]).partition(":")
    return rest if head == noun and rest else None


def _number(row: Row, noun: str) -> int:
    name = _named(row, noun)
    return int(name) if name is not None and name.isdecimal() and len(name) < 19 else 0


def _numbers(rows: Sequence[Row], noun: str) -> set[int]:
    return {number for row in rows if (number := _number(row, noun))}


def _incident_in(row: Row) -> int:
    """The incident that a command's row or an alarm's names, so that the running plan moves with them."""
    number = row["body"].get("incident")
    return number if type(number) is int else 0


def _device_of(row: Row, alarms: Mapping[int, Mapping[str, Any]]) -> str | None:
    """The device that a row is about: by its subject, or by its alarm."""
    device = _named(row, "device")
    if device is None:
        alarm = alarms.get(_number(row, "alarm"))
        device = alarm["device"] if alarm else None
    return device.partition(":")[0] if device else None
