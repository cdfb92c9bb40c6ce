"""Log-in through an identity provider: a real one on the loopback, and everything that one could forge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from hub.clock import utc_now
from hub.domain.permission import Grant, Role
from hub.settings import OidcSettings
from hub.store.database import connect
from hub.store.factor import factors_of
from tests.identity_provider import (
    CLIENT,
    SECRET,
    Claims,
    Provider,
    by_another_key,
    by_the_public_key,
    run_provider,
    unsigned,
)
from tests.ports import reserve_port
from tests.running_api import RunningApi, prepare_site, run_api_here

BEGIN = "/api/v1/session/oidc"


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[tuple[RunningApi, Provider]]:
    prepare_site(database)
    port = reserve_port()
    oidc = OidcSettings(
        issuer=f"http://127.0.0.1:{port}",
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        claim="preferred_username",
    )
    with (
        run_api_here(database, tmp_path, oidc=oidc) as running,
        run_provider(port, f"{running.url}{BEGIN}/back") as other,
    ):
        running.administrator()
        running.colleague("wang", Grant(Role.GUARD, "demo"))
        yield running, other
        assert other.faults == []


def travel(api: RunningApi, client: httpx2.Client) -> str:
    """To the provider and as far as the address that it sends the browser back to."""
    sent = client.get(BEGIN)
    assert sent.status_code == 303, sent.text
    with httpx2.Client(trust_env=False) as elsewhere:
        back = elsewhere.get(sent.headers["location"]).headers["location"]
    assert back.startswith(f"{api.url}{BEGIN}/back?")
    return str(back)


def test_who_is_vouched_for_has_the_rights_of_his_account_and_no_others(
    api: tuple[RunningApi, Provider],
) -> None:
    running, _ = api
    client = running.browser()
    back = travel(running, client)
    cookie = client.get(BEGIN).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and f"Path={BEGIN}" in cookie
    back = travel(running, client)
    came = client.get(back)
    assert (came.status_code, came.headers["location"]) == (303, "/")
    told = client.get("/api/v1/session").json()
    assert (told["account"], list(told["roles"])) == ("a-wang", ["guard"])
    with connect(running.settings.database, application="test") as connection:
        opened = connection.execute(
            "SELECT body FROM journal WHERE kind = 'session.opened' AND actor = 'a-wang'"
        )
        assert opened.fetchall()[-1][0]["station"] == "oidc"
    # The same address once more: the code was good once, and the cookie is gone.
    assert client.get(back).status_code == 401


FORGED: tuple[tuple[Callable[[Claims], Claims], Any], ...] = (
    (lambda said: {**said, "nonce": "another log-in's nonce"}, None),
    (lambda said: {key: value for key, value in said.items() if key != "nonce"}, None),
    (lambda said: {**said, "aud": "another program"}, None),
    (lambda said: {**said, "aud": [CLIENT, "another"], "azp": "another"}, None),
    (lambda said: {**said, "iss": "http://127.0.0.1:1"}, None),
    (lambda said: {**said, "exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200}, None),
    (lambda said: {key: value for key, value in said.items() if key != "exp"}, None),
    (lambda said: {**said, "preferred_username": ["wang"]}, None),
    (dict, unsigned),
    (dict, by_another_key),
    (dict, by_the_public_key),
)


def test_a_token_that_is_not_for_this_log_in_opens_nothing(api: tuple[RunningApi, Provider]) -> None:
    running, provider = api
    client = running.browser()
    for number, (lie, sign) in enumerate(FORGED):
        provider.lie, provider.sign = lie, sign
        answer = client.get(travel(running, client))
        assert (answer.status_code, answer.json()["code"]) == (401, "provider_refused"), (number, answer.text)
        assert client.get("/api/v1/session").status_code == 401
        forget_failures(running)
    # Who keeps trying waits, as with a password.
    statuses = {client.get(f"{BEGIN}/back", params={"state": "x", "code": "y"}).status_code for _ in range(30)}
    assert statuses == {401, 429}
    forget_failures(running)
    provider.lie, provider.sign = dict, None
    assert client.get(travel(running, client)).status_code == 303


def forget_failures(running: RunningApi) -> None:
    with connect(running.settings.database, application="test") as connection:
        connection.execute("DELETE FROM login_failure")


def test_a_log_in_ends_in_the_browser_in_which_it_began(api: tuple[RunningApi, Provider]) -> None:
    running, _ = api
    mine, other = running.browser(), running.browser()
    back = travel(running, mine)
    # Somebody is made to follow my address, without and with a log-in of his own begun.
    assert other.get(back).json()["code"] == "provider_refused"
    travel(running, other)
    assert other.get(back).json()["code"] == "provider_refused"
    assert other.get("/api/v1/session").status_code == 401
    state = dict(parse_qsl(urlsplit(back).query))["state"]
    for query in (
        {"state": state},
        {"state": state, "error": "access_denied"},
        {"state": state, "code": "made-up"},
    ):
        assert mine.get(f"{BEGIN}/back", params=query).json()["code"] == "provider_refused", query
    assert mine.get(back).status_code == 303


def test_an_account_is_there_beforehand_and_a_second_factor_is_still_asked_for(
    api: tuple[RunningApi, Provider],
) -> None:
    running, provider = api
    provider.name = "stranger"
    client = running.browser()
    answer = client.get(travel(running, client))
    assert (answer.status_code, answer.json()["code"]) == (403, "no_account")
    with connect(running.settings.database, application="test") as connection:
        assert connection.execute("SELECT 1 FROM account WHERE name = 'stranger'").fetchone() is None
        connection.execute(
            "INSERT INTO totp (account, secret, made_at, confirmed_at) VALUES ('a-wang', '\\x00', now(), now())"
        )
        assert factors_of(connection, "a-wang")
    provider.name = "wang"
    assert client.get(travel(running, client)).status_code == 303
    assert client.get("/api/v1/session").status_code == 401, "the second step is to come"
    with connect(running.settings.database, application="test") as connection:
        connection.execute("DELETE FROM totp")
        connection.execute("UPDATE account SET disabled_at = %s WHERE account = 'a-wang'", (utc_now(),))
    assert client.get(travel(running, client)).json()["code"] == "no_account"


def test_while_the_provider_is_away_the_password_goes_on(database: str, tmp_path: Path) -> None:
    prepare_site(database)
    away = OidcSettings(issuer=f"http://127.0.0.1:{reserve_port()}", client_id=CLIENT)
    with run_api_here(database, tmp_path, oidc=away) as running:
        running.administrator()
        answer = running.browser().get(BEGIN)
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_away")
        running.enter(running.browser())


@pytest.mark.parametrize(
    "issuer", ["http://school.example", "https://", "https://a@b", "https://a/?x", "ftp://a"]
)
def test_an_issuer_is_https_or_this_machine(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcSettings(issuer=issuer, client_id="x")
