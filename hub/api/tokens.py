"""API tokens over HTTP: made, shown once, listed, revoked.

A program sends one as `Authorization: Bearer sft_…`, without cookies and without the `X-Sanfang` header.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from hub.accounts.token import LONGEST, NewToken, make_token, revoke, tokens_seen
from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS
from hub.api.guard import Asker, may_somewhere
from hub.api.views import Moment, Text, View
from hub.clock import utc_now
from hub.domain.permission import NOT_BY_TOKEN, PERMISSIONS

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])


class TokenItem(View):
    """`account` made it, and it never may more than he may now. `used_at` is to the minute."""

    token: str
    name: str
    account: str
    permissions: list[str]
    sites: list[str]
    made_at: Moment
    expires_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None
    revoked_by: str | None
    own: bool


class OfferView(View):
    """A permission that you may give a token."""

    permission: str
    name: Text


class TokenList(View):
    tokens: list[TokenItem]
    offered: list[OfferView]


class MadeView(View):
    """`secret` is shown once."""

    token: str
    secret: str
    expires_at: Moment


class TokenBody(Body):
    name: Annotated[Line, Field(min_length=1)]
    permissions: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)]
    sites: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=63)], ...], Field(min_length=1, max_length=1000)
    ]
    days: Annotated[int, Field(ge=1, le=LONGEST.days)] = 90


@router.get("", operation_id="listTokens", dependencies=[may_somewhere("token.edit")], responses=ACT_FAULTS)
def get_tokens(here: Here, asker: Asker) -> TokenList:
    """Your tokens, and those of others for the sites where you may make such; the newest first."""
    rows = tokens_seen(here.pool, asker.access)
    return TokenList(
        tokens=[TokenItem(**row, own=row["account"] == asker.account) for row in rows],
        offered=[
            OfferView(permission=permission, name=Text(zh=zh, en=en))
            for permission, (zh, en) in PERMISSIONS.items()
            if permission not in NOT_BY_TOKEN and asker.access.may_somewhere(permission)
        ],
    )


@router.post(
    "",
    operation_id="makeToken",
    dependencies=[may_somewhere("token.edit")],
    status_code=201,
    responses=ACT_FAULTS,
)
def post_token(body: TokenBody, here: Here, asker: Asker) -> MadeView:
    """Make a token with some of your permissions at some of your sites; none that make rights."""
    new = NewToken(body.name, body.permissions, body.sites, timedelta(days=body.days))
    made = make_token(here.pool, asker, new, utc_now())
    return MadeView(token=made.token, secret=made.secret, expires_at=made.expires_at)


@router.post(
    "/{token}/revoke",
    operation_id="revokeToken",
    dependencies=[may_somewhere("token.edit")],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_revocation(token: Annotated[str, Path(min_length=1, max_length=63)], here: Here, asker: Asker) -> None:
    """Take a token back; it works no more at once, and its streams end within five seconds."""
    revoke(here.pool, asker, token, utc_now())
