"""The rows of alarms and their evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import sql

from adapters.contract.vocabulary import Priority
from hub.domain.alarm import Alarm, AlarmState, Verification
from hub.domain.machine import Nature
from hub.store.column import Column, documents, flags, integers, moments, numbers, texts
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import write_json

MAX_EVIDENCE: Final = 200
"""Pieces of evidence kept for one alarm; further ones only count as occurrences."""
_COLUMNS: Final = Alarm.__struct_fields__
_KINDS: Final[dict[str, Callable[[Iterable[Any]], Column]]] = {
    "alarm": numbers, "subject": texts, "condition": texts, "kind": texts, "device": texts,
    "address": texts, "zone": texts, "priority": texts, "state": texts, "nature": texts,
    "active": flags, "silent": flags, "late": flags, "unjudged": flags, "exercise": flags,
    "rule": texts, "rule_version": integers, "response": documents, "owner_post": texts,
    "observed_at": moments, "raised_at": moments, "last_raised_at": moments,
    "occurrences": integers, "acknowledged_at": moments, "acknowledged_by": texts,
    "returned_at": moments, "closed_at": moments, "verification": texts,
    "verification_cause": texts, "verified_by": texts, "verified_at": moments,
    "escalation_level": integers, "next_escalation_at": moments, "incident": numbers, "version": integers,
}  # fmt: skip
"""Every column but the site's, in the table's order, and how it is sent."""
_FIXED: Final = frozenset(
    {"subject", "condition", "kind", "device", "address", "zone", "nature", "exercise", "raised_at"}
)
"""What an alarm is from its raising on; all else may change in its life."""
_CHANGING: Final = tuple(name for name in _KINDS if name not in _FIXED)
_OCCURRING: Final = ("alarm", "active", "silent", "late", "observed_at", "last_raised_at", "occurrences")
"""What one more occurrence changes, where that is all: in a backlog, most of what is written of alarms."""
_STAYING: Final = tuple(name for name in _CHANGING if name not in _OCCURRING)

AlarmKey = tuple[str, str]
"""(subject, condition)."""
AlarmEvidence = tuple[int, str]
"""(alarm, event)."""


def _names(columns: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _arrays(count: int) -> sql.Composable:
    return sql.SQL(", ").join([sql.SQL("%s")] * count)


_INSERT: Final = sql.SQL(
    "INSERT INTO alarm (site, {names}) SELECT %s, n.* FROM unnest({arrays}) AS n ({names})"
).format(names=_names(_KINDS), arrays=_arrays(len(_KINDS)))


def _update(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(
        "UPDATE alarm a SET {changes} FROM (SELECT %s::text AS site, n.* FROM unnest({arrays}) AS n ({names}))"
        " AS c WHERE a.site = c.site AND a.alarm = c.alarm"
    ).format(
        changes=sql.SQL(", ").join(
            sql.SQL("{name} = c.{name}").format(name=sql.Identifier(name))
            for name in columns
            if name != "alarm"
        ),
        arrays=_arrays(len(columns)),
        names=_names(columns),
    )


_UPDATES: Final = {columns: _update(columns) for columns in (_CHANGING, _OCCURRING)}


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
        self._stored: dict[int, Alarm] = {}
        """As they stand in their rows, where we know it."""
        self._new: dict[int, Alarm] = {}
        self._changed: dict[int, Alarm] = {}
        self._evidence: dict[AlarmEvidence, Piece] = {}

    def load(self, keys: Iterable[AlarmKey]) -> None:
        """Find many at once, for those who defer."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._open]
        if not self._deferred or len(wanted) < 2:
            return
        rows = fetch_all(
            self._connection,
            "SELECT a.* FROM alarm a JOIN unnest(%s, %s) AS k (subject, condition)"
            " ON a.subject = k.subject AND a.condition = k.condition"
            " WHERE a.site = %s AND a.state <> 'closed'",
            (texts(key[0] for key in wanted), texts(key[1] for key in wanted), self._site),
        )
        self._open.update(dict.fromkeys(wanted))
        for alarm in map(read_alarm, rows):
            self._open[alarm.subject, alarm.condition] = self._stored[alarm.alarm] = alarm

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
            if alarm is not None:
                self._stored[alarm.alarm] = alarm
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
            sorts: dict[tuple[str, ...], list[Alarm]] = {columns: [] for columns in _UPDATES}
            for alarm in self._changed.values():
                sorts[_OCCURRING if self._only_occurs(alarm) else _CHANGING].append(alarm)
            for columns, alarms in sorts.items():
                if alarms:
                    self._connection.execute(_UPDATES[columns], [self._site, *_columns_of(columns, alarms)])
            self._settle(self._changed)
        if self._new:
            self._connection.execute(_INSERT, [self._site, *_columns_of(_KINDS, list(self._new.values()))])
            self._settle(self._new)
        if self._evidence:
            self._write_evidence()
            self._evidence.clear()

    def _only_occurs(self, alarm: Alarm) -> bool:
        """Whether nothing changed in it but what one more occurrence changes."""
        stored = self._stored.get(alarm.alarm)
        return stored is not None and all(getattr(stored, name) == getattr(alarm, name) for name in _STAYING)

    def _settle(self, written: dict[int, Alarm]) -> None:
        if self._deferred:
            self._stored |= written
        written.clear()

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
        numbered = sorted({alarm for alarm, _ in self._evidence})
        # Ordinals have no holes, so that the last one is the count: one look at the index for each alarm.
        counted = self._connection.execute(
            "SELECT n.alarm, e.ordinal FROM unnest(%s) AS n (alarm), LATERAL"
            " (SELECT ordinal FROM alarm_evidence WHERE site = %s AND alarm = n.alarm"
            "  ORDER BY ordinal DESC LIMIT 1) e",
            (numbers(numbered), self._site),
        )
        counts: dict[int, int] = dict(counted.fetchall())
        pieces = [(key, piece) for key, piece in self._evidence.items() if counts.get(key[0], 0) < MAX_EVIDENCE]
        if not pieces:
            return
        known = self._known_evidence([key for key, _ in pieces if key[0] in counts])
        fresh: list[tuple[AlarmEvidence, int, Piece]] = []
        for key, piece in pieces:
            ordinal = counts.get(key[0], 0) + 1
            if key not in known and ordinal <= MAX_EVIDENCE:
                counts[key[0]] = ordinal
                fresh.append((key, ordinal, piece))
        if not fresh:
            return
        self._connection.execute(
            "INSERT INTO alarm_evidence (site, alarm, ordinal, event, recorded_at, body)"
            " SELECT %s, n.* FROM unnest(%s, %s, %s, %s, %s) AS n",
            (
                self._site,
                numbers(key[0] for key, _, _ in fresh),
                integers(ordinal for _, ordinal, _ in fresh),
                texts(key[1] for key, _, _ in fresh),
                moments(piece.recorded_at for _, _, piece in fresh),
                documents(write_json(piece.body) for _, _, piece in fresh),
            ),
        )

    def _known_evidence(self, keys: Sequence[AlarmEvidence]) -> set[AlarmEvidence]:
        """Which of these are there already. One look at the index for each: the planner, which does not know
        what is new here, would rather read an alarm's evidence from its beginning for each piece.
        """
        if not keys:
            return set()
        rows = self._connection.execute(
            "SELECT n.alarm, n.event FROM unnest(%s, %s) AS n (alarm, event), LATERAL"
            " (SELECT FROM alarm_evidence e WHERE e.site = %s AND e.event = n.event AND e.alarm + 0 = n.alarm"
            "  LIMIT 1) e",
            (numbers(key[0] for key in keys), texts(key[1] for key in keys), self._site),
        )
        return set(rows.fetchall())


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


def _columns_of(columns: Iterable[str], alarms: Sequence[Alarm]) -> list[Column]:
    return [
        documents(write_json(alarm.response) for alarm in alarms)
        if name == "response"
        else _KINDS[name](getattr(alarm, name) for alarm in alarms)
        for name in columns
    ]
