"""Rows of accounts, sessions, the set-up token and failed log-ins. Tokens are kept as hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.domain.permission import Access, Grant, Role
from hub.store.database import Connection, Row, fetch_all, fetch_one, lock_number

IDLE_LIMIT: Final = timedelta(hours=12)
"""A session that nobody used for so long has ended."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session with its account, and what it may do."""

    session_hash: bytes
    account: str
    name: str
    display_name: str
    station: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    access: Access


def has_accounts(connection: Connection) -> bool:
    """Whether anybody has an account yet."""
    return connection.execute("SELECT 1 FROM account LIMIT 1").fetchone() is not None


def has_setup_token(connection: Connection) -> bool:
    """Whether a set-up token was ever made."""
    return connection.execute("SELECT 1 FROM setup_token LIMIT 1").fetchone() is not None


def lock_setup(connection: Connection) -> None:
    """One at a time makes tokens or the first account, until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("setup"),))


def replace_setup_token(connection: Connection, token_hash: bytes, at: datetime) -> None:
    """Make this the one token; those before it no longer work."""
    connection.execute("DELETE FROM setup_token WHERE used_at IS NULL")
    connection.execute("INSERT INTO setup_token (token_hash, created_at) VALUES (%s, %s)", (token_hash, at))


def use_setup_token(connection: Connection, token_hash: bytes, at: datetime) -> bool:
    """Use the token up; False where it is none or was used."""
    done = connection.execute(
        "UPDATE setup_token SET used_at = %s WHERE token_hash = %s AND used_at IS NULL", (at, token_hash)
    )
    return done.rowcount == 1


def add_account(connection: Connection, row: Row) -> None:
    """Add an account: account, name, display_name, password_hash, created_at."""
    connection.execute(
        "INSERT INTO account (account, name, display_name, password_hash, created_at) VALUES"
        " (%(account)s, %(name)s, %(display_name)s, %(password_hash)s, %(created_at)s)",
        row,
    )


def add_grant(connection: Connection, account: str, grant: Grant, *, actor: str, at: datetime) -> bool:
    """Grant a role; False where the account has it there already."""
    done = connection.execute(
        "INSERT INTO account_grant (account, role, site, area, granted_by, granted_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (account, grant.role.value, grant.site, list(grant.area), actor, at),
    )
    return done.rowcount == 1


def find_account(connection: Connection, name: str) -> Row | None:
    """An account that may log in, by its name."""
    return fetch_one(
        connection,
        "SELECT account, name, display_name, password_hash FROM account"
        " WHERE name = %s AND disabled_at IS NULL",
        (name,),
    )


def save_password_hash(connection: Connection, account: str, password_hash: str) -> None:
    """Keep a password hashed by newer parameters."""
    connection.execute("UPDATE account SET password_hash = %s WHERE account = %s", (password_hash, account))


def add_session(
    connection: Connection,
    session_hash: bytes,
    *,
    account: str,
    station: str,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Open a session."""
    connection.execute(
        "INSERT INTO session (session_hash, account, station, created_at, used_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (session_hash, account, station, at, at, expires_at),
    )


def find_session(connection: Connection, session_hash: bytes, now: datetime) -> SessionRow | None:
    """A session that is open now, with its account."""
    row = fetch_one(
        connection,
        "SELECT s.session_hash, s.account, a.name, a.display_name, s.station, s.created_at, s.used_at,"
        " s.expires_at, account_access(a.account) AS access"
        " FROM session s JOIN account a USING (account)"
        " WHERE s.session_hash = %s AND s.ended_at IS NULL AND s.expires_at > %s AND s.used_at > %s"
        " AND a.disabled_at IS NULL",
        (session_hash, now, now - IDLE_LIMIT),
    )
    if row is None:
        return None
    return SessionRow(**{**row, "access": _read_access(row["account"], row["access"])})


def _read_access(account: str, document: Row) -> Access:
    return Access(
        account,
        tuple(Grant(Role(role), site, tuple(area)) for role, site, area in document["grants"]),
        {site: tuple(area) for site, area in document["places"].items()},
    )


def open_sessions(connection: Connection, session_hashes: Sequence[bytes], now: datetime) -> set[bytes]:
    """Which of these sessions are still open."""
    rows = connection.execute(
        "SELECT s.session_hash FROM session s JOIN account a USING (account) WHERE s.session_hash = ANY(%s)"
        " AND s.ended_at IS NULL AND s.expires_at > %s AND s.used_at > %s AND a.disabled_at IS NULL",
        (list(session_hashes), now, now - IDLE_LIMIT),
    )
    return {bytes(row[0]) for row in rows}


def touch_session(connection: Connection, session_hash: bytes, now: datetime) -> None:
    """The session was used."""
    connection.execute("UPDATE session SET used_at = %s WHERE session_hash = %s", (now, session_hash))


def end_session(connection: Connection, session_hash: bytes, now: datetime) -> bool:
    """End a session; False where it was not open."""
    done = connection.execute(
        "UPDATE session SET ended_at = %s WHERE session_hash = %s AND ended_at IS NULL", (now, session_hash)
    )
    return done.rowcount == 1


def lock_failures(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[int, datetime]]:
    """Failures and last time of each key, locked against attempts at the same moment."""
    for key in sorted(keys):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"login:{key}"),))
    rows = fetch_all(
        connection, "SELECT key, failures, last_at FROM login_failure WHERE key = ANY(%s)", (list(keys),)
    )
    return {row["key"]: (row["failures"], row["last_at"]) for row in rows}


def add_failure(connection: Connection, keys: Sequence[str], now: datetime, forgotten_before: datetime) -> None:
    """Count an attempt as failed until it succeeds."""
    connection.execute(
        "INSERT INTO login_failure (key, failures, last_at)"
        " SELECT k, 1, %(now)s FROM unnest(%(keys)s::text[]) k"
        " ON CONFLICT (key) DO UPDATE SET last_at = EXCLUDED.last_at, failures ="
        " CASE WHEN login_failure.last_at < %(before)s THEN 1 ELSE login_failure.failures + 1 END",
        {"keys": list(keys), "now": now, "before": forgotten_before},
    )


def forgive(connection: Connection, account_key: str, address_key: str) -> None:
    """An attempt succeeded: its account is clean; its address gets back what this attempt had cost.

    Not more: a stranger with one account of his own could otherwise try others' without end.
    """
    connection.execute("DELETE FROM login_failure WHERE key = %s", (account_key,))
    connection.execute(
        "UPDATE login_failure SET failures = greatest(failures - 1, 0) WHERE key = %s", (address_key,)
    )


def prune_failures(connection: Connection, before: datetime) -> None:
    """Forget old failures, so that made-up names do not fill the table."""
    connection.execute("DELETE FROM login_failure WHERE last_at < %s", (before,))
