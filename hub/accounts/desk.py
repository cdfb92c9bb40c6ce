"""Accounts and sessions: the first administrator by set-up token, log-in, log-out, who is asking."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.accounts.backoff import FORGOTTEN_AFTER, Failures, wait_s
from hub.accounts.password import MAX_LENGTH, check_password, hash_password, verify_password
from hub.domain.error import ActRefused, HubError, InvalidAct
from hub.domain.permission import Grant, Role
from hub.store.account import (
    SessionRow,
    add_account,
    add_failure,
    add_grant,
    add_session,
    end_session,
    find_account,
    find_session,
    forgive,
    has_accounts,
    has_setup_token,
    lock_failures,
    lock_setup,
    prune_failures,
    replace_setup_token,
    save_password_hash,
    touch_session,
    use_setup_token,
)
from hub.store.area import EVERY_SITE, NO_SITE
from hub.store.database import Connection, Pool, borrow, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.site import list_sites

ABSOLUTE_LIMIT: Final = timedelta(days=7)
"""A session ends so long after it was opened, used or not."""
_TOUCH_AFTER: Final = timedelta(minutes=1)
_LOGIN_NAME: Final = re.compile(r"^[\w.@-]{2,64}$")


class NotLoggedIn(HubError):
    """There is no session; log in."""

    status = 401
    code = "not_logged_in"


class WrongPassword(HubError):
    """Name and password do not fit together."""

    status = 401
    code = "wrong_password"


class TooManyAttempts(HubError):
    """Too many failed attempts; wait and try again."""

    status = 429
    code = "too_many_attempts"

    def __init__(self, wait_s: float) -> None:
        self.wait_s = math.ceil(wait_s)
        super().__init__(f"too many failed attempts; try again in {self.wait_s} s")


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A fresh session: the token goes to the browser and nowhere else."""

    token: str
    row: SessionRow


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """What a person enters at set-up."""

    token: str
    name: str
    display_name: str
    password: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log-in comes from."""

    address: str
    station: str


def make_setup_token(connection: Connection, at: datetime, *, only_first: bool = False) -> str | None:
    """A new set-up token, in place of one that was not used; None where somebody has an account.

    `only_first`: also None where one was ever made.
    """
    token = secrets.token_urlsafe(18)
    with transaction(connection):
        lock_setup(connection)
        if has_accounts(connection) or (only_first and has_setup_token(connection)):
            return None
        replace_setup_token(connection, _hash(token), at)
    return token


def set_up(pool: Pool, first: FirstAdministrator, place: Place, now: datetime) -> OpenedSession:
    """Make the first administrator and log in.

    Raises ActRefused, InvalidAct, WrongPassword, TooManyAttempts.
    """
    if not _LOGIN_NAME.match(first.name):
        raise InvalidAct("name: use 2 to 64 letters, digits, . _ @ -")
    fault = check_password(first.password, first.name)
    if fault:
        raise InvalidAct(f"password: {fault}")
    keys = [f"address:{place.address}"]
    with borrow(pool, NO_SITE) as connection:
        if has_accounts(connection):
            raise ActRefused("set-up is done; log in")
        _count_attempt(connection, keys, now)
    password_hash = hash_password(first.password)
    account = f"a-{secrets.token_hex(8)}"
    with borrow(pool, EVERY_SITE) as connection, transaction(connection):
        sites = _take_turns(connection)
        lock_setup(connection)
        if has_accounts(connection):
            raise ActRefused("set-up is done; log in")
        if not use_setup_token(connection, _hash(first.token), now):
            raise WrongPassword("token: is not the set-up token, or no longer; `sanfang hub` prints a new one")
        add_account(
            connection,
            {
                "account": account,
                "name": first.name,
                "display_name": first.display_name,
                "password_hash": password_hash,
                "created_at": now,
            },
        )
        add_grant(connection, account, Grant(Role.ADMINISTRATOR), actor="system:hub", at=now)
        forgive(connection, "", keys[0])
        return _open(connection, sites, account, place, now)


def log_in(pool: Pool, name: str, password: str, place: Place, now: datetime) -> OpenedSession:
    """Open a session. Raises WrongPassword, TooManyAttempts."""
    account_key, address_key = f"account:{name.lower()[:100]}", f"address:{place.address}"
    with borrow(pool, NO_SITE) as connection:
        _count_attempt(connection, [account_key, address_key], now)
        account = find_account(connection, name)
    # No connection is held while the hash is computed.
    fits, renewed = verify_password(password[:MAX_LENGTH], account["password_hash"] if account else None)
    if not fits or account is None:
        raise WrongPassword("name and password do not fit together")
    with borrow(pool, EVERY_SITE) as connection, transaction(connection):
        sites = _take_turns(connection)
        forgive(connection, account_key, address_key)
        if renewed:
            save_password_hash(connection, account["account"], renewed)
        return _open(connection, sites, account["account"], place, now)


def who_asks(pool: Pool, token: str, now: datetime) -> SessionRow:
    """The session of a token; raises NotLoggedIn."""
    with borrow(pool, NO_SITE) as connection:
        row = find_session(connection, _hash(token), now)
        if row is None:
            raise NotLoggedIn("log in")
        if now - row.used_at > _TOUCH_AFTER:
            touch_session(connection, row.session_hash, now)
    return row


def log_out(pool: Pool, session: SessionRow, now: datetime) -> None:
    """End a session, journaled."""
    with borrow(pool, EVERY_SITE) as connection, transaction(connection):
        sites = _take_turns(connection)
        if end_session(connection, session.session_hash, now):
            _journal(connection, sites, session.account, "session.closed", {"station": session.station}, now)


def _take_turns(connection: Connection) -> list[str]:
    """The turn of every site, before any row is locked: a session belongs to all of them."""
    sites = list_sites(connection)
    site_turn(connection, *sites)
    return sites


def _open(connection: Connection, sites: list[str], account: str, place: Place, now: datetime) -> OpenedSession:
    token = secrets.token_urlsafe(32)
    add_session(
        connection,
        _hash(token),
        account=account,
        station=place.station,
        at=now,
        expires_at=now + ABSOLUTE_LIMIT,
    )
    _journal(
        connection,
        sites,
        account,
        "session.opened",
        {"station": place.station, "address": place.address},
        now,
    )
    row = find_session(connection, _hash(token), now)
    if row is None:
        raise AssertionError("the session was made in this transaction")
    return OpenedSession(token, row)


def _journal(
    connection: Connection, sites: list[str], account: str, kind: str, body: dict[str, str], now: datetime
) -> None:
    for site in sites:
        append_journal(
            connection, site, at=now, actor=account, subject=f"account:{account}", kind=kind, body=body
        )


def _count_attempt(connection: Connection, keys: list[str], now: datetime) -> None:
    # Counted before the password is looked at, so that a thousand attempts at once are a thousand.
    with transaction(connection):
        known = {key: Failures(*each) for key, each in lock_failures(connection, keys).items()}
        wait = wait_s(known, now)
        if wait > 0:
            raise TooManyAttempts(wait)
        add_failure(connection, keys, now, now - FORGOTTEN_AFTER)
        prune_failures(connection, now - FORGOTTEN_AFTER)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
