"""Items that could not be taken: kept whole, with the reason, until a person tries them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.domain.error import ActRefused, NotFound
from hub.store.database import Connection, Row, fetch_all, fetch_one
from hub.store.journal import append_journal

RETRY: Final = "quarantine.retry_requested"
"""The journal row by which a person asks the site's worker to try an item again."""


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One held item. `sequence` and `ordinal` are None where the whole message, or item, is held."""

    edge: str
    epoch: int | None
    lane: int | None
    sequence: int | None
    ordinal: int | None
    code: str
    reason: str
    late: bool | None
    payload: bytes
    size_bytes: int


def add_quarantine(connection: Connection, site: str, rows: Sequence[QuarantineRow], at: datetime) -> list[int]:
    """Keep items; returns their numbers."""
    numbers = []
    for row in rows:
        added = connection.execute(
            "INSERT INTO quarantine (site, recorded_at, edge, epoch, lane, sequence, ordinal, code, reason,"
            " late, payload, size_bytes) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " RETURNING quarantine",
            (
                site,
                at,
                row.edge,
                row.epoch,
                row.lane,
                row.sequence,
                row.ordinal,
                row.code,
                row.reason.replace("\0", "�")[:2000],
                row.late,
                row.payload,
                row.size_bytes,
            ),
        ).fetchone()
        if added is None:
            raise AssertionError("INSERT … RETURNING gives a row")
        numbers.append(int(added[0]))
    return numbers


def list_quarantine(connection: Connection, site: str, *, limit: int = 200) -> list[Row]:
    """The newest items first, with the first 256 bytes of each payload."""
    return fetch_all(
        connection,
        "SELECT quarantine, recorded_at, edge, epoch, lane, sequence, ordinal, code, reason, late,"
        " substring(payload FOR 256) AS payload, size_bytes, state, retried_at"
        " FROM quarantine WHERE site = %s ORDER BY quarantine DESC LIMIT %s",
        (site, limit),
    )


def load_quarantined(connection: Connection, site: str, quarantine: int) -> Row:
    """One item whole; raises NotFound."""
    row = fetch_one(
        connection, "SELECT * FROM quarantine WHERE site = %s AND quarantine = %s", (site, quarantine)
    )
    if row is None:
        raise NotFound(f"quarantine: there is no item {quarantine} at {site}")
    return row


def request_retry(connection: Connection, site: str, quarantine: int, *, actor: str, at: datetime) -> int:
    """Ask the site's worker to try an item again: it alone feeds the rules. Call it inside the
    site's turn. Returns the journal row's seq. Raises NotFound, ActRefused.
    """
    if load_quarantined(connection, site, quarantine)["state"] != "held":
        raise ActRefused(f"item {quarantine} has been taken already")
    return append_journal(
        connection,
        site,
        at=at,
        actor=actor,
        subject=f"quarantine:{quarantine}",
        kind=RETRY,
        body={"quarantine": quarantine},
    )


def mark_retried(connection: Connection, site: str, quarantine: int, at: datetime) -> None:
    """The item went in at last."""
    connection.execute(
        "UPDATE quarantine SET state = 'retried', retried_at = %s WHERE site = %s AND quarantine = %s",
        (at, site, quarantine),
    )
