"""Rows of browsers that logged in as an account before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub.store.database import Connection

KNOWN_FOR: Final = timedelta(days=400)
"""After its last log-in; no browser keeps a cookie for longer."""
_MOST: Final = 50


def is_known_browser(connection: Connection, account: str, browser_hash: bytes) -> bool:
    """Whether this browser logged in as the account before."""
    found = connection.execute(
        "SELECT 1 FROM known_browser WHERE account = %s AND browser_hash = %s", (account, browser_hash)
    )
    return found.fetchone() is not None


def remember_browser(connection: Connection, account: str, browser_hash: bytes, at: datetime) -> None:
    """It logged in; of an account's browsers the newest are kept."""
    connection.execute(
        "INSERT INTO known_browser (account, browser_hash, seen_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (account, browser_hash) DO UPDATE SET seen_at = EXCLUDED.seen_at",
        (account, browser_hash, at),
    )
    connection.execute(
        "DELETE FROM known_browser WHERE account = %(account)s AND (seen_at < %(before)s OR browser_hash NOT IN"
        " (SELECT browser_hash FROM known_browser WHERE account = %(account)s ORDER BY seen_at DESC"
        " LIMIT %(most)s))",
        {"account": account, "before": at - KNOWN_FOR, "most": _MOST},
    )
