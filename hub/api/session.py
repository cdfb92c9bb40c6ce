"""Set-up, log-in, log-out, and who one is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from hub.accounts.desk import FirstAdministrator, OpenedSession, Place, log_in, log_out, set_up
from hub.api.act import Body, Line
from hub.api.compose import text_of
from hub.api.context import Context, Here
from hub.api.fault import ACT_FAULTS, FAULTS, TOO_MANY
from hub.api.guard import COOKIE, Asker, Password, address_of, everybody, set_cookie, signed_in
from hub.api.views import SiteName, View
from hub.clock import utc_now
from hub.domain.permission import ROLES, Role
from hub.store.account import SessionRow, has_accounts
from hub.store.area import NO_SITE
from hub.store.database import borrow
from hub.store.view import site_names

router = APIRouter(prefix="/api/v1", tags=["session"])


class SiteAccess(SiteName):
    roles: list[Role]


class SessionView(View):
    account: str
    name: str
    display_name: str
    station: str
    roles: dict[Role, list[str]]
    """Each role held anywhere, with its permissions."""
    sites: list[SiteAccess]


class SetupState(View):
    needed: bool


class SetupBody(Body):
    token: Annotated[str, Field(min_length=1, max_length=200)]
    name: Line
    display_name: Annotated[Line, Field(min_length=1)]
    password: Password
    station: Line = ""


class LoginBody(Body):
    name: Line
    password: Password
    station: Line = ""


@router.get("/setup", operation_id="getSetup", dependencies=[everybody("the log-in page asks it")])
def get_setup(here: Here) -> SetupState:
    """Whether the first administrator is still to be made."""
    with borrow(here.pool, NO_SITE) as connection:
        return SetupState(needed=not has_accounts(connection))


@router.post(
    "/setup",
    operation_id="setUp",
    dependencies=[everybody("proves itself by the set-up token")],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_setup(body: SetupBody, request: Request, response: Response, here: Here) -> SessionView:
    """Make the first administrator with the one-time token, and log in."""
    first = FirstAdministrator(
        body.token.strip(), body.name, body.display_name, body.password.get_secret_value()
    )
    opened = set_up(here.pool, first, Place(address_of(request), body.station), utc_now())
    return _enter(here, request, response, opened)


@router.post(
    "/session",
    operation_id="logIn",
    dependencies=[everybody("is how one logs in")],
    responses={**FAULTS, **TOO_MANY},
)
def post_session(body: LoginBody, request: Request, response: Response, here: Here) -> SessionView:
    """Log in."""
    place = Place(address_of(request), body.station)
    opened = log_in(here.pool, body.name, body.password.get_secret_value(), place, utc_now())
    return _enter(here, request, response, opened)


@router.get("/session", operation_id="getSession", dependencies=[signed_in], responses=FAULTS)
def get_session(here: Here, asker: Asker) -> SessionView:
    """Who one is, and which sites one may see."""
    return _session_view(here, asker)


@router.delete("/session", operation_id="logOut", dependencies=[signed_in], status_code=204, responses=FAULTS)
def delete_session(here: Here, asker: Asker, response: Response) -> None:
    """Log out; the session's live streams end at once."""
    log_out(here.pool, asker, utc_now())
    here.live.audience.call(lambda: here.live.audience.close_session(asker.session_hash))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _enter(here: Context, request: Request, response: Response, opened: OpenedSession) -> SessionView:
    set_cookie(response, request, opened)
    return _session_view(here, opened.row)


def _session_view(here: Context, row: SessionRow) -> SessionView:
    access = row.access
    with borrow(here.pool, sorted(access.sites)) as connection:
        names = site_names(connection, access.sites)
    return SessionView(
        account=row.account,
        name=row.name,
        display_name=row.display_name,
        station=row.station,
        roles={role: sorted(ROLES[role]) for role in sorted({grant.role for grant in access.grants})},
        sites=[
            SiteAccess(
                site=each["site"],
                name=text_of(each["name"], each["site"]),
                roles=sorted(access.roles(each["site"])),
            )
            for each in names
        ],
    )
