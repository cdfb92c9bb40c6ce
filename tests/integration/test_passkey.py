"""Passkeys: enrolled and shown through a software authenticator, and everything else refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.authenticator import Authenticator
from tests.running_api import PASSWORD, UNSAFE, RunningApi, prepare_site, run_api_here


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(database)
    with run_api_here(database, tmp_path) as running:
        yield running


def do(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def test_a_passkey_is_enrolled_and_opens_the_second_step_under_its_own_name_alone(api: RunningApi) -> None:
    origin = f"http://localhost:{api.settings.http.port}"

    def browser(base: str = origin) -> httpx2.Client:
        client = httpx2.Client(base_url=base, headers=UNSAFE, timeout=10.0, trust_env=False)
        api.clients.append(client)
        return client

    api.administrator()
    admin, device = browser(), Authenticator(origin)
    assert api.enter(admin)["second_factor"]["state"] == "needed"
    by_address = browser(api.url)
    api.enter(by_address)
    assert "name" in do(by_address, "/account/passkeys/begin", 422, password=PASSWORD)["message"]
    do(admin, "/account/passkeys", 409, name="key", credential={})
    do(admin, "/account/passkeys/begin", 422, password="not mine at all")
    options = do(admin, "/account/passkeys/begin", password=PASSWORD)["options"]
    assert options["rp"]["id"] == "localhost"
    # A page elsewhere that relays the question gets an answer for its own origin: worth nothing here, and the
    # question is used up by it.
    fake = Authenticator("https://evil.example").create(options)
    do(admin, "/account/passkeys", 422, name="key", credential=fake)
    do(admin, "/account/passkeys", 409, name="key", credential=device.create(options))
    for broken in (
        {},
        {"id": "x"},
        {**device.create(options), "response": {"clientDataJSON": "!", "attestationObject": 1}},
    ):
        options = do(admin, "/account/passkeys/begin", password=PASSWORD)["options"]
        do(admin, "/account/passkeys", 422, name="key", credential=broken)
    options = do(admin, "/account/passkeys/begin", password=PASSWORD)["options"]
    codes = do(admin, "/account/passkeys", name="我的钥匙", credential=device.create(options))["recovery_codes"]
    assert len(codes) == 10
    assert admin.get("/api/v1/session").json()["second_factor"] == {
        "state": "shown",
        "methods": ["passkey", "recovery"],
    }
    (listed,) = admin.get("/api/v1/account/factors").json()["passkeys"]
    assert (listed["name"], listed["host"]) == ("我的钥匙", "localhost")

    other = browser()
    assert api.enter(other)["second_factor"]["state"] == "awaited"
    do(other, "/session/passkey", 401, credential=device.get(options | {"rpId": "localhost"}))
    asked = do(other, "/session/passkey/begin")["options"]
    assert [each["id"] for each in asked["allowCredentials"]] == [device.create(options)["id"]]
    refused = [
        Authenticator(origin, credential=device.credential).get(asked),  # another key under its name
        Authenticator(origin).get(asked),  # a key that nobody enrolled
        device.get(asked, host="evil.example"),
        {},
    ]
    for credential in refused:
        asked = do(other, "/session/passkey/begin")["options"]
        assert do(other, "/session/passkey", 401, credential=credential)["code"] == "wrong_code"
    asked = do(other, "/session/passkey/begin")["options"]
    answer = device.get(asked)
    # Five failures cost nothing but patience; the sixth attempt waits.
    waited = other.post("/api/v1/session/passkey", json={"credential": answer})
    assert waited.status_code == 429
    assert do(admin, f"/account/passkeys/{listed['passkey']}/remove", 204) is None
    assert api.enter(browser())["second_factor"]["state"] == "needed"


def test_an_answer_is_good_once_and_a_copied_key_is_noticed(api: RunningApi) -> None:
    origin = f"http://localhost:{api.settings.http.port}"
    api.administrator()
    first, second = (
        httpx2.Client(base_url=origin, headers=UNSAFE, timeout=10.0, trust_env=False) for _ in range(2)
    )
    api.clients += [first, second]
    device = Authenticator(origin)
    api.enter(first)
    options = do(first, "/account/passkeys/begin", password=PASSWORD)["options"]
    do(first, "/account/passkeys", name="key", credential=device.create(options))
    api.enter(second)
    answer = device.get(do(second, "/session/passkey/begin")["options"])
    assert do(second, "/session/passkey", credential=answer)["second_factor"]["state"] == "shown"
    api.enter(second)
    do(second, "/session/passkey/begin")
    do(second, "/session/passkey", 401, credential=answer)
    # Its counter goes back: another device has the same key.
    device.count = 0
    asked = do(second, "/session/passkey/begin")["options"]
    do(second, "/session/passkey", 401, credential=device.get(asked))
    asked = do(second, "/session/passkey/begin")["options"]
    do(second, "/session/passkey", credential=device.get(asked))
