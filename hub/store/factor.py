"""Rows of second factors: sealed TOTP secrets, hashed recovery codes, passkeys and their challenges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.store.database import Connection, Row, fetch_all, fetch_one


def factors_of(connection: Connection, account: str) -> tuple[str, ...]:
    """What an account can show: `totp`, `passkey`, `recovery`, in this order; empty: nothing is enrolled."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM totp WHERE account = %(account)s AND confirmed_at IS NOT NULL),"
        " EXISTS (SELECT 1 FROM passkey WHERE account = %(account)s),"
        " EXISTS (SELECT 1 FROM recovery_code WHERE account = %(account)s)",
        {"account": account},
    ).fetchone()
    if row is None or not (row[0] or row[1]):
        return ()
    return tuple(name for name, there in zip(("totp", "passkey", "recovery"), row, strict=True) if there)


def find_totp(connection: Connection, account: str) -> Row | None:
    """An account's TOTP: secret (sealed), made_at, confirmed_at, last_step."""
    return fetch_one(
        connection, "SELECT secret, made_at, confirmed_at, last_step FROM totp WHERE account = %s", (account,)
    )


def begin_totp(connection: Connection, account: str, sealed: bytes, at: datetime) -> bool:
    """Keep a secret that is not confirmed yet, in place of such a one; False where one is confirmed."""
    done = connection.execute(
        "INSERT INTO totp (account, secret, made_at) VALUES (%s, %s, %s) ON CONFLICT (account) DO UPDATE"
        " SET secret = EXCLUDED.secret, made_at = EXCLUDED.made_at, last_step = 0"
        " WHERE totp.confirmed_at IS NULL",
        (account, sealed, at),
    )
    return done.rowcount == 1


def confirm_totp(connection: Connection, account: str, at: datetime) -> bool:
    """From now on it counts; False where it did already."""
    done = connection.execute(
        "UPDATE totp SET confirmed_at = %s WHERE account = %s AND confirmed_at IS NULL", (at, account)
    )
    return done.rowcount == 1


def take_step(connection: Connection, account: str, step: int) -> bool:
    """Use up a code by its step; False where that one or a later one was used."""
    done = connection.execute(
        "UPDATE totp SET last_step = %s WHERE account = %s AND last_step < %s", (step, account, step)
    )
    return done.rowcount == 1


def remove_totp(connection: Connection, account: str) -> bool:
    """Take the TOTP away; False where there is none."""
    return connection.execute("DELETE FROM totp WHERE account = %s", (account,)).rowcount == 1


def replace_recovery_codes(connection: Connection, account: str, hashes: Sequence[bytes], at: datetime) -> None:
    """Make these the codes; those before no longer work."""
    connection.execute("DELETE FROM recovery_code WHERE account = %s", (account,))
    connection.execute(
        "INSERT INTO recovery_code (account, code_hash, made_at) SELECT %s, h, %s FROM unnest(%s::bytea[]) h",
        (account, at, list(hashes)),
    )


def use_recovery_code(connection: Connection, account: str, code_hash: bytes) -> bool:
    """Use a code up; False where it is none, or was used."""
    done = connection.execute(
        "DELETE FROM recovery_code WHERE account = %s AND code_hash = %s", (account, code_hash)
    )
    return done.rowcount == 1


def count_recovery_codes(connection: Connection, account: str) -> int:
    """How many are left."""
    row = connection.execute("SELECT count(*) FROM recovery_code WHERE account = %s", (account,)).fetchone()
    return int(row[0]) if row else 0


def list_passkeys(connection: Connection, account: str) -> list[Row]:
    """An account's passkeys, the oldest first: credential, name, host, public_key, sign_count, added_at,
    used_at.
    """
    return fetch_all(
        connection,
        "SELECT credential, name, host, public_key, sign_count, added_at, used_at FROM passkey"
        " WHERE account = %s ORDER BY added_at",
        (account,),
    )


def add_passkey(connection: Connection, account: str, row: Row) -> bool:
    """Keep one: credential, name, host, public_key, sign_count, added_at; False where it is known already."""
    done = connection.execute(
        "INSERT INTO passkey (credential, account, name, host, public_key, sign_count, added_at) VALUES"
        " (%(credential)s, %(account)s, %(name)s, %(host)s, %(public_key)s, %(sign_count)s, %(added_at)s)"
        " ON CONFLICT DO NOTHING",
        {**row, "account": account},
    )
    return done.rowcount == 1


def use_passkey(connection: Connection, credential: bytes, sign_count: int, at: datetime) -> None:
    """It signed: its counter is where it says."""
    connection.execute(
        "UPDATE passkey SET sign_count = %s, used_at = %s WHERE credential = %s", (sign_count, at, credential)
    )


def remove_passkey(connection: Connection, account: str, credential: bytes) -> bool:
    """Take one away; False where the account has no such."""
    done = connection.execute(
        "DELETE FROM passkey WHERE account = %s AND credential = %s", (account, credential)
    )
    return done.rowcount == 1


def remove_factors(connection: Connection, account: str) -> bool:
    """Take everything away, also what was not confirmed; False where there was nothing."""
    removed = sum(
        connection.execute(query, (account,)).rowcount
        for query in (
            "DELETE FROM totp WHERE account = %s",
            "DELETE FROM passkey WHERE account = %s",
            "DELETE FROM recovery_code WHERE account = %s",
        )
    )
    return removed > 0


def prove_session(connection: Connection, session_hash: bytes, at: datetime) -> None:
    """The session showed a second factor."""
    connection.execute("UPDATE session SET proven_at = %s WHERE session_hash = %s", (at, session_hash))


def distrust_sessions(connection: Connection, account: str) -> None:
    """The last factor went: no session of the account counts as one that showed it."""
    connection.execute("UPDATE session SET proven_at = NULL WHERE account = %s", (account,))


def set_challenge(connection: Connection, session_hash: bytes, challenge: bytes, at: datetime) -> None:
    """What a passkey is to sign for this session; the one before no longer counts."""
    connection.execute(
        "UPDATE session SET challenge = %s, challenged_at = %s WHERE session_hash = %s",
        (challenge, at, session_hash),
    )


def take_challenge(connection: Connection, session_hash: bytes, not_before: datetime) -> bytes | None:
    """Use the challenge up; None where there is none, or it is too old."""
    row = connection.execute(
        "WITH held AS (SELECT challenge, challenged_at FROM session WHERE session_hash = %(session)s"
        " FOR UPDATE)"
        " UPDATE session s SET challenge = NULL, challenged_at = NULL FROM held"
        " WHERE s.session_hash = %(session)s RETURNING held.challenge, held.challenged_at",
        {"session": session_hash},
    ).fetchone()
    if row is None or row[0] is None or row[1] < not_before:
        return None
    return bytes(row[0])
