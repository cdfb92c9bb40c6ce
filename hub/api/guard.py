"""Who asks, what he may do, which site is meant: what every route declares before it does anything.

**Each route names its permission** (`hub/domain/permission.py`), in its decorator:

    @router.get("", operation_id="listAlarms", responses=FAULTS, dependencies=[may("alarm.read")])
    def get_alarms(here: Here, words: AtSite) -> AlarmList: ...

- `may("noun.verb")`: for a path with `{site}`. Not logged in: 401; a site that there is not, or outside of
  one's area: 404, by the same code; inside it without the permission: 403.
- `may_somewhere("noun.verb")`: for a path without a site; somebody who has it at any site. The route then
  keeps to `asker.access.sites_where("noun.verb")`.
- `signed_in`: one's own session; no permission.
- `in_person`: one's own account (password, sessions, second factor): a person at a browser, no phone, no token.
- `everybody("why")`: no session at all.

`AtSite` gives the site's words, `Asker` the session (`.account`, `.station`, `.access`). Both may stand beside
the declaration; they are looked up once per request. What depends on the body is asked in the route:
`demand(asker, "incident.release", site)`. The words given to somebody without `person.names` there hold no
names of persons. A route without a declaration fails tests/unit/test_permission.py;
`declarations(application)` says what each one declared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Path, Request, Response
from pydantic import Field, SecretStr
from starlette.datastructures import Headers

from adapters.contract.topic import NAME
from hub.accounts.desk import ABSOLUTE_LIMIT, NotLoggedIn, who_asks
from hub.accounts.passkey import Party
from hub.accounts.password import MAX_LENGTH
from hub.accounts.token import who_comes
from hub.api.context import Here
from hub.clock import utc_now
from hub.domain.error import HubError, NotFound
from hub.domain.permission import PERMISSIONS, SECOND_FACTOR
from hub.store.account import SessionRow
from hub.store.database import borrow
from hub.store.view import SiteWords

COOKIE: Final = "sanfang_session"
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]


class NotAllowed(HubError):
    """The role of this account may not do this here."""

    status = 403
    code = "not_allowed"


class SecondFactorNeeded(HubError):
    """This changes rules or rights: only for a session that showed a second factor."""

    status = 403
    code = "second_factor_needed"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a route says of who may call it."""

    kind: Literal["site", "somewhere", "signed_in", "in_person", "everybody"]
    word: str
    """The permission; for `everybody` the reason."""


_DECLARED: Final[dict[Callable[..., Any], Declared]] = {}


def token_of(request: Request) -> str:
    """The session's token in the cookie; raises NotLoggedIn."""
    token = request.cookies.get(COOKIE)
    if not token or bearer_of(request.headers) is not None:
        raise NotLoggedIn("log in")
    return token


def bearer_of(headers: Headers) -> str | None:
    """The API token that a request carries; with one, no cookie counts."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _session(request: Request, here: Here) -> SessionRow:
    token = bearer_of(request.headers)
    if token is not None:
        return who_comes(here.pool, token, utc_now())
    return who_asks(here.pool, token_of(request), utc_now())


Asker = Annotated[SessionRow, Depends(_session)]


def _site(asker: Asker, here: Here, site: Annotated[str, Path(max_length=63)]) -> SiteWords:
    # The session comes first: a stranger does not learn which sites there are. A site of another area is not
    # looked up at all: it takes the way of one that does not exist.
    if not NAME.fullmatch(site) or site not in asker.access.sites:
        raise NotFound("there is no such site")
    with borrow(here.pool, [site]) as connection:
        words = here.names.get(connection, site)
    if asker.access.may("person.names", site):
        return words
    return replace(words, persons={}, accounts={})


AtSite = Annotated[SiteWords, Depends(_site)]


def demand(asker: SessionRow, permission: str, site: str) -> None:
    """Go on only where the asker may do that at the site; raises NotAllowed, SecondFactorNeeded."""
    if not asker.access.may(permission, site):
        raise NotAllowed(f"your role here may not do this ({permission}: {PERMISSIONS[permission][1]})")
    demand_proof(asker, permission)


def demand_proof(asker: SessionRow, permission: str) -> None:
    """Go on only where the permission needs no second factor, or the session showed one."""
    if permission in SECOND_FACTOR and not asker.proven:
        raise SecondFactorNeeded(
            "this needs a second factor: enrol an authenticator or a passkey in your own account"
        )


def may(permission: str) -> Any:
    """Declare: for those who have the permission at the `{site}` of the path."""
    PERMISSIONS[permission]

    def check(asker: Asker, words: AtSite) -> None:
        demand(asker, permission, words.site)

    return _declare(check, Declared("site", permission))


def may_somewhere(permission: str) -> Any:
    """Declare: for those who have the permission at any site, or over an area."""
    PERMISSIONS[permission]

    def check(asker: Asker) -> None:
        if not asker.access.may_somewhere(permission):
            raise NotAllowed(f"your role may not do this ({permission}: {PERMISSIONS[permission][1]})")
        demand_proof(asker, permission)

    return _declare(check, Declared("somewhere", permission))


def everybody(reason: str) -> Any:
    """Declare: for people and machines that are not logged in."""

    def check() -> None:
        return None

    return _declare(check, Declared("everybody", reason))


def _declare(check: Callable[..., None], declared: Declared) -> Any:
    _DECLARED[check] = declared
    return Depends(check)


def _check_signed_in(_asker: Asker) -> None:
    return None


signed_in: Final = _declare(_check_signed_in, Declared("signed_in", ""))
"""Declare: for whoever is logged in, about himself."""


def _check_in_person(asker: Asker) -> None:
    if asker.means != "browser":
        raise NotAllowed("this is done by the person at a browser, not with a token or a phone")


in_person: Final = _declare(_check_in_person, Declared("in_person", ""))
"""Declare: for a person about his own account."""


def declarations(application: FastAPI) -> dict[str, list[Declared]]:
    """What each operation of the description declares: exactly one thing, or a test fails."""
    found: dict[str, list[Declared]] = {}
    for route in application.routes:
        for each in getattr(route, "effective_route_contexts", tuple)():
            if each.include_in_schema:
                calls = [part.call for part in each.dependant.dependencies]
                found[each.operation_id] = [_DECLARED[call] for call in calls if call in _DECLARED]
    return found


def set_cookie(
    response: Response,
    request: Request,
    token: str,
    lasts: timedelta = ABSOLUTE_LIMIT,
    name: str = COOKIE,
) -> None:
    """Hand the session to the browser: out of reach of scripts and of other sites' pages."""
    response.set_cookie(
        name,
        token,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def party_of(request: Request) -> Party:
    """The hub as this browser sees it: what a passkey is bound to."""
    return Party(request.url.hostname or "", f"{request.url.scheme}://{request.url.netloc}")


def address_of(request: Request) -> str:
    """Where a request comes from, as `door.py` found it: believed through our own proxies alone."""
    return request.client.host if request.client else "unknown"
