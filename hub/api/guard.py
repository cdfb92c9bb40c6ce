"""Who asks: the session behind a cookie, what its role may do, which site is meant."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Path, Request, Response

from adapters.contract.topic import NAME
from hub.accounts.desk import ABSOLUTE_LIMIT, NotLoggedIn, OpenedSession, who_asks
from hub.api.context import Here
from hub.clock import utc_now
from hub.domain.error import HubError, NotFound
from hub.store.account import SessionRow
from hub.store.database import borrow
from hub.store.view import SiteWords

COOKIE: Final = "sanfang_session"


class NotAllowed(HubError):
    """The role of this account may not do this."""

    status = 403
    code = "not_allowed"


def _session(request: Request, here: Here) -> SessionRow:
    token = request.cookies.get(COOKIE)
    if not token:
        raise NotLoggedIn("log in")
    return who_asks(here.pool, token, utc_now())


Asker = Annotated[SessionRow, Depends(_session)]


def _administrator(asker: Asker) -> SessionRow:
    if asker.role != "administrator":
        raise NotAllowed("only an administrator may do this")
    return asker


Administrator = Annotated[SessionRow, Depends(_administrator)]


def _site(_asker: Asker, here: Here, site: Annotated[str, Path(max_length=63)]) -> SiteWords:
    # The session comes first: a stranger does not learn which sites there are.
    if not NAME.fullmatch(site):
        raise NotFound("there is no such site")
    with borrow(here.pool, [site]) as connection:
        return here.names.get(connection, site)


AtSite = Annotated[SiteWords, Depends(_site)]


def set_cookie(response: Response, request: Request, opened: OpenedSession) -> None:
    """Hand the session to the browser: out of reach of scripts and of other sites' pages."""
    response.set_cookie(
        COOKIE,
        opened.token,
        max_age=int(ABSOLUTE_LIMIT.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def address_of(request: Request) -> str:
    """Where a request comes from. X-Forwarded-For is not believed: no proxy is configured."""
    return request.client.host if request.client else "unknown"
