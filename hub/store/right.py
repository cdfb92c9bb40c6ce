"""Rows of who has which account and which grants: what administrators list and change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.domain.permission import Grant, Role
from hub.store.database import Connection, Row, fetch_all, lock_number


@dataclass(frozen=True, slots=True)
class GivenGrant:
    """A grant with who gave it, and when."""

    grant: Grant
    granted_by: str
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as administrators see it."""

    account: str
    name: str
    display_name: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    invited_until: datetime | None
    """Until when an invitation that was not used yet is good."""
    second_factors: tuple[str, ...]
    """`totp`, `passkey`: what he has shown once and can show again."""
    used_at: datetime | None
    """When a session of his was last used."""
    given: tuple[GivenGrant, ...]
    whole: bool = True
    """Whether `given` is all; false where the viewer sees a part of it."""

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The grants alone."""
        return tuple(each.grant for each in self.given)


def lock_rights(connection: Connection) -> None:
    """One at a time changes who may do what, until the transaction ends: two administrators who disable each
    other at the same moment would leave none. Take the sites' turns before.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number("rights"),))


def list_accounts(connection: Connection, accounts: Sequence[str] | None = None) -> list[AccountRow]:
    """Every account with its grants, or those named; by name."""
    rows = fetch_all(
        connection,
        "SELECT a.account, a.name, a.display_name, a.created_at, a.disabled_at,"
        " a.password_hash IS NOT NULL AS has_password, i.expires_at AS invited_until,"
        " EXISTS (SELECT 1 FROM totp t WHERE t.account = a.account AND t.confirmed_at IS NOT NULL) AS totp,"
        " EXISTS (SELECT 1 FROM passkey p WHERE p.account = a.account) AS passkey,"
        " (SELECT max(s.used_at) FROM session s WHERE s.account = a.account) AS used_at"
        " FROM account a LEFT JOIN account_invitation i USING (account)"
        " WHERE %(all)s OR a.account = ANY(%(accounts)s) ORDER BY a.name",
        {"all": accounts is None, "accounts": list(accounts or ())},
    )
    given: dict[str, list[GivenGrant]] = {}
    for row in fetch_all(
        connection,
        "SELECT account, role, site, area, granted_by, granted_at FROM account_grant"
        " WHERE %(all)s OR account = ANY(%(accounts)s) ORDER BY role, site, area",
        {"all": accounts is None, "accounts": list(accounts or ())},
    ):
        grant = Grant(Role(row["role"]), row["site"], tuple(row["area"]))
        given.setdefault(row["account"], []).append(GivenGrant(grant, row["granted_by"], row["granted_at"]))
    return [
        AccountRow(
            **{name: row[name] for name in _PLAIN},
            second_factors=tuple(name for name in ("totp", "passkey") if row[name]),
            given=tuple(given.get(row["account"], ())),
        )
        for row in rows
    ]


_PLAIN = (
    "account",
    "name",
    "display_name",
    "created_at",
    "disabled_at",
    "has_password",
    "invited_until",
    "used_at",
)


def name_is_taken(connection: Connection, name: str) -> bool:
    """Whether an account has this log-in name, also one that is disabled; case does not tell them apart."""
    return (
        connection.execute("SELECT 1 FROM account WHERE lower(name) = lower(%s)", (name,)).fetchone()
        is not None
    )


def set_disabled(connection: Connection, account: str, at: datetime | None) -> None:
    """Disable an account, or enable it again with None."""
    connection.execute("UPDATE account SET disabled_at = %s WHERE account = %s", (at, account))


def remove_grant(connection: Connection, account: str, grant: Grant) -> bool:
    """Withdraw a grant; False where the account does not have exactly this one."""
    done = connection.execute(
        "DELETE FROM account_grant WHERE account = %s AND role = %s AND site IS NOT DISTINCT FROM %s"
        " AND area = %s",
        (account, grant.role.value, grant.site, list(grant.area)),
    )
    return done.rowcount == 1


def sites_of(connection: Connection, account: str) -> dict[str, tuple[str, ...]]:
    """The sites that an account's grants cover, each with its area."""
    row = connection.execute("SELECT account_access(%s) -> 'places'", (account,)).fetchone()
    return {site: tuple(area) for site, area in row[0].items()} if row else {}


def replace_invitation(
    connection: Connection, account: str, token_hash: bytes, *, made_by: str, at: datetime, expires_at: datetime
) -> None:
    """Make this the account's one invitation; one before it no longer works."""
    connection.execute(
        "INSERT INTO account_invitation (account, token_hash, made_by, made_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (account) DO UPDATE SET token_hash = EXCLUDED.token_hash,"
        " made_by = EXCLUDED.made_by, made_at = EXCLUDED.made_at, expires_at = EXCLUDED.expires_at",
        (account, token_hash, made_by, at, expires_at),
    )


def find_invitation(connection: Connection, token_hash: bytes, now: datetime) -> Row | None:
    """Whose invitation it is, where it still works: account, name, display_name, expires_at."""
    rows = fetch_all(
        connection,
        "SELECT a.account, a.name, a.display_name, i.expires_at FROM account_invitation i"
        " JOIN account a USING (account)"
        " WHERE i.token_hash = %s AND i.expires_at > %s AND a.disabled_at IS NULL",
        (token_hash, now),
    )
    return rows[0] if rows else None


def remove_invitation(connection: Connection, account: str, token_hash: bytes | None = None) -> bool:
    """Use an invitation up, or take it away; False where another did so before."""
    done = connection.execute(
        "DELETE FROM account_invitation WHERE account = %s AND (%s::bytea IS NULL OR token_hash = %s)",
        (account, token_hash, token_hash),
    )
    return done.rowcount == 1
