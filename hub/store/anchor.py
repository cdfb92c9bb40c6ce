"""Where a site's journal begins since its oldest rows went, and its rows for a check."""

from __future__ import annotations

from hub.domain.chain import Seal
from hub.store.database import Connection, Row, fetch_all


def find_anchor(connection: Connection, site: str) -> Seal | None:
    """The seal on the last row that was pruned; None where nothing was."""
    row = connection.execute(
        "SELECT seq, at, hash, signer, signature FROM journal_anchor WHERE site = %s", (site,)
    ).fetchone()
    if row is None:
        return None
    seq, at, row_hash, signer, signature = row
    return Seal(site, seq, at, bytes(row_hash), signer, signature)


def save_anchor(connection: Connection, seal: Seal) -> None:
    """Keep the seal on the last row that goes, in the transaction in which it goes."""
    connection.execute(
        "INSERT INTO journal_anchor (site, seq, at, hash, signer, signature, pruned_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, now())"
        " ON CONFLICT (site) DO UPDATE SET seq = EXCLUDED.seq, at = EXCLUDED.at, hash = EXCLUDED.hash,"
        " signer = EXCLUDED.signer, signature = EXCLUDED.signature, pruned_at = EXCLUDED.pruned_at",
        (seal.site, seal.seq, seal.at, seal.hash, seal.signer, seal.signature),
    )


def page_journal(connection: Connection, site: str, *, after: int, limit: int) -> list[Row]:
    """Rows above `after`, in order, with all that their hashes cover."""
    return fetch_all(
        connection,
        "SELECT seq, at, actor, subject, kind, body, hash FROM journal"
        " WHERE site = %s AND seq > %s ORDER BY seq LIMIT %s",
        (site, after, limit),
    )
