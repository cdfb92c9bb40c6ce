"""Set-up, log-in, log-out, and who one is."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from hub.accounts.desk import (
    AwaitedFactor,
    FirstAdministrator,
    OpenedSession,
    Place,
    log_in,
    log_out,
    set_up,
)
from hub.accounts.factor import show_code, show_recovery_code
from hub.accounts.passkey import ask_passkey, show_passkey
from hub.accounts.vault import Vault
from hub.api.act import Body, Line
from hub.api.compose import text_of
from hub.api.context import Context, Here
from hub.api.factor import AskedView
from hub.api.fault import ACT_FAULTS, FAULTS, TOO_MANY
from hub.api.guard import (
    COOKIE,
    Asker,
    Password,
    address_of,
    everybody,
    party_of,
    set_cookie,
    signed_in,
    token_of,
)
from hub.api.views import SiteName, View
from hub.clock import utc_now
from hub.domain.permission import ROLES, SECOND_FACTOR, Role
from hub.store.account import SessionRow, has_accounts
from hub.store.area import NO_SITE
from hub.store.browser import KNOWN_FOR
from hub.store.database import borrow
from hub.store.factor import factors_of
from hub.store.view import site_names

router = APIRouter(prefix="/api/v1", tags=["session"])
BROWSER_COOKIE: Final = "sanfang_browser"
"""By which a browser is known again that logged in here before; it opens nothing."""
_KNOWN: Final = re.compile(r"^[\w-]{32}$")


class SiteAccess(SiteName):
    roles: list[Role]


class SecondFactorView(View):
    """`state`: `awaited`: the log-in's second step is to come, and nothing else works until then; `shown`;
    `needed`: a role may change rules or rights, and may not before a factor is shown (`methods`: by which) or
    enrolled (no methods); `not_needed`.
    """

    state: Literal["awaited", "shown", "needed", "not_needed"]
    methods: list[Literal["totp", "passkey", "recovery"]]


class SessionView(View):
    """While the second factor is awaited, there are no roles and no sites yet."""

    account: str
    name: str
    display_name: str
    station: str
    roles: dict[Role, list[str]]
    """Each role held anywhere, with its permissions."""
    sites: list[SiteAccess]
    second_factor: SecondFactorView


class SetupState(View):
    needed: bool


class SetupBody(Body):
    token: Annotated[str, Field(min_length=1, max_length=200)]
    name: Line
    display_name: Annotated[Line, Field(min_length=1)]
    password: Password
    station: Line = ""


class CodeBody(Body):
    code: Annotated[Line, Field(min_length=1)]


class CredentialBody(Body):
    """The browser's answer, `toJSON()`."""

    credential: dict[str, Any]


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
    place = place_of(request, body.station)
    return _enter(here, request, response, set_up(here.pool, first, place, utc_now()), place)


@router.post(
    "/session",
    operation_id="logIn",
    dependencies=[everybody("is how one logs in")],
    responses={**FAULTS, **TOO_MANY},
)
def post_session(body: LoginBody, request: Request, response: Response, here: Here) -> SessionView:
    """Log in. For an account with a second factor `second_factor.state` is `awaited` then: go on with
    `/session/totp`, `/session/passkey` or `/session/recovery`, within five minutes.
    """
    place = place_of(request, body.station)
    opened = log_in(here.pool, body.name, body.password.get_secret_value(), place, utc_now())
    return _enter(here, request, response, opened, place)


@router.get("/session", operation_id="getSession", dependencies=[signed_in], responses=FAULTS)
def get_session(here: Here, asker: Asker) -> SessionView:
    """Who one is, and which sites one may see."""
    return session_view(here, asker)


@router.delete("/session", operation_id="logOut", dependencies=[signed_in], status_code=204, responses=FAULTS)
def delete_session(here: Here, asker: Asker, response: Response) -> None:
    """Log out; the session's live streams end at once."""
    log_out(here.pool, asker, utc_now())
    here.live.audience.call(lambda: here.live.audience.close_session(asker.session_hash))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.post(
    "/session/totp",
    operation_id="showCode",
    dependencies=[everybody("is the second step of a log-in; proves itself by the waiting session")],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_session_totp(body: CodeBody, request: Request, response: Response, here: Here) -> SessionView:
    """The second step with the authenticator's code; also for a session that is open and has not shown it."""
    place = place_of(request)
    opened = show_code(here.pool, Vault(here.settings.data_dir), token_of(request), body.code, place, utc_now())
    return _enter(here, request, response, opened, place)


@router.post(
    "/session/recovery",
    operation_id="showRecoveryCode",
    dependencies=[everybody("is the second step of a log-in; proves itself by the waiting session")],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_session_recovery(body: CodeBody, request: Request, response: Response, here: Here) -> SessionView:
    """The second step with a recovery code, which is gone then."""
    place = place_of(request)
    opened = show_recovery_code(here.pool, token_of(request), body.code, place, utc_now())
    return _enter(here, request, response, opened, place)


@router.post(
    "/session/passkey/begin",
    operation_id="askPasskey",
    dependencies=[everybody("is the second step of a log-in; proves itself by the waiting session")],
    responses=ACT_FAULTS,
)
def post_session_passkey_begin(request: Request, here: Here) -> AskedView:
    """What to hand to `navigator.credentials.get`."""
    return AskedView(options=ask_passkey(here.pool, token_of(request), party_of(request), utc_now()))


@router.post(
    "/session/passkey",
    operation_id="showPasskey",
    dependencies=[everybody("is the second step of a log-in; proves itself by the waiting session")],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_session_passkey(body: CredentialBody, request: Request, response: Response, here: Here) -> SessionView:
    """The second step with a passkey."""
    place = place_of(request)
    opened = show_passkey(here.pool, token_of(request), body.credential, party_of(request), place, utc_now())
    return _enter(here, request, response, opened, place)


def place_of(request: Request, station: str = "") -> Place:
    """Where a log-in comes from, and the browser as it is known here, or to be known."""
    known = request.cookies.get(BROWSER_COOKIE, "")
    return Place(address_of(request), station, known if _KNOWN.match(known) else secrets.token_urlsafe(24))


def _enter(
    here: Context,
    request: Request,
    response: Response,
    opened: OpenedSession | AwaitedFactor,
    place: Place,
) -> SessionView:
    set_cookie(response, request, opened.token)
    if isinstance(opened, OpenedSession):
        set_cookie(response, request, place.browser, KNOWN_FOR, BROWSER_COOKIE)
        return session_view(here, opened.row)
    return SessionView(
        account=opened.account,
        name="",
        display_name="",
        station="",
        roles={},
        sites=[],
        second_factor=SecondFactorView.model_validate({"state": "awaited", "methods": list(opened.methods)}),
    )


def session_view(here: Context, row: SessionRow) -> SessionView:
    """A session as its own client sees it."""
    access = row.access
    with borrow(here.pool, sorted(access.sites)) as connection:
        names = site_names(connection, access.sites)
        methods = factors_of(connection, row.account)
    needs = bool(methods) or any(access.may_somewhere(permission) for permission in SECOND_FACTOR)
    scope = access.scope
    state = "shown" if row.proven else "needed" if needs else "not_needed"
    return SessionView(
        account=row.account,
        name=row.name,
        display_name=row.display_name,
        station=row.station,
        roles={
            role: sorted(ROLES[role] if scope is None else ROLES[role] & scope)
            for role in sorted({grant.role for grant in access.grants})
        },
        sites=[
            SiteAccess(
                site=each["site"],
                name=text_of(each["name"], each["site"]),
                roles=sorted(access.roles(each["site"])),
            )
            for each in names
        ],
        second_factor=SecondFactorView.model_validate({"state": state, "methods": list(methods)}),
    )
