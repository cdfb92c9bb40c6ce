"""The register of accounts, for those who administer them: list, invite, disable, enable, give, withdraw."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from hub.accounts.authority import administrators, may_change, may_give, seen
from hub.accounts.invitation import LOGIN_NAME, Invitation, make_invitation
from hub.accounts.record import Record, describe_grant, recording
from hub.domain.error import ActRefused, HubError, InvalidAct, NotFound
from hub.domain.permission import Access, Grant
from hub.store.account import add_account, add_grant, end_sessions, list_sessions
from hub.store.area import NO_SITE
from hub.store.database import Pool, Row, borrow
from hub.store.factor import remove_factors
from hub.store.right import (
    AccountRow,
    list_accounts,
    lock_rights,
    name_is_taken,
    remove_grant,
    remove_invitation,
    set_disabled,
)


class NotYours(HubError):
    """You may not change this account, or not give this right."""

    status = 403
    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Whom to invite, and to what."""

    name: str
    display_name: str
    grants: tuple[Grant, ...]


def list_seen(pool: Pool, viewer: Access) -> list[AccountRow]:
    """The accounts that reach into the viewer's area, each with only those of its grants that do."""
    with borrow(pool, NO_SITE) as connection:
        rows = list_accounts(connection)
    return [row for row in (_as_seen(viewer, each) for each in rows) if row is not None]


def find_seen(pool: Pool, viewer: Access, account: str) -> AccountRow:
    """One of them; raises NotFound, also for one that is not the viewer's to see."""
    with borrow(pool, NO_SITE) as connection:
        return _find(viewer, list_accounts(connection, [account]))


def sessions_seen(pool: Pool, viewer: Access, account: str, now: datetime) -> list[Row]:
    """The open sessions of such an account; raises NotFound, and NotYours where it has rights elsewhere."""
    with borrow(pool, NO_SITE) as connection:
        rows = list_accounts(connection, [account])
        if not _find(viewer, rows).whole:
            raise NotYours("this account has rights outside your area; ask who administers it")
        return list_sessions(connection, account, now)


def invite_account(pool: Pool, actor: Access, new: NewAccount, now: datetime) -> Invitation:
    """Make an account without a password and a link with which it gets one. Raises InvalidAct, NotYours,
    ActRefused.
    """
    if not LOGIN_NAME.match(new.name):
        raise InvalidAct("name: use 2 to 64 letters, digits, . _ @ -")
    if not new.grants:
        raise InvalidAct("grants: are missing; say which role, and where")
    for grant in new.grants:
        check_grant(actor, grant)
    account = f"a-{secrets.token_hex(8)}"
    with recording(pool, account, now, _reach(actor, new.grants)) as record:
        lock_rights(record.connection)
        if name_is_taken(record.connection, new.name):
            raise ActRefused(f"name: {new.name!r} is another account's; choose another")
        add_account(
            record.connection,
            {
                "account": account,
                "name": new.name,
                "display_name": new.display_name,
                "password_hash": None,
                "created_at": now,
            },
        )
        for grant in new.grants:
            add_grant(record.connection, account, grant, actor=actor.account, at=now)
        grants = [describe_grant(grant) for grant in new.grants]
        record.write(actor.account, account, "account.invited", {"grants": grants})
        return make_invitation(record, account, actor.account)


def invite_again(pool: Pool, actor: Access, account: str, now: datetime) -> Invitation:
    """A new link for somebody who lost his, or his password; the present password works until it is used."""
    with _changing(pool, actor, account, now) as (record, row):
        if row.disabled_at is not None:
            raise ActRefused("the account is disabled; enable it first")
        record.write(actor.account, account, "account.invited", {"again": True})
        return make_invitation(record, account, actor.account)


def disable_account(pool: Pool, actor: Access, account: str, now: datetime) -> None:
    """It logs in no more; its sessions, tokens and phones end, its grants stay for the day it is enabled."""
    with _changing(pool, actor, account, now) as (record, row):
        if row.disabled_at is not None:
            raise ActRefused("the account is disabled already")
        _keep_administrator(record, account, lambda each: replace(each, disabled_at=now))
        set_disabled(record.connection, account, now)
        remove_invitation(record.connection, account)
        ended = end_sessions(record.connection, account, now)
        record.write(actor.account, account, "account.disabled", {"sessions_ended": ended})


def enable_account(pool: Pool, actor: Access, account: str, now: datetime) -> None:
    """It may log in again, with the password and the grants it had."""
    with _changing(pool, actor, account, now) as (record, row):
        if row.disabled_at is None:
            raise ActRefused("the account is not disabled")
        set_disabled(record.connection, account, None)
        record.write(actor.account, account, "account.enabled", {})


def end_account_sessions(
    pool: Pool, actor: Access, account: str, now: datetime, only: bytes | None = None
) -> int:
    """End all sessions of an account, or the one whose hash begins so; returns how many were open."""
    with _changing(pool, actor, account, now) as (record, _row):
        ended = end_sessions(record.connection, account, now, only=only)
        if ended:
            record.write(actor.account, account, "session.ended", {"sessions_ended": ended})
    return ended


def reset_factors(pool: Pool, actor: Access, account: str, now: datetime) -> None:
    """For somebody who lost his phone and his codes: his second factors go, and his sessions end."""
    with _changing(pool, actor, account, now) as (record, _row):
        if not remove_factors(record.connection, account):
            raise ActRefused("the account has no second factor")
        end_sessions(record.connection, account, now)
        record.write(actor.account, account, "account.factor_removed", {"factor": "all"})


def give_grant(pool: Pool, actor: Access, account: str, grant: Grant, now: datetime) -> None:
    """Give a role where the actor has all of it himself. Raises NotFound, NotYours, ActRefused."""
    check_grant(actor, grant)
    _refuse_own(actor, account)
    with recording(pool, account, now, _reach(actor, (grant,))) as record:
        lock_rights(record.connection)
        # Whom he sees he may give a right over what is his, also somebody with rights elsewhere.
        _find(actor, list_accounts(record.connection, [account]))
        if not add_grant(record.connection, account, grant, actor=actor.account, at=now):
            raise ActRefused("the account has this role there already")
        record.write(actor.account, account, "account.granted", describe_grant(grant))


def withdraw_grant(pool: Pool, actor: Access, account: str, grant: Grant, now: datetime) -> None:
    """Take a role away that the actor could have given. Raises NotFound, NotYours, ActRefused."""
    # Also one at a site that the hub no longer has.
    if grant.site is not None and grant.site not in actor.sites and not may_give(actor, grant):
        raise NotFound("site: there is no such site")
    _check_giving(actor, grant)
    _refuse_own(actor, account)
    with recording(pool, account, now, _reach(actor, (grant,))) as record:
        lock_rights(record.connection)
        _find(actor, list_accounts(record.connection, [account]))
        _keep_administrator(record, account, lambda row: _without(row, grant))
        if not remove_grant(record.connection, account, grant):
            raise ActRefused("the account does not have exactly this role there")
        record.write(actor.account, account, "account.withdrawn", describe_grant(grant))


def check_grant(actor: Access, grant: Grant) -> None:
    """Raises InvalidAct, NotFound or NotYours where the actor may not give or take this."""
    if grant.site is not None and grant.site not in actor.sites:
        raise NotFound("site: there is no such site")
    _check_giving(actor, grant)


def _check_giving(actor: Access, grant: Grant) -> None:
    if grant.site is not None and grant.area:
        raise InvalidAct("area: stands beside a site; a grant is at one site or over an area")
    if not may_give(actor, grant):
        raise NotYours(
            "you do not have all of this role over all of that area yourself; nobody gives more than he has"
        )


@contextmanager
def _changing(pool: Pool, actor: Access, account: str, now: datetime) -> Iterator[tuple[Record, AccountRow]]:
    """A turn in which somebody else's account is changed; raises NotFound, NotYours, ActRefused."""
    _refuse_own(actor, account)
    find_seen(pool, actor, account)
    with recording(pool, account, now) as record:
        lock_rights(record.connection)
        rows = list_accounts(record.connection, [account])
        _find(actor, rows)
        if not may_change(actor, rows[0].grants):
            raise NotYours("this account has rights that you could not have given; ask who administers them")
        yield record, rows[0]


def _refuse_own(actor: Access, account: str) -> None:
    if account == actor.account:
        raise ActRefused("this is your own account; another administrator must do that")


def _find(viewer: Access, rows: list[AccountRow]) -> AccountRow:
    found = _as_seen(viewer, rows[0]) if rows else None
    if found is None:
        raise NotFound("there is no such account")
    return found


def _as_seen(viewer: Access, row: AccountRow) -> AccountRow | None:
    if not row.given and may_change(viewer, ()):
        return row
    visible = seen(viewer, row.grants)
    if not visible:
        return None
    given = tuple(each for each in row.given if each.grant in visible)
    return replace(row, given=given, whole=len(given) == len(row.given))


def _reach(actor: Access, grants: Iterable[Grant]) -> set[str]:
    """The sites that these grants cover: whose journals tell of them."""
    held = tuple(grants)
    return {site for site, area in actor.places.items() if any(grant.covers(site, area) for grant in held)}


def _without(row: AccountRow, grant: Grant) -> AccountRow:
    return replace(row, given=tuple(each for each in row.given if each.grant != grant))


def _keep_administrator(record: Record, account: str, change: Callable[[AccountRow], AccountRow]) -> None:
    """Raises ActRefused where the change would leave nobody who administers the whole hub and can log in."""
    rows = [change(row) if row.account == account else row for row in list_accounts(record.connection)]
    able = {row.account: row.grants for row in rows if row.disabled_at is None and row.has_password}
    if not administrators(able):
        raise ActRefused("this is the last administrator of the whole hub; make another first")
