"""The rows of alarms and their evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql

from adapters.contract.vocabulary import Priority
from hub.domain.alarm import Alarm, AlarmState, Verification
from hub.domain.machine import Nature
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import jsonb

MAX_EVIDENCE: Final = 200
"""Pieces of evidence kept for one alarm; further ones only count as occurrences."""
_COLUMNS: Final = tuple(field.name for field in fields(Alarm))
_TYPES: Final[dict[str, LiteralString]] = {
    "alarm": "bigint", "subject": "text", "condition": "text", "kind": "text", "device": "text",
    "address": "text", "zone": "text", "priority": "text", "state": "text", "nature": "text",
    "active": "boolean", "silent": "boolean", "late": "boolean", "unjudged": "boolean", "exercise": "boolean",
    "rule": "text", "rule_version": "int", "response": "jsonb", "owner_post": "text",
    "observed_at": "timestamptz", "raised_at": "timestamptz", "last_raised_at": "timestamptz",
    "occurrences": "int", "acknowledged_at": "timestamptz", "acknowledged_by": "text",
    "returned_at": "timestamptz", "closed_at": "timestamptz", "verification": "text",
    "verification_cause": "text", "verified_by": "text", "verified_at": "timestamptz",
    "escalation_level": "int", "next_escalation_at": "timestamptz", "incident": "bigint", "version": "int",
}  # fmt: skip
"""Every column but the site's, in the table's order."""
_FIXED: Final = frozenset(
    {"subject", "condition", "kind", "device", "address", "zone", "nature", "exercise", "raised_at"}
)
"""What an alarm is from its raising on; all else may change in its life."""
_CHANGING: Final = {name: kind for name, kind in _TYPES.items() if name not in _FIXED}

AlarmKey = tuple[str, str]
"""(subject, condition)."""


def _names(columns: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _arrays(columns: Mapping[str, LiteralString]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(kind)) for kind in columns.values())


_INSERT: Final = sql.SQL(
    "INSERT INTO alarm (site, {names}) SELECT %s, n.* FROM unnest({arrays}) AS n ({names})"
).format(names=_names(_TYPES), arrays=_arrays(_TYPES))
_UPDATE: Final = sql.SQL(
    "UPDATE alarm a SET {changes} FROM (SELECT %s::text AS site, n.* FROM unnest({arrays}) AS n ({names})) c"
    " WHERE a.site = c.site AND a.alarm = c.alarm"
).format(
    changes=sql.SQL(", ").join(
        sql.SQL("{name} = c.{name}").format(name=sql.Identifier(name)) for name in _CHANGING if name != "alarm"
    ),
    arrays=_arrays(_CHANGING),
    names=_names(_CHANGING),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of evidence on its way to its alarm."""

    recorded_at: datetime
    body: Mapping[str, Any]


class OpenAlarms:
    """A site's open alarms inside one turn: found, opened, changed, given evidence.

    Deferred, what was found or changed is kept, and written together by `write`; else each change is written at
    once and nothing is kept. A unique index refuses a second open alarm for (subject, condition).
    """

    def __init__(self, connection: Connection, site: str, *, deferred: bool) -> None:
        self._connection = connection
        self._site = site
        self._deferred = deferred
        self._open: dict[AlarmKey, Alarm | None] = {}
        self._new: dict[int, Alarm] = {}
        self._changed: dict[int, Alarm] = {}
        self._evidence: dict[tuple[int, str], Piece] = {}

    def load(self, keys: Iterable[AlarmKey]) -> None:
        """Find many at once, for those who defer."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._open]
        if not self._deferred or len(wanted) < 2:
            return
        rows = fetch_all(
            self._connection,
            "SELECT a.* FROM alarm a JOIN unnest(%s::text[], %s::text[]) AS k (subject, condition)"
            " ON a.subject = k.subject AND a.condition = k.condition"
            " WHERE a.site = %s AND a.state <> 'closed'",
            ([key[0] for key in wanted], [key[1] for key in wanted], self._site),
        )
        self._open.update(dict.fromkeys(wanted))
        self._open.update({(row["subject"], row["condition"]): read_alarm(row) for row in rows})

    def find(self, subject: str, condition: str) -> Alarm | None:
        """The one open alarm of (subject, condition)."""
        key = (subject, condition)
        if key in self._open:
            return self._open[key]
        row = fetch_one(
            self._connection,
            "SELECT * FROM alarm WHERE site = %s AND subject = %s AND condition = %s AND state <> 'closed'",
            (self._site, subject, condition),
        )
        alarm = None if row is None else read_alarm(row)
        if self._deferred:
            self._open[key] = alarm
        return alarm

    def find_last(self, subject: str, condition: str) -> Alarm | None:
        """The newest alarm of (subject, condition), open or closed."""
        self.write()
        row = fetch_one(
            self._connection,
            "SELECT * FROM alarm WHERE site = %s AND subject = %s AND condition = %s"
            " ORDER BY alarm DESC LIMIT 1",
            (self._site, subject, condition),
        )
        return None if row is None else read_alarm(row)

    def add(self, alarm: Alarm) -> None:
        """A new alarm."""
        self._new[alarm.alarm] = alarm
        self._keep(alarm)

    def save(self, alarm: Alarm) -> None:
        """What may change in an alarm's life."""
        (self._new if alarm.alarm in self._new else self._changed)[alarm.alarm] = alarm
        self._keep(alarm)

    def add_evidence(self, alarm: int, event: str, recorded_at: datetime, body: Mapping[str, Any]) -> None:
        """Copy one piece of evidence to an alarm, unless it is there already or too many are."""
        self._evidence.setdefault((alarm, event), Piece(recorded_at, body))
        if not self._deferred:
            self.write()

    def write(self) -> None:
        """Write what is still in memory only. What closed goes first: it makes room for what opened."""
        if self._changed:
            self._connection.execute(_UPDATE, [self._site, *_columns_of(_CHANGING, self._changed.values())])
            self._changed.clear()
        if self._new:
            self._connection.execute(_INSERT, [self._site, *_columns_of(_TYPES, self._new.values())])
            self._new.clear()
        if self._evidence:
            self._write_evidence()
            self._evidence.clear()

    def _keep(self, alarm: Alarm) -> None:
        if not self._deferred:
            self.write()
            return
        key = (alarm.subject, alarm.condition)
        known = self._open.get(key)
        if alarm.state is not AlarmState.CLOSED:
            self._open[key] = alarm
        elif known is not None and known.alarm == alarm.alarm:
            self._open[key] = None

    def _write_evidence(self) -> None:
        numbers = sorted({alarm for alarm, _ in self._evidence})
        # Ordinals have no holes, so that the last one is the count: one look at the index for each alarm.
        counted = self._connection.execute(
            "SELECT n.alarm, e.ordinal FROM unnest(%s::bigint[]) AS n (alarm), LATERAL"
            " (SELECT ordinal FROM alarm_evidence WHERE site = %s AND alarm = n.alarm"
            "  ORDER BY ordinal DESC LIMIT 1) e",
            (numbers, self._site),
        )
        counts: dict[int, int] = dict(counted.fetchall())
        pieces = [(key, piece) for key, piece in self._evidence.items() if counts.get(key[0], 0) < MAX_EVIDENCE]
        if not pieces:
            return
        self._connection.execute(
            "WITH piece AS (SELECT * FROM unnest(%(alarms)s::bigint[], %(events)s::text[],"
            "  %(times)s::timestamptz[], %(bodies)s::jsonb[], %(counts)s::int[]) WITH ORDINALITY"
            "  AS p (alarm, event, recorded_at, body, count, place)),"
            " fresh AS (SELECT p.*, row_number() OVER (PARTITION BY p.alarm ORDER BY p.place) AS number"
            "  FROM piece p WHERE NOT EXISTS (SELECT FROM alarm_evidence e"
            "   WHERE e.site = %(site)s AND e.alarm = p.alarm AND e.event = p.event))"
            " INSERT INTO alarm_evidence (site, alarm, ordinal, event, recorded_at, body)"
            " SELECT %(site)s, f.alarm, f.count + f.number, f.event, f.recorded_at, f.body"
            " FROM fresh f WHERE f.count + f.number <= %(limit)s",
            {
                "site": self._site,
                "alarms": [key[0] for key, _ in pieces],
                "events": [key[1] for key, _ in pieces],
                "times": [piece.recorded_at for _, piece in pieces],
                "bodies": [jsonb(piece.body) for _, piece in pieces],
                "counts": [counts.get(key[0], 0) for key, _ in pieces],
                "limit": MAX_EVIDENCE,
            },
        )


def find_alarm(connection: Connection, site: str, alarm: int) -> Alarm | None:
    """One alarm by its number."""
    row = fetch_one(connection, "SELECT * FROM alarm WHERE site = %s AND alarm = %s", (site, alarm))
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


def read_alarm(row: Row) -> Alarm:
    """An alarm from its row (all columns of `alarm`)."""
    values = {name: row[name] for name in _COLUMNS}
    values["priority"] = Priority(values["priority"])
    values["state"] = AlarmState(values["state"])
    values["nature"] = Nature(values["nature"])
    values["verification"] = Verification(values["verification"])
    return Alarm(**values)


def _columns_of(columns: Iterable[str], alarms: Iterable[Alarm]) -> list[list[Any]]:
    listed = list(alarms)
    return [
        [jsonb(alarm.response) for alarm in listed]
        if name == "response"
        else [getattr(alarm, name) for alarm in listed]
        for name in columns
    ]
