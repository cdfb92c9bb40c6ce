"""One's own account: change the password, see and end one's sessions."""

from __future__ import annotations

from datetime import datetime

from hub.accounts.desk import WrongPassword, prove_password
from hub.accounts.invitation import check_new_password
from hub.accounts.password import hash_password
from hub.accounts.record import recording
from hub.domain.error import InvalidAct
from hub.store.account import SessionRow, end_sessions, list_sessions, save_password_hash
from hub.store.area import NO_SITE
from hub.store.database import Pool, Row, borrow
from hub.store.right import remove_invitation


def change_password(pool: Pool, session: SessionRow, present: str, new: str, now: datetime) -> int:
    """Set another password; every other session of the account ends. Returns how many did.

    Raises InvalidAct, TooManyAttempts.
    """
    check_new_password(new, session.name, "new")
    prove_own_password(pool, session, present, now, "present")
    if new == present:
        raise InvalidAct("new: is the present password; choose another")
    password_hash = hash_password(new)
    with recording(pool, session.account, now) as record:
        save_password_hash(record.connection, session.account, password_hash)
        remove_invitation(record.connection, session.account)
        ended = end_sessions(record.connection, session.account, now, but=session.session_hash)
        record.write(session.account, session.account, "account.password_changed", {"sessions_ended": ended})
    return ended


def prove_own_password(
    pool: Pool, session: SessionRow, password: str, now: datetime, field: str = "password"
) -> None:
    """Who is logged in says his password again. Raises InvalidAct (a 401 would read as a lost session),
    TooManyAttempts.
    """
    try:
        prove_password(pool, session, password, now)
    except WrongPassword:
        raise InvalidAct(f"{field}: is not your password") from None


def own_sessions(pool: Pool, session: SessionRow, now: datetime) -> list[Row]:
    """The open sessions of one's account, the newest first."""
    with borrow(pool, NO_SITE) as connection:
        return list_sessions(connection, session.account, now)


def end_own_sessions(
    pool: Pool, session: SessionRow, now: datetime, *, only: bytes | None = None, but_this: bool = False
) -> int:
    """Log out everywhere, everywhere else, or one session; returns how many were open."""
    with recording(pool, session.account, now) as record:
        ended = end_sessions(
            record.connection,
            session.account,
            now,
            but=session.session_hash if but_this else None,
            only=only,
        )
        if ended:
            record.write(session.account, session.account, "session.ended", {"sessions_ended": ended})
    return ended
