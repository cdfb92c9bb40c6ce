"""Second factors: enrol an authenticator app, show its code, use a recovery code, take factors away.

Log-in has two steps for whoever enrolled one: the password opens a session that waits, and is none, for five
minutes; the factor opens the real one under another token. A session that was open before the factor was
enrolled shows it later in its own place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hub.accounts.desk import NotLoggedIn, OpenedSession, Place, count_attempt, factor_key, open_session
from hub.accounts.invitation import hash_token
from hub.accounts.own import prove_own_password
from hub.accounts.record import Record, recording
from hub.accounts.totp import enrolment_uri, make_recovery_codes, make_secret, matching_step, normal_code
from hub.accounts.vault import Vault
from hub.domain.error import ActRefused, HubError, InvalidAct
from hub.store.account import SessionRow, end_session, find_session, forgive
from hub.store.area import NO_SITE
from hub.store.database import Connection, Pool, Row, borrow, transaction
from hub.store.factor import (
    begin_totp,
    confirm_totp,
    count_recovery_codes,
    distrust_sessions,
    factors_of,
    find_totp,
    list_passkeys,
    prove_session,
    remove_totp,
    replace_recovery_codes,
    take_step,
    use_recovery_code,
)

ENROL_WITHIN: Final = timedelta(minutes=15)


class WrongCode(HubError):
    """The second factor does not fit."""

    status = 401
    code = "wrong_code"


class NotProven(HubError):
    """Show the second factor that you have first."""

    status = 403
    code = "second_factor_needed"


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """What the app is told, once."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class Factors:
    """What an account has enrolled."""

    totp_since: datetime | None
    passkeys: list[Row]
    recovery_codes_left: int


def read_factors(pool: Pool, account: str) -> Factors:
    """One's own factors."""
    with borrow(pool, NO_SITE) as connection:
        totp = find_totp(connection, account)
        return Factors(
            totp_since=totp["confirmed_at"] if totp else None,
            passkeys=list_passkeys(connection, account),
            recovery_codes_left=count_recovery_codes(connection, account),
        )


def enrol_totp(
    pool: Pool, vault: Vault, session: SessionRow, password: str, hub: str, now: datetime
) -> TotpEnrolment:
    """A new secret for an app; it counts once a code of it was given. Raises InvalidAct, TooManyAttempts,
    NotProven, ActRefused.
    """
    check_may_enrol(pool, session)
    prove_own_password(pool, session, password, now)
    secret = make_secret()
    with borrow(pool, NO_SITE) as connection, transaction(connection):
        if not begin_totp(connection, session.account, vault.seal(secret.encode(), session.account), now):
            raise ActRefused("an authenticator is enrolled already; remove it first")
    return TotpEnrolment(secret, enrolment_uri(secret, session.name, hub))


def confirm_enrolment(pool: Pool, vault: Vault, session: SessionRow, code: str, now: datetime) -> list[str]:
    """The app is enrolled, and this session has shown it; returns the recovery codes where there were none.

    Raises ActRefused, InvalidAct, VaultClosed.
    """
    check_may_enrol(pool, session)
    with recording(pool, session.account, now) as record:
        row = find_totp(record.connection, session.account)
        if row is None or row["confirmed_at"] is not None or now - row["made_at"] > ENROL_WITHIN:
            raise ActRefused("no authenticator is being enrolled; begin anew")
        secret = vault.open(row["secret"], session.account).decode()
        step = matching_step(secret, code, now)
        if step is None:
            raise InvalidAct("code: is not what the app shows now; compare the phone's clock with the hub's")
        confirm_totp(record.connection, session.account, now)
        take_step(record.connection, session.account, step)
        return enrolled(record, session, "totp")


def enrolled(record: Record, session: SessionRow, factor: str) -> list[str]:
    """Note that a factor was added in this session; returns recovery codes where the account has none yet."""
    prove_session(record.connection, session.session_hash, record.at)
    record.write(session.account, session.account, "account.factor_added", {"factor": factor})
    if count_recovery_codes(record.connection, session.account):
        return []
    return _new_recovery_codes(record.connection, session.account, record.at)


def renew_recovery_codes(pool: Pool, session: SessionRow, now: datetime) -> list[str]:
    """Ten new ones in place of those left. Raises NotProven."""
    check_proven(session)
    with recording(pool, session.account, now) as record:
        record.write(session.account, session.account, "account.factor_added", {"factor": "recovery"})
        return _new_recovery_codes(record.connection, session.account, now)


def remove_own_totp(pool: Pool, session: SessionRow, now: datetime) -> None:
    """Take the app away. Raises NotProven, ActRefused."""
    check_proven(session)
    with recording(pool, session.account, now) as record:
        if not remove_totp(record.connection, session.account):
            raise ActRefused("no authenticator is enrolled")
        removed(record, session, "totp")


def removed(record: Record, session: SessionRow, factor: str) -> None:
    """Note that a factor went; with the last one, no session counts as proven, and its codes go."""
    if not factors_of(record.connection, session.account):
        distrust_sessions(record.connection, session.account)
        replace_recovery_codes(record.connection, session.account, [], record.at)
    record.write(session.account, session.account, "account.factor_removed", {"factor": factor})


def show_code(pool: Pool, vault: Vault, token: str, code: str, place: Place, now: datetime) -> OpenedSession:
    """The second step of a log-in with the app's code. Raises NotLoggedIn, WrongCode, TooManyAttempts."""

    def check(connection: Connection, session: SessionRow) -> None:
        row = find_totp(connection, session.account)
        if row is None or row["confirmed_at"] is None:
            raise WrongCode("no authenticator is enrolled; use another factor")
        step = matching_step(vault.open(row["secret"], session.account).decode(), code, now)
        if step is None:
            raise WrongCode("this is not what the app shows now")
        if not take_step(connection, session.account, step):
            raise WrongCode("this code was used; wait for the next one")

    return show_factor(pool, token, "totp", check, place, now)


def show_recovery_code(pool: Pool, token: str, code: str, place: Place, now: datetime) -> OpenedSession:
    """The second step with a recovery code, which is gone then. Raises as `show_code`."""

    def check(connection: Connection, session: SessionRow) -> None:
        if not use_recovery_code(connection, session.account, hash_token(normal_code(code))):
            raise WrongCode("this is no recovery code of yours, or was used")

    return show_factor(pool, token, "recovery", check, place, now)


def show_factor(
    pool: Pool,
    token: str,
    factor: str,
    check: Callable[[Connection, SessionRow], None],
    place: Place,
    now: datetime,
) -> OpenedSession:
    """Open the real session in place of one that waits; prove one that is open. `check` raises WrongCode."""
    with borrow(pool, NO_SITE) as connection:
        session = waiting_session(connection, token, now)
        key = factor_key(connection, session.account, place)
        count_attempt(connection, [key], now)
    with recording(pool, session.account, now) as record:
        check(record.connection, session)
        forgive(record.connection, key, "")
        if factor == "recovery":
            left = count_recovery_codes(record.connection, session.account)
            record.write(session.account, session.account, "account.recovery_used", {"left": left})
        present = find_session(record.connection, session.session_hash, now)
        if present is not None:
            prove_session(record.connection, session.session_hash, now)
            return OpenedSession(token, find_session(record.connection, session.session_hash, now) or present)
        if not end_session(record.connection, session.session_hash, now):
            raise NotLoggedIn("the log-in took too long; begin anew")
        return open_session(record, session.account, replace(place, station=session.station), factor=factor)


def waiting_session(connection: Connection, token: str, now: datetime) -> SessionRow:
    """The session that waits for a factor, or an open one that may show it. Raises NotLoggedIn."""
    shown = hash_token(token)
    session = find_session(connection, shown, now, awaits=True) or find_session(connection, shown, now)
    if session is None or session.means != "browser":
        raise NotLoggedIn("the log-in took too long; begin anew")
    return session


def check_may_enrol(pool: Pool, session: SessionRow) -> None:
    """Who has a factor shows it before he adds another: a stolen session adds none. Raises NotProven."""
    with borrow(pool, NO_SITE) as connection:
        if not session.proven and factors_of(connection, session.account):
            raise NotProven("show the second factor that you have first")


def check_proven(session: SessionRow) -> None:
    """Only for a session that showed a factor. Raises NotProven."""
    if not session.proven:
        raise NotProven("show the second factor that you have first")


def _new_recovery_codes(connection: Connection, account: str, at: datetime) -> list[str]:
    codes = make_recovery_codes()
    replace_recovery_codes(connection, account, [hash_token(normal_code(code)) for code in codes], at)
    return codes
