"""Log-in through the school's identity provider, over HTTP: two addresses that a browser is led through."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from hub.accounts.desk import OpenedSession
from hub.accounts.oidc import WITHIN, ProviderRefused, begin, end
from hub.accounts.vault import Vault
from hub.api.context import Context, Here
from hub.api.fault import FAULTS, TOO_MANY
from hub.api.guard import everybody, set_cookie
from hub.api.session import BROWSER_COOKIE, place_of
from hub.clock import utc_now
from hub.domain.error import NotFound
from hub.settings import OidcSettings
from hub.store.browser import KNOWN_FOR

router = APIRouter(prefix="/api/v1/session/oidc", tags=["session"])
COOKIE: Final = "sanfang_oidc"
_PATH: Final = "/api/v1/session/oidc"


@router.get(
    "",
    operation_id="beginOidc",
    dependencies=[everybody("is how one logs in")],
    response_class=RedirectResponse,
    status_code=303,
    responses=FAULTS,
)
def get_oidc(here: Here, request: Request) -> RedirectResponse:
    """Go to the identity provider."""
    begun = begin(_provider(here), Vault(here.settings.data_dir), _back(here), utc_now())
    answer = RedirectResponse(begun.url, 303)
    answer.set_cookie(
        COOKIE,
        begun.cookie,
        max_age=int(WITHIN.total_seconds()),
        path=_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # the way back begins at the provider's
    )
    return answer


@router.get(
    "/back",
    operation_id="endOidc",
    dependencies=[everybody("proves itself by what the identity provider signed")],
    response_class=RedirectResponse,
    status_code=303,
    responses={**FAULTS, **TOO_MANY},
)
def get_back(
    here: Here,
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> RedirectResponse:
    """Come back from the identity provider: into the console, or on to the second factor."""
    provider = _provider(here)
    if error or not code:
        raise ProviderRefused(f"the identity provider says: {error or 'nothing'}")
    place = place_of(request, "oidc")
    vault, cookie = Vault(here.settings.data_dir), request.cookies.get(COOKIE, "")
    opened = end(here.pool, provider, vault, cookie, (state, code), _back(here), place, utc_now())
    answer = RedirectResponse("/", 303)
    set_cookie(answer, request, opened.token)
    if isinstance(opened, OpenedSession):
        set_cookie(answer, request, place.browser, KNOWN_FOR, BROWSER_COOKIE)
    answer.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="lax")
    return answer


def _provider(here: Context) -> OidcSettings:
    if here.settings.oidc is None:
        raise NotFound("this hub has no identity provider (oidc in hub.yaml)")
    return here.settings.oidc


def _back(here: Context) -> str:
    """Our own address, from the settings: never what a request's Host says."""
    provider = _provider(here)
    return f"{(provider.hub_url or here.settings.http.url).rstrip('/')}{_PATH}/back"
