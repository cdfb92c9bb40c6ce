"""The journal's rows: append-only, numbered without a gap per site, hash-chained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from hub.domain.chain import GENESIS, canonical, hash_row
from hub.store.column import blobs, documents, moments, numbers, texts
from hub.store.database import Connection, Row, fetch_all

CHANNEL = "journal"
_encode: Final = json.JSONEncoder(ensure_ascii=False, default=str).encode


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A row before it has a number; `body` holds ids of persons, never names."""

    at: datetime
    actor: str
    subject: str
    kind: str
    body: Mapping[str, Any]


def append_journal(
    connection: Connection,
    site: str,
    *,
    at: datetime,
    actor: str,
    subject: str,
    kind: str,
    body: Mapping[str, Any],
) -> int:
    """Add one row and return its seq. Call it inside the site's turn."""
    return append_lines(connection, site, [JournalLine(at, actor, subject, kind, body)])


def append_to_each(connection: Connection, sites: Sequence[str], line: JournalLine) -> None:
    """Add the same row to the journal of each site, in three statements however many there are. Call it inside
    the turn of each.
    """
    heads = {
        site: (int(seq), bytes(link))
        for site, seq, link in connection.execute(
            "SELECT site, seq, hash FROM journal_head WHERE site = ANY(%s)", (list(sites),)
        )
    }
    body, before, after, seqs = canonical(line.body), [], [], []
    for site in sites:
        seq, link = heads.get(site, (0, GENESIS))
        seqs.append(seq + 1)
        before.append(link)
        after.append(hash_row(link, site, seq + 1, line.at, line.actor, line.subject, line.kind, body))
    connection.execute(
        "INSERT INTO journal (site, seq, at, actor, subject, kind, body, prev_hash, hash)"
        " SELECT n.site, n.seq, %s, %s, %s, %s, %s::jsonb, n.prev_hash, n.hash"
        " FROM unnest(%s, %s, %s, %s) AS n (site, seq, prev_hash, hash)",
        (
            line.at,
            line.actor,
            line.subject,
            line.kind,
            body,
            texts(sites),
            numbers(seqs),
            blobs(before),
            blobs(after),
        ),
    )
    connection.execute(
        "WITH moved AS (INSERT INTO journal_head (site, seq, hash) SELECT * FROM unnest(%s, %s, %s)"
        " ON CONFLICT (site) DO UPDATE SET seq = EXCLUDED.seq, hash = EXCLUDED.hash RETURNING site)"
        " SELECT pg_notify(%s, site) FROM moved",
        (texts(sites), numbers(seqs), blobs(after), CHANNEL),
    )


def append_lines(connection: Connection, site: str, lines: Sequence[JournalLine]) -> int:
    """Add rows in the given order and return the last one's seq. Call it inside the site's turn.

    Readers are woken at commit by NOTIFY, which carries the site only.
    """
    head = connection.execute("SELECT seq, hash FROM journal_head WHERE site = %s", (site,)).fetchone()
    seq, link = (int(head[0]), bytes(head[1])) if head else (0, GENESIS)
    bodies, links = [canonical(line.body) for line in lines], [link]
    for line, body in zip(lines, bodies, strict=True):
        seq += 1
        link = hash_row(link, site, seq, line.at, line.actor, line.subject, line.kind, body)
        links.append(link)
    connection.execute(
        "INSERT INTO journal (site, seq, at, actor, subject, kind, body, prev_hash, hash)"
        " SELECT %s, n.* FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s) AS n",
        (
            site,
            numbers(range(seq - len(lines) + 1, seq + 1)),
            moments(line.at for line in lines),
            texts(line.actor for line in lines),
            texts(line.subject for line in lines),
            texts(line.kind for line in lines),
            documents(bodies),
            blobs(links[:-1]),
            blobs(links[1:]),
        ),
    )
    connection.execute(
        "WITH moved AS (INSERT INTO journal_head (site, seq, hash) VALUES (%s, %s, %s)"
        " ON CONFLICT (site) DO UPDATE SET seq = EXCLUDED.seq, hash = EXCLUDED.hash RETURNING site)"
        " SELECT pg_notify(%s, site) FROM moved",
        (site, seq, link, CHANNEL),
    )
    return seq


def read_journal(connection: Connection, site: str, *, after: int, limit: int = 500) -> list[Row]:
    """Rows above `after`, in order."""
    return fetch_all(
        connection,
        "SELECT site, seq, at, actor, subject, kind, body, hash FROM journal"
        " WHERE site = %s AND seq > %s ORDER BY seq LIMIT %s",
        (site, after, limit),
    )


def journal_of(connection: Connection, site: str, subject: str, *, limit: int = 200) -> list[Row]:
    """The rows about one thing, in order."""
    return fetch_all(
        connection,
        "SELECT site, seq, at, actor, subject, kind, body FROM journal"
        " WHERE site = %s AND subject = %s ORDER BY seq DESC LIMIT %s",
        (site, subject, limit),
    )[::-1]


def head_seq(connection: Connection, site: str) -> int:
    """The newest seq; 0 for an empty journal."""
    row = connection.execute("SELECT seq FROM journal_head WHERE site = %s", (site,)).fetchone()
    return int(row[0]) if row else 0


def row_id(site: str, seq: int, row_hash: bytes) -> str:
    """`site:seq:mark`: what a row is called outside. The mark is of its hash, so that the rows which a restored
    backup writes anew under old numbers are not taken for those that were told before.
    """
    return f"{site}:{seq}:{bytes(row_hash)[:4].hex()}"


def present_id(connection: Connection, site: str, seq: int) -> str | None:
    """The id of the row with that number, if the journal still holds it; row 0 is before all."""
    if seq == 0:
        return row_id(site, 0, GENESIS)
    row = connection.execute(
        # The head outlives its row, which retention may have taken.
        "SELECT hash FROM journal_head WHERE site = %(site)s AND seq = %(seq)s"
        " UNION ALL SELECT hash FROM journal WHERE site = %(site)s AND seq = %(seq)s LIMIT 1",
        {"site": site, "seq": seq},
    ).fetchone()
    return row_id(site, seq, row[0]) if row else None


def head_id(connection: Connection, site: str) -> tuple[int, str]:
    """The newest seq and its id; 0 for an empty journal."""
    row = connection.execute("SELECT seq, hash FROM journal_head WHERE site = %s", (site,)).fetchone()
    seq, row_hash = (int(row[0]), bytes(row[1])) if row else (0, GENESIS)
    return seq, row_id(site, seq, row_hash)


def jsonb(value: Any) -> Jsonb:
    """A value for a jsonb column, in the canonical form."""
    return Jsonb(value, dumps=write_json)


def write_json(value: Any) -> str:
    """A value as JSON; times as PostgreSQL and Python write them."""
    return _encode(value)
