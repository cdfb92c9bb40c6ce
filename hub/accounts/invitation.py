"""One-time links with which somebody sets his password: the invited, and who forgot it."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.accounts.password import check_password, hash_password
from hub.accounts.record import Record, recording
from hub.domain.error import InvalidAct, NotFound
from hub.store.account import end_sessions, save_password_hash
from hub.store.area import NO_SITE
from hub.store.database import Pool, borrow
from hub.store.right import find_invitation, remove_invitation, replace_invitation

GOOD_FOR: Final = timedelta(days=3)
LOGIN_NAME: Final = re.compile(r"^[\w.@-]{2,64}$")


@dataclass(frozen=True, slots=True)
class Invitation:
    """A fresh one: the token is shown once and kept nowhere."""

    account: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a token invites."""

    account: str
    name: str
    display_name: str
    expires_at: datetime


def make_invitation(record: Record, account: str, made_by: str) -> Invitation:
    """A link in place of the one before; what it stands for is journaled by the caller."""
    token, expires_at = secrets.token_urlsafe(24), record.at + GOOD_FOR
    replace_invitation(
        record.connection, account, hash_token(token), made_by=made_by, at=record.at, expires_at=expires_at
    )
    return Invitation(account, token, expires_at)


def read_invitation(pool: Pool, token: str, now: datetime) -> Invited:
    """Whom it invites; raises NotFound where it was used, is over, or was never made."""
    with borrow(pool, NO_SITE) as connection:
        row = find_invitation(connection, hash_token(token), now)
    if row is None:
        raise NotFound("the link was used, is over, or was replaced by another; ask for a new one")
    return Invited(**row)


def accept_invitation(pool: Pool, token: str, password: str, now: datetime) -> Invited:
    """Set the password and use the link up; every session of the account ends. Raises NotFound, InvalidAct."""
    invited = read_invitation(pool, token, now)
    check_new_password(password, invited.name)
    password_hash = hash_password(password)
    with recording(pool, invited.account, now) as record:
        if not remove_invitation(record.connection, invited.account, hash_token(token)):
            raise NotFound("the link was used meanwhile; ask for a new one")
        save_password_hash(record.connection, invited.account, password_hash)
        ended = end_sessions(record.connection, invited.account, now)
        record.write(invited.account, invited.account, "account.password_set", {"sessions_ended": ended})
    return invited


def check_new_password(password: str, name: str, field: str = "password") -> None:
    """Raises InvalidAct with the cure where it may not be used."""
    fault = check_password(password, name)
    if fault:
        raise InvalidAct(f"{field}: {fault}")


def hash_token(token: str) -> bytes:
    """What is kept of a token of ours: they are long and random, so a plain hash does."""
    return hashlib.sha256(token.strip().encode()).digest()
