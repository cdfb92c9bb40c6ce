"""Guards' phones: enrolled once by a code that is shown as a QR code, then logged in for long, as a guard only.

A phone's session belongs to one account at one site, may what a guard may there (`PHONE_SCOPE`) and not more,
whatever else the account may, and ends at once when the phone is revoked. The cookie that it holds is the
device's: no password is typed on it, and it sets none.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.accounts.desk import OpenedSession, Place
from hub.accounts.invitation import hash_token
from hub.accounts.register import NotYours
from hub.domain.error import ActRefused, HubError, NotFound
from hub.domain.permission import Grant, Role, excess
from hub.store.account import SessionRow, add_session, end_phone_sessions, find_session
from hub.store.area import EVERY_SITE
from hub.store.database import Connection, Pool, Row, borrow, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.phone import add_phone, enrol_phone, find_phone_code, list_phones, revoke_phone
from hub.store.right import list_accounts, sites_of

CODE_LASTS: Final = timedelta(minutes=10)
PHONE_LASTS: Final = timedelta(days=365)
PHONE_IDLE: Final = timedelta(days=30)
"""A phone that nobody used for so long is enrolled anew."""


class WrongPhoneCode(HubError):
    """The code enrols no phone."""

    status = 401
    code = "wrong_code"


@dataclass(frozen=True, slots=True)
class PhoneInvitation:
    """The code is shown once and works once, for ten minutes."""

    phone: str
    code: str
    expires_at: datetime


def invite_phone(
    pool: Pool, actor: SessionRow, site: str, account: str, name: str, now: datetime
) -> PhoneInvitation:
    """A code with which a guard's phone enrols as his. Raises NotFound, ActRefused, NotYours."""
    if excess(Grant(Role.GUARD, site), actor.access.grants, actor.access.places.get(site)):
        raise NotYours("you may not do all that a guard's phone may")
    phone, code = f"p-{secrets.token_hex(8)}", secrets.token_urlsafe(15)
    with borrow(pool, [site]) as connection, transaction(connection):
        site_turn(connection, site)
        _check_guard(connection, site, account)
        row = {
            "site": site,
            "phone": phone,
            "account": account,
            "name": name,
            "code_hash": hash_token(code),
            "code_expires_at": now + CODE_LASTS,
            "invited_by": actor.account,
            "invited_at": now,
        }
        add_phone(connection, row)
        _write(connection, site, actor.account, phone, "phone.invited", {"account": account}, now)
    return PhoneInvitation(phone, code, now + CODE_LASTS)


def enter_phone(pool: Pool, code: str, place: Place, now: datetime) -> OpenedSession:
    """Open a phone's session with its code, which is gone then. Raises WrongPhoneCode."""
    with borrow(pool, EVERY_SITE) as connection, transaction(connection):
        row = find_phone_code(connection, hash_token(code), now)
        if row is None:
            raise WrongPhoneCode("the code was used, is over, or was never shown; have a new one shown")
        site, phone, account = row["site"], row["phone"], row["account"]
        site_turn(connection, site)
        if not enrol_phone(connection, site, phone, now):
            raise WrongPhoneCode("the code was used meanwhile; have a new one shown")
        token = secrets.token_urlsafe(32)
        add_session(
            connection,
            hash_token(token),
            account=account,
            station=row["name"],
            address=place.address,
            at=now,
            expires_at=now + PHONE_LASTS,
            idle=PHONE_IDLE,
            phone=(site, phone),
        )
        session = find_session(connection, hash_token(token), now)
        if session is None:
            raise WrongPhoneCode("the account is disabled")
        body = {"account": account, "address": place.address}
        _write(connection, site, account, phone, "phone.enrolled", body, now)
    return OpenedSession(token, session)


def withdraw_phone(pool: Pool, actor: SessionRow, site: str, phone: str, now: datetime) -> None:
    """Revoke a phone; its session ends at once, its stream within seconds. Raises NotFound, ActRefused."""
    with borrow(pool, [site]) as connection, transaction(connection):
        site_turn(connection, site)
        found = [row for row in list_phones(connection, site, now) if row["phone"] == phone]
        if not found:
            raise NotFound("there is no such phone")
        if not revoke_phone(connection, site, phone, by=actor.account, at=now):
            raise ActRefused("the phone was revoked already")
        end_phone_sessions(connection, phone, now)
        body = {"account": found[0]["account"]}
        _write(connection, site, actor.account, phone, "phone.revoked", body, now)


def phones_at(pool: Pool, site: str, now: datetime) -> list[Row]:
    """A site's phones, the newest first."""
    with borrow(pool, [site]) as connection:
        return list_phones(connection, site, now)


def _check_guard(connection: Connection, site: str, account: str) -> None:
    rows = list_accounts(connection, [account])
    area = sites_of(connection, account).get(site)
    if not rows or area is None:
        raise NotFound("account: there is no such account here")
    if rows[0].disabled_at is not None:
        raise ActRefused("the account is disabled")
    if not any(grant.role is Role.GUARD and grant.covers(site, area) for grant in rows[0].grants):
        raise ActRefused("the account is no guard here; phones are for guards, others log in")


def _write(
    connection: Connection,
    site: str,
    actor: str,
    phone: str,
    kind: str,
    body: Mapping[str, Any],
    at: datetime,
) -> None:
    append_journal(connection, site, at=at, actor=actor, subject=f"phone:{phone}", kind=kind, body=body)
