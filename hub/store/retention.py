"""Takes out what has been kept long enough: whole partitions, and of ordinary tables a few rows at a time.

Evidence was copied when its alarm or hazard was made (`alarm_evidence`, `hazard.evidence`), so that events and
readings can go. Rows of a site's domain state go inside its turn; the caller takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Final

from hub.domain.chain import Seal
from hub.store.anchor import save_anchor
from hub.store.database import Connection, fetch_all
from hub.store.partition import DAYS_BEHIND, day_of, drop_partition, midnight, named_partitions
from hub.store.rollup import rollup_spans

Prune = Callable[[Connection, str, datetime, int], int]
"""(connection, site, before, limit) -> rows taken out."""
MakeSeal = Callable[[str, int, bytes, datetime], Seal]
"""(site, seq, hash, at) -> the seal on that row."""


def is_rolled_up(connection: Connection, day: date) -> bool:
    """Whether every reading of a day is in the roll-ups."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    # What was observed on that day was recorded by then; who is behind that may have readings left.
    recorded_by = end + timedelta(days=DAYS_BEHIND)
    behind = connection.execute(
        "SELECT s.site, m.recorded_at FROM site s LEFT JOIN rollup_mark m USING (site)"
        " WHERE m.recorded_at IS NULL OR m.recorded_at < %s",
        (recorded_by,),
    ).fetchall()
    for site, mark in behind:
        left = connection.execute(
            "SELECT 1 FROM readings WHERE site = %s AND observed_at >= %s AND observed_at < %s"
            " AND (%s::timestamptz IS NULL OR recorded_at > %s) LIMIT 1",
            (site, begin, end, mark, mark),
        ).fetchone()
        if left is not None:
            return False
    return True


def drop_rollups(connection: Connection, bucket_s: int, before: date) -> int:
    """Drop a level's partitions that end by `before`; returns how many. Outside a transaction."""
    dropped = 0
    for name in named_partitions(connection, f"rollup_{bucket_s}"):
        begin = day_of(name)
        if rollup_spans(bucket_s, begin, begin)[0].end <= before:
            drop_partition(connection, f"rollup_{bucket_s}", name)
            dropped += 1
    return dropped


def prune_alarms(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """Closed alarms with their evidence."""
    return connection.execute(
        "WITH gone AS (SELECT alarm FROM alarm WHERE site = %(site)s AND state = 'closed'"
        " AND closed_at < %(before)s ORDER BY alarm LIMIT %(limit)s), evidence AS (DELETE FROM alarm_evidence"
        " WHERE site = %(site)s AND alarm IN (SELECT alarm FROM gone))"
        " DELETE FROM alarm WHERE site = %(site)s AND alarm IN (SELECT alarm FROM gone)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_incidents(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """Incidents that are over, with their steps."""
    return connection.execute(
        "WITH gone AS (SELECT incident FROM incident WHERE site = %(site)s"
        " AND state IN ('closed', 'reviewed', 'dismissed')"
        " AND coalesce(closed_at, triggered_at) < %(before)s ORDER BY incident LIMIT %(limit)s),"
        " steps AS (DELETE FROM incident_step WHERE site = %(site)s"
        " AND incident IN (SELECT incident FROM gone))"
        " DELETE FROM incident WHERE site = %(site)s AND incident IN (SELECT incident FROM gone)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_hazards(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """Hazards that are closed or were dismissed."""
    return connection.execute(
        "DELETE FROM hazard WHERE site = %(site)s AND hazard IN (SELECT hazard FROM hazard"
        " WHERE site = %(site)s AND state IN ('closed', 'dismissed')"
        " AND coalesce(closed_at, last_seen_at) < %(before)s ORDER BY hazard LIMIT %(limit)s)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_commands(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """Commands that have come to an end."""
    return connection.execute(
        "DELETE FROM command WHERE site = %(site)s AND command IN (SELECT command FROM command"
        " WHERE site = %(site)s AND state NOT IN ('requested', 'sent', 'accepted')"
        " AND coalesce(finished_at, expires_at) < %(before)s LIMIT %(limit)s)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_journal(connection: Connection, site: str, before: datetime, limit: int, seal: MakeSeal) -> int:
    """The journal's oldest rows, never its head. A seal on the last that goes stays: a check begins there."""
    rows = fetch_all(
        connection,
        "SELECT j.seq, j.at, j.hash FROM journal j JOIN journal_head h USING (site)"
        " WHERE j.site = %s AND j.seq < h.seq ORDER BY j.seq LIMIT %s",
        (site, limit),
    )
    gone = list(takewhile(lambda row: row["at"] < before, rows))
    if not gone:
        return 0
    last = gone[-1]
    connection.execute("DELETE FROM journal WHERE site = %s AND seq <= %s", (site, last["seq"]))
    save_anchor(connection, seal(site, last["seq"], bytes(last["hash"]), last["at"]))
    return len(gone)


def prune_history(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """What the rules were fed, but for the newest row: the next position is counted from it."""
    return connection.execute(
        "DELETE FROM history WHERE site = %(site)s AND position IN (SELECT position FROM history"
        " WHERE site = %(site)s AND at < %(before)s"
        " AND position < (SELECT max(position) FROM history WHERE site = %(site)s)"
        " ORDER BY position LIMIT %(limit)s)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_quarantine(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """Items that could not be read."""
    return connection.execute(
        "DELETE FROM quarantine WHERE site = %(site)s AND quarantine IN (SELECT quarantine FROM quarantine"
        " WHERE site = %(site)s AND recorded_at < %(before)s ORDER BY quarantine LIMIT %(limit)s)",
        {"site": site, "before": before, "limit": limit},
    ).rowcount


def prune_tombstones(connection: Connection, site: str, before: datetime, limit: int) -> int:
    """What edges said they dropped."""
    return connection.execute(
        "DELETE FROM tombstone WHERE ctid IN (SELECT ctid FROM tombstone"
        " WHERE site = %s AND recorded_at < %s LIMIT %s)",
        (site, before, limit),
    ).rowcount


def prune_sessions(connection: Connection, before: datetime, limit: int) -> int:
    """Sessions and invitations that are over; they belong to no site's turn."""
    ended = connection.execute(
        "DELETE FROM session WHERE session_hash IN (SELECT session_hash FROM session"
        " WHERE least(expires_at, ended_at) < %s LIMIT %s)",
        (before, limit),
    ).rowcount
    invited = connection.execute(
        "DELETE FROM invite WHERE ctid IN (SELECT ctid FROM invite WHERE expires_at < %s LIMIT %s)",
        (before, limit),
    ).rowcount
    accounts = connection.execute(
        "DELETE FROM account_invitation WHERE token_hash IN (SELECT token_hash FROM account_invitation"
        " WHERE expires_at < %s LIMIT %s)",
        (before, limit),
    ).rowcount
    return ended + invited + accounts


DOMAIN: Final[Mapping[str, Prune]] = MappingProxyType(
    {
        "alarms": prune_alarms,
        "incidents": prune_incidents,
        "hazards": prune_hazards,
        "commands": prune_commands,
    }
)
"""Class -> how its rows go, inside the site's turn; the journal's go by `prune_journal`, in a turn as well."""
RECORDS: Final[Mapping[str, Prune]] = MappingProxyType(
    {"history": prune_history, "quarantine": prune_quarantine, "tombstones": prune_tombstones}
)
"""The same for what only the worker writes and nobody changes: without a turn."""
