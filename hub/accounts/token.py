"""API tokens for integrations: what their maker may do, within named permissions and sites, until a day.

A token never makes rights (`NOT_BY_TOKEN`), and what its maker loses it loses at its next use.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.accounts.desk import TOUCH_AFTER, NotLoggedIn
from hub.accounts.invitation import hash_token
from hub.accounts.record import recording
from hub.accounts.register import NotYours
from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.permission import NOT_BY_TOKEN, PERMISSIONS, Access
from hub.store.account import SessionRow
from hub.store.area import NO_SITE
from hub.store.database import Pool, Row, borrow
from hub.store.token import add_token, find_token, list_tokens, revoke_token, touch_token

LONGEST: Final = timedelta(days=400)
EDITING: Final = "token.edit"
PREFIX: Final = "sft_"
"""So that a token is known for one where it turns up by mistake."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be for."""

    name: str
    permissions: tuple[str, ...]
    sites: tuple[str, ...]
    good_for: timedelta


@dataclass(frozen=True, slots=True)
class MadeToken:
    """`secret` is shown once and kept nowhere."""

    token: str
    secret: str
    expires_at: datetime


def make_token(pool: Pool, maker: SessionRow, new: NewToken, now: datetime) -> MadeToken:
    """Make one. Raises InvalidAct, NotYours, NotFound."""
    _check(maker.access, new)
    token, secret = f"t-{secrets.token_hex(8)}", PREFIX + secrets.token_urlsafe(32)
    expires_at = now + new.good_for
    with recording(pool, maker.account, now) as record:
        row = {
            "token": token,
            "token_hash": hash_token(secret),
            "account": maker.account,
            "name": new.name,
            "permissions": sorted(set(new.permissions)),
            "sites": sorted(set(new.sites)),
            "made_at": now,
            "expires_at": expires_at,
        }
        add_token(record.connection, row)
        body = {"token": token, "permissions": row["permissions"], "sites": row["sites"]}
        record.write(maker.account, maker.account, "token.made", body)
    return MadeToken(token, secret, expires_at)


def who_comes(pool: Pool, secret: str, now: datetime) -> SessionRow:
    """Whose token it is, and what it may do now. Raises NotLoggedIn."""
    with borrow(pool, NO_SITE) as connection:
        row = find_token(connection, hash_token(secret), now)
        if row is None:
            raise NotLoggedIn("the token is not known, is over, or was revoked")
        if now - row.used_at > TOUCH_AFTER:
            touch_token(connection, row.session_hash, now)
    return row


def tokens_seen(pool: Pool, viewer: Access) -> list[Row]:
    """The tokens that reach into the sites where the viewer may make such."""
    with borrow(pool, NO_SITE) as connection:
        rows = list_tokens(connection)
    return [row for row in rows if _reaches(viewer, row)]


def revoke(pool: Pool, actor: SessionRow, token: str, now: datetime) -> None:
    """Take a token back: one's own, or one for sites where one may make such. Raises NotFound, NotYours,
    ActRefused.
    """
    with borrow(pool, NO_SITE) as connection:
        rows = [row for row in list_tokens(connection, token) if _reaches(actor.access, row)]
    if not rows:
        raise NotFound("there is no such token")
    owner, yours = rows[0]["account"], actor.access.sites_where(EDITING)
    if owner != actor.account and not yours.issuperset(rows[0]["sites"]):
        raise NotYours("this token is for sites outside your area, too; ask who administers them")
    with recording(pool, owner, now) as record:
        if not revoke_token(record.connection, token, by=actor.account, at=now):
            raise ActRefused("the token was revoked already")
        record.write(actor.account, owner, "token.revoked", {"token": token})


def _reaches(viewer: Access, row: Row) -> bool:
    own: bool = row["account"] == viewer.account
    return own or not viewer.sites_where(EDITING).isdisjoint(row["sites"])


def _check(maker: Access, new: NewToken) -> None:
    if not timedelta(0) < new.good_for <= LONGEST:
        raise InvalidAct(f"days: at most {LONGEST.days}; make a new token then")
    for permission in new.permissions:
        if permission not in PERMISSIONS:
            raise InvalidAct(f"permissions: there is no {permission!r}; docs/access.md lists them")
        if permission in NOT_BY_TOKEN:
            raise InvalidAct(f"permissions: {permission!r} makes rights, and is never a token's; leave it out")
    for site in new.sites:
        if site not in maker.sites:
            raise NotFound(f"sites: there is no site {site!r}")
        lacking = [each for each in (EDITING, *new.permissions) if not maker.may(each, site)]
        if lacking:
            raise NotYours(f"you may not do this at {site} yourself: {', '.join(lacking)}")
