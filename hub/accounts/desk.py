"""Accounts and sessions: the first administrator by set-up token, log-in, log-out, who is asking."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.accounts.backoff import FORGOTTEN_AFTER, Failures, wait_s
from hub.accounts.invitation import LOGIN_NAME, check_new_password, hash_token
from hub.accounts.password import MAX_LENGTH, hash_password, verify_password
from hub.accounts.record import Record, recording
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
from hub.store.browser import is_known_browser, remember_browser
from hub.store.database import Connection, Pool, borrow, site_turn, transaction
from hub.store.factor import factors_of, prove_session
from hub.store.site import list_sites

ABSOLUTE_LIMIT: Final = timedelta(days=7)
"""A session ends so long after it was opened, used or not."""
FACTOR_WITHIN: Final = timedelta(minutes=5)
"""So long does a log-in wait for its second factor."""
TOUCH_AFTER: Final = timedelta(minutes=1)


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
class AwaitedFactor:
    """The password was right; the token goes to the browser for the second step, and opens nothing else."""

    token: str
    account: str
    methods: tuple[str, ...]


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
    browser: str = ""
    """What the browser was given to be known again by; it opens nothing."""


def make_setup_token(connection: Connection, at: datetime, *, only_first: bool = False) -> str | None:
    """A new set-up token, in place of one that was not used; None where somebody has an account.

    `only_first`: also None where one was ever made.
    """
    token = secrets.token_urlsafe(18)
    with transaction(connection):
        lock_setup(connection)
        if has_accounts(connection) or (only_first and has_setup_token(connection)):
            return None
        replace_setup_token(connection, hash_token(token), at)
    return token


def set_up(pool: Pool, first: FirstAdministrator, place: Place, now: datetime) -> OpenedSession:
    """Make the first administrator and log in.

    Raises ActRefused, InvalidAct, WrongPassword, TooManyAttempts.
    """
    if not LOGIN_NAME.match(first.name):
        raise InvalidAct("name: use 2 to 64 letters, digits, . _ @ -")
    check_new_password(first.password, first.name)
    keys = [f"address:{place.address}"]
    with borrow(pool, NO_SITE) as connection:
        if has_accounts(connection):
            raise ActRefused("set-up is done; log in")
        count_attempt(connection, keys, now)
    password_hash = hash_password(first.password)
    account = f"a-{secrets.token_hex(8)}"
    with borrow(pool, EVERY_SITE) as connection, transaction(connection):
        sites = tuple(list_sites(connection))
        site_turn(connection, *sites)
        lock_setup(connection)
        if has_accounts(connection):
            raise ActRefused("set-up is done; log in")
        if not use_setup_token(connection, hash_token(first.token), now):
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
        return open_session(Record(connection, sites, now), account, place)


def log_in(pool: Pool, name: str, password: str, place: Place, now: datetime) -> OpenedSession | AwaitedFactor:
    """Open a session, or say which second factor is to come. Raises WrongPassword, TooManyAttempts."""
    account_key, address_key = f"account:{name.lower()[:100]}", f"address:{place.address}"
    with borrow(pool, NO_SITE) as connection:
        account = find_account(connection, name)
        own = _own_key(connection, account["account"], place) if account else None
        # A browser that logged in before has its own budget: what strangers spend is not the security room's.
        count_attempt(connection, [account_key, address_key] if own is None else [own], now)
    # No connection is held while the hash is computed.
    fits, renewed = verify_password(password[:MAX_LENGTH], account["password_hash"] if account else None)
    if not fits or account is None:
        raise WrongPassword("name and password do not fit together")
    with recording(pool, account["account"], now) as record:
        forgive(record.connection, own or account_key, "" if own else address_key)
        if renewed:
            save_password_hash(record.connection, account["account"], renewed)
        return _enter(record, account["account"], place)


def enter_account(pool: Pool, account: str, place: Place, now: datetime) -> OpenedSession | AwaitedFactor:
    """Open a session for whom somebody else vouched (`oidc.py`), or say which second factor is to come."""
    with recording(pool, account, now) as record:
        forgive(record.connection, "", f"address:{place.address}")
        return _enter(record, account, place)


def _enter(record: Record, account: str, place: Place) -> OpenedSession | AwaitedFactor:
    methods = factors_of(record.connection, account)
    if methods:
        return _await_factor(record, account, place, methods)
    return open_session(record, account, place)


def prove_password(pool: Pool, session: SessionRow, password: str, now: datetime) -> None:
    """Go on only with the password of who is logged in. Raises WrongPassword, TooManyAttempts."""
    key = f"account:{session.name.lower()[:100]}"
    with borrow(pool, NO_SITE) as connection:
        count_attempt(connection, [key], now)
        account = find_account(connection, session.name)
    fits, _ = verify_password(password[:MAX_LENGTH], account["password_hash"] if account else None)
    if not fits:
        raise WrongPassword("this is not your password")
    with borrow(pool, NO_SITE) as connection, transaction(connection):
        forgive(connection, key, "")


def who_asks(pool: Pool, token: str, now: datetime) -> SessionRow:
    """The session of a token; raises NotLoggedIn."""
    with borrow(pool, NO_SITE) as connection:
        row = find_session(connection, hash_token(token), now)
        if row is None:
            raise NotLoggedIn("log in")
        if now - row.used_at > TOUCH_AFTER:
            touch_session(connection, row.session_hash, now)
    return row


def log_out(pool: Pool, session: SessionRow, now: datetime) -> None:
    """End a session, journaled."""
    with recording(pool, session.account, now) as record:
        if end_session(record.connection, session.session_hash, now):
            record.write(session.account, session.account, "session.closed", {"station": session.station})


def factor_key(connection: Connection, account: str, place: Place) -> str:
    """Under which attempts at the second factor are counted."""
    own = _own_key(connection, account, place)
    return f"factor:{account}" if own is None else f"factor:{own}"


def _own_key(connection: Connection, account: str, place: Place) -> str | None:
    """The key of a browser that logged in as this account before."""
    known = hash_token(place.browser)
    if not place.browser or not is_known_browser(connection, account, known):
        return None
    return f"browser:{account}:{known.hex()[:32]}"


def open_session(record: Record, account: str, place: Place, *, factor: str | None = None) -> OpenedSession:
    """A fresh session, journaled; `factor`: the second one that was shown for it."""
    token = secrets.token_urlsafe(32)
    shown = hash_token(token)
    add_session(
        record.connection,
        shown,
        account=account,
        station=place.station,
        address=place.address,
        at=record.at,
        expires_at=record.at + ABSOLUTE_LIMIT,
    )
    if place.browser:
        remember_browser(record.connection, account, hash_token(place.browser), record.at)
    body = {"station": place.station, "address": place.address}
    if factor is not None:
        prove_session(record.connection, shown, record.at)
        body["factor"] = factor
    record.write(account, account, "session.opened", body)
    row = find_session(record.connection, shown, record.at)
    if row is None:
        raise AssertionError("the session was made in this transaction")
    return OpenedSession(token, row)


def _await_factor(record: Record, account: str, place: Place, methods: tuple[str, ...]) -> AwaitedFactor:
    token = secrets.token_urlsafe(32)
    add_session(
        record.connection,
        hash_token(token),
        account=account,
        station=place.station,
        address=place.address,
        at=record.at,
        expires_at=record.at + FACTOR_WITHIN,
        awaits=True,
    )
    return AwaitedFactor(token, account, methods)


def count_attempt(connection: Connection, keys: list[str], now: datetime) -> None:
    """Count an attempt under these keys, or refuse to hear it yet. Raises TooManyAttempts."""
    # Counted before the password is looked at, so that a thousand attempts at once are a thousand.
    with transaction(connection):
        known = {key: Failures(*each) for key, each in lock_failures(connection, keys).items()}
        wait = wait_s(known, now)
        if wait > 0:
            raise TooManyAttempts(wait)
        add_failure(connection, keys, now, now - FORGOTTEN_AFTER)
        prune_failures(connection, now - FORGOTTEN_AFTER)
