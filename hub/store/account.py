"""Rows of accounts, sessions, the set-up token and failed log-ins. Tokens are kept as hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from hub.domain.permission import ROLES, Access, Grant, Role
from hub.store.database import Connection, Row, fetch_all, fetch_one, lock_number

IDLE_LIMIT: Final = timedelta(hours=12)
"""A browser's session that nobody used for so long has ended."""
PHONE_SCOPE: Final = ROLES[Role.GUARD]
"""All that a phone's session may do, whatever else its account may."""


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
    means: Literal["browser", "phone", "token"] = "browser"
    proven: bool = False
    """Whether a second factor was shown."""


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
    """Keep another password, or the same hashed by newer parameters."""
    connection.execute("UPDATE account SET password_hash = %s WHERE account = %s", (password_hash, account))


def add_session(
    connection: Connection,
    session_hash: bytes,
    *,
    account: str,
    station: str,
    address: str,
    at: datetime,
    expires_at: datetime,
    idle: timedelta = IDLE_LIMIT,
    awaits: bool = False,
    phone: tuple[str, str] | None = None,
) -> None:
    """Open a session, of a browser or of a `phone` (its site and name); `awaits`: the second factor is to come,
    until then it is none.
    """
    connection.execute(
        "INSERT INTO session (session_hash, account, station, address, created_at, used_at, expires_at, idle_s,"
        " awaits, phone_site, phone) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            session_hash,
            account,
            station,
            address,
            at,
            at,
            expires_at,
            int(idle.total_seconds()),
            awaits,
            *(phone or (None, None)),
        ),
    )


_OPEN: Final = (
    " FROM session s JOIN account a USING (account)"
    " WHERE s.ended_at IS NULL AND s.expires_at > %(now)s"
    " AND s.used_at > %(now)s - make_interval(secs => s.idle_s) AND a.disabled_at IS NULL"
)
_SESSION: Final = (
    "SELECT s.session_hash, s.account, a.name, a.display_name, s.station, s.created_at, s.used_at,"
    " s.expires_at, s.proven_at, s.phone, s.phone_site, account_access(a.account) AS access"
)


def find_session(
    connection: Connection, session_hash: bytes, now: datetime, *, awaits: bool = False
) -> SessionRow | None:
    """A session that is open now, with its account; `awaits`: one that still waits for its second factor."""
    rows = fetch_all(
        connection,
        _SESSION + _OPEN + " AND s.session_hash = %(session)s AND s.awaits = %(awaits)s",
        {"session": session_hash, "now": now, "awaits": awaits},
    )
    return _read_session(rows[0]) if rows else None


def _read_session(row: Row) -> SessionRow:
    access = read_access(row["account"], row["access"])
    if row["phone"] is not None:
        access = access.narrowed(PHONE_SCOPE, {row["phone_site"]})
    return SessionRow(
        session_hash=bytes(row["session_hash"]),
        account=row["account"],
        name=row["name"],
        display_name=row["display_name"],
        station=row["station"],
        created_at=row["created_at"],
        used_at=row["used_at"],
        expires_at=row["expires_at"],
        access=access,
        means="browser" if row["phone"] is None else "phone",
        proven=row["proven_at"] is not None,
    )


def read_access(account: str, document: Row) -> Access:
    """What `account_access` told."""
    return Access(
        account,
        tuple(Grant(Role(role), site, tuple(area)) for role, site, area in document["grants"]),
        {site: tuple(area) for site, area in document["places"].items()},
    )


def open_accesses(
    connection: Connection, session_hashes: Sequence[bytes], now: datetime
) -> dict[bytes, Access]:
    """Those of these sessions that are still open, each with what it may do now."""
    rows = fetch_all(
        connection,
        _SESSION + _OPEN + " AND s.session_hash = ANY(%(sessions)s) AND NOT s.awaits",
        {"sessions": list(session_hashes), "now": now},
    )
    return {each.session_hash: each.access for each in map(_read_session, rows)}


def list_sessions(connection: Connection, account: str, now: datetime) -> list[Row]:
    """An account's open sessions, the newest first: session_hash, station, address, created_at, used_at,
    expires_at, proven_at, phone.
    """
    return fetch_all(
        connection,
        "SELECT s.session_hash, s.station, s.address, s.created_at, s.used_at, s.expires_at, s.proven_at,"
        " s.phone"
        + _OPEN
        + " AND s.account = %(account)s AND NOT s.awaits ORDER BY s.created_at DESC LIMIT 200",
        {"account": account, "now": now},
    )


def touch_session(connection: Connection, session_hash: bytes, now: datetime) -> None:
    """The session was used."""
    connection.execute("UPDATE session SET used_at = %s WHERE session_hash = %s", (now, session_hash))


def end_session(connection: Connection, session_hash: bytes, now: datetime) -> bool:
    """End a session; False where it was not open."""
    done = connection.execute(
        "UPDATE session SET ended_at = %s WHERE session_hash = %s AND ended_at IS NULL", (now, session_hash)
    )
    return done.rowcount == 1


def end_sessions(
    connection: Connection,
    account: str,
    now: datetime,
    *,
    but: bytes | None = None,
    only: bytes | None = None,
) -> int:
    """End an account's sessions, phones' too: all, all but one, or the one whose hash begins so. Returns how
    many were open.
    """
    return connection.execute(
        "UPDATE session SET ended_at = %(now)s WHERE account = %(account)s AND ended_at IS NULL"
        " AND expires_at > %(now)s AND (%(but)s::bytea IS NULL OR session_hash <> %(but)s)"
        " AND (%(only)s::bytea IS NULL OR substring(session_hash FOR length(%(only)s)) = %(only)s)",
        {"account": account, "now": now, "but": but, "only": only},
    ).rowcount


def end_phone_sessions(connection: Connection, phone: str, now: datetime) -> None:
    """A phone was revoked."""
    connection.execute("UPDATE session SET ended_at = %s WHERE phone = %s AND ended_at IS NULL", (now, phone))


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
