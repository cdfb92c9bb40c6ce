"""Rows of API tokens: kept as hashes, looked up at each use with what their maker may do now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.domain.permission import NOT_BY_TOKEN, Access
from hub.store.account import SessionRow, read_access
from hub.store.database import Connection, Row, fetch_all

_GOOD: Final = (
    " FROM api_token t JOIN account a USING (account)"
    " WHERE t.revoked_at IS NULL AND t.expires_at > %(now)s AND a.disabled_at IS NULL"
    " AND t.token_hash = ANY(%(tokens)s)"
)


def add_token(connection: Connection, row: Row) -> None:
    """Add one: token, token_hash, account, name, permissions, sites, made_at, expires_at."""
    connection.execute(
        "INSERT INTO api_token (token, token_hash, account, name, permissions, sites, made_at, expires_at)"
        " VALUES (%(token)s, %(token_hash)s, %(account)s, %(name)s, %(permissions)s, %(sites)s, %(made_at)s,"
        " %(expires_at)s)",
        row,
    )


def find_token(connection: Connection, token_hash: bytes, now: datetime) -> SessionRow | None:
    """A token that works now, as what stands in place of a session; `used_at` as it was last noted."""
    rows = fetch_all(
        connection,
        "SELECT t.token, t.token_hash, t.account, a.name, a.display_name, t.permissions, t.sites, t.made_at,"
        " coalesce(t.used_at, t.made_at - interval '1 day') AS used_at, t.expires_at,"
        " account_access(a.account) AS access" + _GOOD,
        {"tokens": [token_hash], "now": now},
    )
    if not rows:
        return None
    row = rows[0]
    return SessionRow(
        session_hash=bytes(row["token_hash"]),
        account=row["account"],
        name=row["name"],
        display_name=row["display_name"],
        station=f"token:{row['token']}",
        created_at=row["made_at"],
        used_at=row["used_at"],
        expires_at=row["expires_at"],
        access=_access(row),
        means="token",
        proven=True,  # its maker showed a second factor when he made it
    )


def token_accesses(connection: Connection, hashes: Sequence[bytes], now: datetime) -> dict[bytes, Access]:
    """Those of these tokens that still work, each with what it may do now."""
    rows = fetch_all(
        connection,
        "SELECT t.token_hash, t.account, t.permissions, t.sites, account_access(a.account) AS access" + _GOOD,
        {"tokens": list(hashes), "now": now},
    )
    return {bytes(row["token_hash"]): _access(row) for row in rows}


def _access(row: Row) -> Access:
    scope = frozenset(row["permissions"]) - NOT_BY_TOKEN
    return read_access(row["account"], row["access"]).narrowed(scope, row["sites"])


def touch_token(connection: Connection, token_hash: bytes, now: datetime) -> None:
    """The token was used."""
    connection.execute("UPDATE api_token SET used_at = %s WHERE token_hash = %s", (now, token_hash))


def list_tokens(connection: Connection, token: str | None = None) -> list[Row]:
    """Every token, or one, the newest first: token, account, name, permissions, sites, made_at, expires_at,
    used_at, revoked_at, revoked_by.
    """
    return fetch_all(
        connection,
        "SELECT token, account, name, permissions, sites, made_at, expires_at, used_at, revoked_at, revoked_by"
        " FROM api_token WHERE %(token)s::text IS NULL OR token = %(token)s ORDER BY made_at DESC",
        {"token": token},
    )


def revoke_token(connection: Connection, token: str, *, by: str, at: datetime) -> bool:
    """It works no more; False where it was revoked before."""
    done = connection.execute(
        "UPDATE api_token SET revoked_at = %s, revoked_by = %s WHERE token = %s AND revoked_at IS NULL",
        (at, by, token),
    )
    return done.rowcount == 1
