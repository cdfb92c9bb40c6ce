"""One's own account over HTTP: the link of an invitation, the password, where one is logged in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from hub.accounts.invitation import accept_invitation, read_invitation
from hub.accounts.own import change_password, end_own_sessions, own_sessions
from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS, TOO_MANY
from hub.api.guard import COOKIE, Asker, Password, everybody, in_person
from hub.api.views import Moment, View
from hub.clock import utc_now
from hub.store.database import Row

router = APIRouter(prefix="/api/v1", tags=["own account"])
_ID_BYTES = 8
Token = Annotated[Line, Field(min_length=1)]


class InvitedView(View):
    """Whom the link invites."""

    name: str
    display_name: str
    expires_at: Moment


class SessionItem(View):
    """`session` names it for ending; `proven`: a second factor was shown; `phone`: the enrolled phone."""

    session: str
    station: str
    address: str
    opened_at: Moment
    used_at: Moment
    expires_at: Moment
    proven: bool
    phone: str | None
    this: bool


class SessionList(View):
    sessions: list[SessionItem]


class SessionsEnded(View):
    """How many were open."""

    ended: int


class InvitationBody(Body):
    token: Token


class AcceptBody(Body):
    token: Token
    password: Password


class PasswordBody(Body):
    present: Password
    new: Password


class SessionEnd(Body):
    """One session as the list names it; null: all."""

    session: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None


class OwnSessionEnd(SessionEnd):
    """`others`: all but this one."""

    others: bool = False


@router.post(
    "/invitation/read",
    operation_id="readInvitation",
    dependencies=[everybody("proves itself by the link's token")],
    responses=FAULTS,
)
def post_invitation_read(body: InvitationBody, here: Here) -> InvitedView:
    """Whom a link invites; the token goes in the body, so that it stands in no log."""
    invited = read_invitation(here.pool, body.token, utc_now())
    return InvitedView(name=invited.name, display_name=invited.display_name, expires_at=invited.expires_at)


@router.post(
    "/invitation/accept",
    operation_id="acceptInvitation",
    dependencies=[everybody("proves itself by the link's token")],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_invitation_accept(body: AcceptBody, here: Here) -> None:
    """Set the password; the link is used up, and one logs in with the password then."""
    accept_invitation(here.pool, body.token, body.password.get_secret_value(), utc_now())


@router.post(
    "/account/password",
    operation_id="changePassword",
    dependencies=[in_person],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_password(body: PasswordBody, here: Here, asker: Asker) -> SessionsEnded:
    """Set another password; every other session of yours ends, phones' too."""
    present, new = body.present.get_secret_value(), body.new.get_secret_value()
    return SessionsEnded(ended=change_password(here.pool, asker, present, new, utc_now()))


@router.get("/account/sessions", operation_id="listOwnSessions", dependencies=[in_person], responses=ACT_FAULTS)
def get_sessions(here: Here, asker: Asker) -> SessionList:
    """Where you are logged in, the newest first."""
    rows = own_sessions(here.pool, asker, utc_now())
    return SessionList(sessions=session_items(rows, asker.session_hash))


@router.post(
    "/account/sessions/end",
    operation_id="endOwnSessions",
    dependencies=[in_person],
    responses=ACT_FAULTS,
)
def post_sessions_end(body: OwnSessionEnd, here: Here, asker: Asker, response: Response) -> SessionsEnded:
    """Log out everywhere: one session, all others, or all with this one."""
    only = session_prefix(body.session)
    ended = end_own_sessions(here.pool, asker, utc_now(), only=only, but_this=body.others)
    if only is None and not body.others:
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return SessionsEnded(ended=ended)


def session_items(rows: Iterable[Row], this: bytes) -> list[SessionItem]:
    """Sessions as they are shown: by the first bytes of their hash, which open nothing."""
    return [
        SessionItem(
            session=bytes(row["session_hash"])[:_ID_BYTES].hex(),
            station=row["station"],
            address=row["address"],
            opened_at=row["created_at"],
            used_at=row["used_at"],
            expires_at=row["expires_at"],
            proven=row["proven_at"] is not None,
            phone=row["phone"],
            this=bytes(row["session_hash"]) == this,
        )
        for row in rows
    ]


def session_prefix(session: str | None) -> bytes | None:
    """The first bytes of the hash of the session that is meant."""
    return None if session is None else bytes.fromhex(session)
