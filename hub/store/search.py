"""The journal backwards, by what its rows say: kind, subject, actor and time; a bounded stretch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.store.database import Connection, Row, fetch_all

STRETCH: Final = 50_000
"""Rows that one question looks at, so that a rare kind in a long journal does not hold a connection up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; an empty text asks nothing. A `kind` ending in `.`, a `subject` ending in `:` is a
    beginning.
    """

    kind: str = ""
    subject: str = ""
    actor: str = ""
    people_only: bool = False
    """Only acts of accounts: neither the hub's own nor the edges'."""
    since: datetime | None = None
    to: datetime | None = None


def search_journal(
    connection: Connection, site: str, wanted: Wanted, *, below: int | None, limit: int
) -> tuple[Sequence[Row], int]:
    """Rows under number `below` (None: from the newest), the newest first, and the number under which to go on;
    1 means that there is nothing below.
    """
    top = below
    if top is None:
        head = connection.execute("SELECT seq FROM journal_head WHERE site = %s", (site,)).fetchone()
        top = int(head[0]) + 1 if head else 1
    bottom = max(top - STRETCH, 1)
    rows = fetch_all(
        connection,
        "SELECT seq, at, actor, subject, kind, body FROM journal"
        " WHERE site = %(site)s AND seq >= %(bottom)s AND seq < %(top)s"
        "   AND (%(kind)s = '' OR kind = %(kind)s OR (%(kind_begins)s AND starts_with(kind, %(kind)s)))"
        "   AND (%(subject)s = '' OR subject = %(subject)s"
        "        OR (%(subject_begins)s AND starts_with(subject, %(subject)s)))"
        "   AND (%(actor)s = '' OR actor = %(actor)s)"
        "   AND NOT (%(people)s AND (starts_with(actor, 'system:') OR starts_with(actor, 'edge:')))"
        "   AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)"
        "   AND (%(to)s::timestamptz IS NULL OR at < %(to)s)"
        " ORDER BY seq DESC LIMIT %(limit)s",
        {
            "site": site,
            "bottom": bottom,
            "top": top,
            "kind": wanted.kind,
            "kind_begins": wanted.kind.endswith("."),
            "subject": wanted.subject,
            "subject_begins": wanted.subject.endswith(":"),
            "actor": wanted.actor,
            "people": wanted.people_only,
            "since": wanted.since,
            "to": wanted.to,
            "limit": limit,
        },
    )
    return rows, int(rows[-1]["seq"]) if len(rows) == limit else bottom


def seq_after(connection: Connection, site: str, moment: datetime) -> int:
    """The number of the first row not older than `moment` (one above the newest where all are older).

    By halves over the primary key: a site's recorded time only goes forward.
    """
    span = connection.execute("SELECT min(seq), max(seq) FROM journal WHERE site = %s", (site,)).fetchone()
    if span is None or span[0] is None:
        return 1
    low, high = int(span[0]), int(span[1]) + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            "SELECT at FROM journal WHERE site = %s AND seq >= %s ORDER BY seq LIMIT 1", (site, middle)
        ).fetchone()
        if row is not None and row[0] < moment:
            low = middle + 1
        else:
            high = middle
    return low
