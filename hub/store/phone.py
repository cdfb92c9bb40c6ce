"""Rows of guards' phones: who may be on one, whether it was enrolled, when it was last used."""

from __future__ import annotations

from datetime import datetime

from hub.store.database import Connection, Row, fetch_all, fetch_one


def add_phone(connection: Connection, row: Row) -> None:
    """Add one: site, phone, account, name, code_hash, code_expires_at, invited_by, invited_at."""
    connection.execute(
        "INSERT INTO phone (site, phone, account, name, code_hash, code_expires_at, invited_by, invited_at)"
        " VALUES (%(site)s, %(phone)s, %(account)s, %(name)s, %(code_hash)s, %(code_expires_at)s,"
        " %(invited_by)s, %(invited_at)s)",
        row,
    )


def find_phone_code(connection: Connection, code_hash: bytes, now: datetime) -> Row | None:
    """The phone that a code enrols, where the code still works: site, phone, account, name. Sees every site."""
    return fetch_one(
        connection,
        "SELECT site, phone, account, name FROM phone WHERE code_hash = %s AND code_expires_at > %s"
        " AND enrolled_at IS NULL AND revoked_at IS NULL",
        (code_hash, now),
    )


def enrol_phone(connection: Connection, site: str, phone: str, at: datetime) -> bool:
    """Use its code up; False where another did so, or it was revoked."""
    done = connection.execute(
        "UPDATE phone SET enrolled_at = %s WHERE site = %s AND phone = %s AND enrolled_at IS NULL"
        " AND revoked_at IS NULL",
        (at, site, phone),
    )
    return done.rowcount == 1


def revoke_phone(connection: Connection, site: str, phone: str, *, by: str, at: datetime) -> bool:
    """It is no guard's phone any more; False where there is none, or it was revoked before."""
    done = connection.execute(
        "UPDATE phone SET revoked_at = %s, revoked_by = %s WHERE site = %s AND phone = %s"
        " AND revoked_at IS NULL",
        (at, by, site, phone),
    )
    return done.rowcount == 1


def list_phones(connection: Connection, site: str, now: datetime) -> list[Row]:
    """A site's phones, the newest first: phone, account, display_name, name, code_expires_at, invited_by,
    invited_at, enrolled_at, revoked_at, revoked_by; used_at and expires_at of its open session, or null.
    """
    return fetch_all(
        connection,
        "SELECT p.phone, p.account, a.display_name, p.name, p.code_expires_at, p.invited_by, p.invited_at,"
        " p.enrolled_at, p.revoked_at, p.revoked_by, s.used_at, s.expires_at"
        " FROM phone p JOIN account a USING (account) LEFT JOIN session s ON s.phone = p.phone"
        " AND s.ended_at IS NULL AND s.expires_at > %(now)s"
        " AND s.used_at > %(now)s - make_interval(secs => s.idle_s)"
        " WHERE p.site = %(site)s ORDER BY p.invited_at DESC LIMIT 1000",
        {"site": site, "now": now},
    )
