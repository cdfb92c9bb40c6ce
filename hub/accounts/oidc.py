"""Log-in through an identity provider of the school's (OpenID Connect, authorisation code with PKCE). It says
who somebody is, and nothing else: the account must be there already, and its rights are ours alone.

`begin` makes where the browser is sent, and what it brings back: state, nonce and the code's verifier, sealed
with the hub's key in a cookie, so that the hub keeps nothing and a log-in ends in the browser where it began.
`end` exchanges the code and believes the ID token only if the provider's own keys signed it, for us, just now,
for this nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from secrets import token_urlsafe
from typing import Any, Final

from hub.accounts.desk import AwaitedFactor, OpenedSession, Place, count_attempt, enter_account
from hub.accounts.vault import Vault, VaultClosed
from hub.domain.error import ConfigurationError, HubError
from hub.settings import OidcSettings
from hub.store.account import find_account
from hub.store.area import NO_SITE
from hub.store.database import Pool, borrow

WITHIN: Final = timedelta(minutes=10)
"""So long may one take at the provider's."""
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures by a key that only the provider has; never `none`, never a shared secret."""
_LEEWAY_S: Final = 60
_ANSWER_BYTES: Final = 262_144
_TIMEOUT_S: Final = 5.0
_OWNER: Final = "oidc"


class ProviderRefused(HubError):
    """The identity provider did not vouch for anybody: log in again, or with the password."""

    status = 401
    code = "provider_refused"


class ProviderAway(HubError):
    """The identity provider does not answer; log in with the password."""

    status = 503
    retry = True
    code = "provider_away"


class NoAccount(HubError):
    """The identity provider knows you, this hub does not: an administrator has to invite you first."""

    status = 403
    code = "no_account"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie with which it comes back."""

    url: str
    cookie: str


def begin(provider: OidcSettings, vault: Vault, back: str, now: datetime) -> Begun:
    """Begin a log-in; `back`: our own address for the answer. Raises ProviderAway, ConfigurationError."""
    import_library()
    state, nonce, verifier = token_urlsafe(24), token_urlsafe(24), token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": back,
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    kept = json.dumps({"state": state, "nonce": nonce, "verifier": verifier, "at": now.timestamp()})
    sealed = base64.urlsafe_b64encode(vault.seal(kept.encode(), _OWNER)).decode()
    endpoint = _endpoint(provider, _discover(provider), "authorization_endpoint")
    return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urllib.parse.urlencode(query)}", sealed)


def end(
    pool: Pool,
    provider: OidcSettings,
    vault: Vault,
    cookie: str,
    given: tuple[str, str],
    back: str,
    place: Place,
    now: datetime,
) -> OpenedSession | AwaitedFactor:
    """Open a session for who comes back with (state, code), or say which second factor is to come.

    Raises ProviderRefused, ProviderAway, NoAccount, TooManyAttempts.
    """
    with borrow(pool, NO_SITE) as connection:
        count_attempt(connection, [f"address:{place.address}"], now)
    state, code = given
    kept = _open(vault, cookie, now)
    if not hmac.compare_digest(str(kept["state"]).encode(), state.encode()):
        raise ProviderRefused("the answer belongs to another log-in; begin again")
    found = _discover(provider)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "client_id": provider.client_id,
        "code_verifier": str(kept["verifier"]),
    }
    if provider.client_secret is not None:
        form["client_secret"] = provider.client_secret.get_secret_value()
    answer = _ask(provider, _endpoint(provider, found, "token_endpoint"), form)
    keys = _ask(provider, _endpoint(provider, found, "jwks_uri"))
    claims = read_token(provider, str(answer.get("id_token") or ""), keys, str(kept["nonce"]), now)
    name = name_in(claims, provider.claim)
    with borrow(pool, NO_SITE) as connection:
        account = find_account(connection, name)
    if account is None:
        raise NoAccount(f"{name!r} has no account here; an administrator has to invite you first")
    return enter_account(pool, account["account"], place, now)


def read_token(
    provider: OidcSettings, token: str, keys: dict[str, Any], nonce: str, now: datetime
) -> dict[str, Any]:
    """The claims of an ID token that the provider signed for us, just now and for this nonce. Pure. Raises
    ProviderRefused.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        known = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        claims: dict[str, Any] = jwt.decode(token, known, algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderRefused(f"the provider's ID token is not to be believed: {error}") from None
    # A token for several is ours only where it was made for our asking.
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != provider.client_id:
        raise ProviderRefused("the ID token is for several programs, and was not made for this one (azp)")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise ProviderRefused("the ID token belongs to another log-in (nonce)")
    return claims


def name_in(claims: dict[str, Any], claim: str) -> str:
    """The log-in name that the provider vouches for. Pure. Raises ProviderRefused."""
    name = claims.get(claim)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ProviderRefused(f"the ID token does not say {claim}; have the provider send it")
    if claim == "email" and claims.get("email_verified") is not True:
        raise ProviderRefused("the provider has not verified that e-mail address")
    return name


def import_library() -> None:
    """Raises ConfigurationError where the extra is not installed."""
    try:
        import joserfc  # noqa: F401
    except ImportError:
        raise ConfigurationError(["oidc: needs more packages; run pip install 'sanfang[oidc]'"]) from None


def _open(vault: Vault, cookie: str, now: datetime) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(vault.open(base64.urlsafe_b64decode(cookie), _OWNER))
    except (VaultClosed, ValueError):
        raise ProviderRefused("this browser began no log-in; begin again") from None
    if not 0 <= now.timestamp() - kept["at"] <= WITHIN.total_seconds():
        raise ProviderRefused("this log-in took too long; begin again")
    return kept


def _discover(provider: OidcSettings) -> dict[str, Any]:
    found = _ask(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise ProviderRefused(f"the provider calls itself {found.get('issuer')!r}; write that as oidc.issuer")
    return found


def _endpoint(provider: OidcSettings, found: dict[str, Any], name: str) -> str:
    url = str(found.get(name) or "")
    # What was discovered over TLS is not left for plain text.
    if urllib.parse.urlsplit(url).scheme != urllib.parse.urlsplit(provider.issuer).scheme:
        raise ProviderRefused(f"the provider's {name} is {url!r}, no address like the issuer's own")
    return url


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(provider: OidcSettings, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """What the provider answers, a JSON object. Raises ProviderRefused, ProviderAway."""
    trust = ssl.create_default_context(cafile=None if provider.ca is None else str(provider.ca))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust), _NoRedirect()
    )
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data, {"Accept": "application/json"})
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            told = json.loads(answer.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500:
            raise ProviderAway(f"the identity provider answers {error.code}") from None
        raise ProviderRefused(f"the identity provider refuses ({error.code})") from None
    except (OSError, HTTPException) as error:
        raise ProviderAway(f"the identity provider does not answer: {error}") from None
    except ValueError:
        raise ProviderRefused("the identity provider's answer is no JSON") from None
    if not isinstance(told, dict):
        raise ProviderRefused("the identity provider's answer is no JSON object")
    return told
