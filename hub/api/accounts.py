"""Accounts over HTTP, for those who administer them: list, invite, disable, grants, sessions.

An administrator sees the accounts that reach into his area, and of each only the grants that do. He gives and
takes what he has himself, everywhere that he has it; never from himself. Every change needs a second factor.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path
from pydantic import Field, model_validator

from hub.accounts.authority import may_change, may_give
from hub.accounts.invitation import Invitation
from hub.accounts.register import (
    NewAccount,
    disable_account,
    enable_account,
    end_account_sessions,
    find_seen,
    give_grant,
    invite_account,
    invite_again,
    list_seen,
    reset_factors,
    sessions_seen,
    withdraw_grant,
)
from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS
from hub.api.guard import Asker, may_somewhere
from hub.api.own import SessionEnd, SessionList, SessionsEnded, session_items, session_prefix
from hub.api.views import Moment, View
from hub.clock import utc_now
from hub.domain.permission import Grant, Role
from hub.store.account import SessionRow
from hub.store.right import AccountRow

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])
AccountId = Annotated[str, Path(min_length=1, max_length=63)]


class GrantView(View):
    """A role at one `site`, over an `area` (city, county), or everywhere (`site` null, `area` empty).

    `yours`: whether you may give and take it.
    """

    role: Role
    site: str | None
    area: list[str]
    granted_by: str
    granted_at: Moment
    yours: bool


class AccountItem(View):
    """`state`: invited (no password yet), active, disabled. `invited_until`: a link is out, and until when it
    works. `yours`: whether you may change the account itself: disable it, invite it anew, end its sessions.
    """

    account: str
    name: str
    display_name: str
    state: Literal["invited", "active", "disabled"]
    created_at: Moment
    disabled_at: Moment | None
    invited_until: Moment | None
    used_at: Moment | None
    second_factors: list[str]
    grants: list[GrantView]
    own: bool
    yours: bool


class AccountList(View):
    accounts: list[AccountItem]


class InvitationView(View):
    """`token` is shown once: give the person the link with it."""

    account: str
    token: str
    expires_at: Moment


class GrantBody(Body):
    """At one site, or over an area: [] everywhere, [city], [city, county]."""

    role: Role
    site: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    area: Annotated[tuple[Annotated[Line, Field(min_length=1)], ...], Field(max_length=3)] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.site is not None and self.area:
            raise ValueError("area: stands beside a site; a grant is at one site or over an area")
        return self

    @property
    def grant(self) -> Grant:
        return Grant(self.role, self.site, self.area)


class AccountBody(Body):
    name: Line
    display_name: Annotated[Line, Field(min_length=1)]
    grants: Annotated[tuple[GrantBody, ...], Field(min_length=1, max_length=50)]


@router.get("", operation_id="listAccounts", dependencies=[may_somewhere("account.read")], responses=ACT_FAULTS)
def get_accounts(here: Here, asker: Asker) -> AccountList:
    """The accounts that have a right in your area, by name."""
    return AccountList(accounts=[_item(asker, row) for row in list_seen(here.pool, asker.access)])


@router.post(
    "",
    operation_id="inviteAccount",
    dependencies=[may_somewhere("account.edit")],
    status_code=201,
    responses=ACT_FAULTS,
)
def post_account(body: AccountBody, here: Here, asker: Asker) -> InvitationView:
    """Make an account; the answer's token is the link with which its person sets a password, once."""
    new = NewAccount(body.name, body.display_name, tuple(each.grant for each in body.grants))
    return _invitation(invite_account(here.pool, asker.access, new, utc_now()))


@router.get(
    "/{account}",
    operation_id="getAccount",
    dependencies=[may_somewhere("account.read")],
    responses=ACT_FAULTS,
)
def get_account(account: AccountId, here: Here, asker: Asker) -> AccountItem:
    """One account."""
    return _read(here, asker, account)


@router.post(
    "/{account}/invite",
    operation_id="inviteAccountAgain",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_invite(account: AccountId, here: Here, asker: Asker) -> InvitationView:
    """A new link for whoever lost the first one, or the password. The link before no longer works."""
    return _invitation(invite_again(here.pool, asker.access, account, utc_now()))


@router.post(
    "/{account}/disable",
    operation_id="disableAccount",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_disable(account: AccountId, here: Here, asker: Asker) -> AccountItem:
    """It logs in no more, and its sessions, tokens and phones end at once. Never one's own, never the last
    administrator's.
    """
    disable_account(here.pool, asker.access, account, utc_now())
    return _read(here, asker, account)


@router.post(
    "/{account}/enable",
    operation_id="enableAccount",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_enable(account: AccountId, here: Here, asker: Asker) -> AccountItem:
    """It may log in again, with the password and the grants that it had."""
    enable_account(here.pool, asker.access, account, utc_now())
    return _read(here, asker, account)


@router.post(
    "/{account}/factors/reset",
    operation_id="resetFactors",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_factors_reset(account: AccountId, here: Here, asker: Asker) -> AccountItem:
    """Take the second factors of somebody away who lost them; his sessions end, his password stays."""
    reset_factors(here.pool, asker.access, account, utc_now())
    return _read(here, asker, account)


@router.post(
    "/{account}/grants",
    operation_id="giveGrant",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_grant(account: AccountId, body: GrantBody, here: Here, asker: Asker) -> AccountItem:
    """Give a role: all of it must be yours, over all of that area."""
    give_grant(here.pool, asker.access, account, body.grant, utc_now())
    return _read(here, asker, account)


@router.post(
    "/{account}/grants/withdraw",
    operation_id="withdrawGrant",
    dependencies=[may_somewhere("account.edit")],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_withdrawal(account: AccountId, body: GrantBody, here: Here, asker: Asker) -> None:
    """Take a role away that you could have given. The account may leave your sight with it."""
    withdraw_grant(here.pool, asker.access, account, body.grant, utc_now())


@router.get(
    "/{account}/sessions",
    operation_id="listAccountSessions",
    dependencies=[may_somewhere("account.read")],
    responses=ACT_FAULTS,
)
def get_sessions(account: AccountId, here: Here, asker: Asker) -> SessionList:
    """Where an account is logged in now."""
    rows = sessions_seen(here.pool, asker.access, account, utc_now())
    return SessionList(sessions=session_items(rows, asker.session_hash))


@router.post(
    "/{account}/sessions/end",
    operation_id="endAccountSessions",
    dependencies=[may_somewhere("account.edit")],
    responses=ACT_FAULTS,
)
def post_sessions_end(account: AccountId, body: SessionEnd, here: Here, asker: Asker) -> SessionsEnded:
    """End one session of somebody, or all."""
    only = session_prefix(body.session)
    return SessionsEnded(ended=end_account_sessions(here.pool, asker.access, account, utc_now(), only))


def _read(here: Here, asker: SessionRow, account: str) -> AccountItem:
    return _item(asker, find_seen(here.pool, asker.access, account))


def _invitation(made: Invitation) -> InvitationView:
    return InvitationView(account=made.account, token=made.token, expires_at=made.expires_at)


def _item(asker: SessionRow, row: AccountRow) -> AccountItem:
    state: Literal["invited", "active", "disabled"] = "active" if row.has_password else "invited"
    own = row.account == asker.account
    return AccountItem(
        account=row.account,
        name=row.name,
        display_name=row.display_name,
        state="disabled" if row.disabled_at is not None else state,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        invited_until=row.invited_until,
        used_at=row.used_at,
        second_factors=list(row.second_factors),
        grants=[
            GrantView(
                role=each.grant.role,
                site=each.grant.site,
                area=list(each.grant.area),
                granted_by=each.granted_by,
                granted_at=each.granted_at,
                yours=not own and may_give(asker.access, each.grant),
            )
            for each in row.given
        ],
        own=own,
        yours=not own and row.whole and may_change(asker.access, row.grants),
    )
