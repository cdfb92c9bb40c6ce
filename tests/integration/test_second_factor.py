"""The second factor: enrolled, asked for at log-in, good once; and what a copy of the database is worth."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest

from hub.clock import utc_now
from hub.domain.permission import Grant, Role
from hub.store.database import connect, fetch_all
from tests.running_api import PASSWORD, RunningApi, prepare_site, run_api_here
from tests.waiting import wait_until

ERASE = "/sites/demo/people/zhang/erase"


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(database)
    with run_api_here(database, tmp_path) as running:
        yield running


def do(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30 * steps))


def enrol(client: httpx2.Client) -> tuple[str, list[str]]:
    """The secret, confirmed by the code of the step before, and the recovery codes."""
    wait_until(lambda: utc_now().timestamp() % 30 < 22, why="a code lasts as long as the test needs it")
    secret = do(client, "/account/totp", password=PASSWORD)["secret"]
    return secret, do(client, "/account/totp/confirm", code=code_of(secret, -1))["recovery_codes"]


def test_who_may_change_rights_is_led_to_enrol_first(api: RunningApi, database: str, tmp_path: Path) -> None:
    admin = api.administrator()
    assert admin.get("/api/v1/session").json()["second_factor"] == {"state": "needed", "methods": []}
    assert do(admin, ERASE, 403, reason="x")["code"] == "second_factor_needed"
    assert do(admin, "/account/totp", 422, password="not mine at all")["field"] == "password"
    begun = do(admin, "/account/totp", password=PASSWORD)
    assert begun["uri"].startswith("otpauth://totp/Sanfang") and begun["secret"] in begun["uri"]
    assert begun["qr"]["size"] > 20 and begun["qr"]["path"].startswith("M4 4h1v1h-1z")
    # Shown is not enrolled: nothing is asked for at log-in, and nothing is allowed yet.
    assert api.enter(api.browser())["second_factor"]["state"] == "needed"
    do(admin, "/account/totp/confirm", 422, code="1")
    assert do(admin, ERASE, 403, reason="x")["code"] == "second_factor_needed"
    codes = do(admin, "/account/totp/confirm", code=code_of(begun["secret"]))["recovery_codes"]
    assert len(set(codes)) == 10
    assert admin.get("/api/v1/session").json()["second_factor"]["state"] == "shown"
    assert admin.get("/api/v1/account/factors").json()["recovery_codes_left"] == 10
    do(admin, ERASE, reason="离职")
    do(admin, "/account/totp", 409, password=PASSWORD)
    # The key is a file of the hub's alone, and the database holds neither the secret nor a code.
    key = tmp_path / "account.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
    with connect(database, application="test") as connection:
        for table in ("totp", "recovery_code", "account", "session"):
            text = str(fetch_all(connection, f"SELECT t::text FROM {table} t"))  # type: ignore[arg-type]  # noqa: S608
            assert begun["secret"] not in text and codes[0] not in text
    # Somebody whose role changes no rules and no rights needs none.
    guard = api.colleague("guard", Grant(Role.GUARD, "demo"))
    assert guard.get("/api/v1/session").json()["second_factor"]["state"] == "not_needed"


def test_log_in_has_two_steps_then(api: RunningApi) -> None:
    secret, codes = enrol(api.administrator())
    browser = api.browser()
    told = api.enter(browser)
    assert told["second_factor"] == {"state": "awaited", "methods": ["totp", "passkey", "recovery"][::2]}
    assert told["sites"] == [] and told["roles"] == {} and told["display_name"] == ""
    # The waiting session opens nothing.
    for path in (
        "/session",
        "/sites/demo/overview",
        "/sites/demo/live",
        "/account/sessions",
        "/account/factors",
    ):
        assert browser.get(f"/api/v1{path}").status_code == 401, path
    waiting = browser.cookies["sanfang_session"]
    assert do(browser, "/session/totp", 401, code="12345")["code"] == "wrong_code"
    # The code that confirmed the enrolment, and every older one, is used up.
    assert do(browser, "/session/totp", 401, code=code_of(secret, -1))["code"] == "wrong_code"
    code = code_of(secret)
    opened = do(browser, "/session/totp", code=code)
    assert opened["second_factor"]["state"] == "shown" and opened["station"] == "room"
    assert browser.cookies["sanfang_session"] != waiting
    do(browser, ERASE, reason="x")
    # Replayed at another log-in the same code opens nothing; nor does the used token.
    other = api.browser()
    api.enter(other)
    assert do(other, "/session/totp", 401, code=code)["code"] == "wrong_code"
    thief = api.browser()
    thief.cookies.set("sanfang_session", waiting)
    assert do(thief, "/session/totp", 401, code=code_of(secret, 1))["code"] == "not_logged_in"
    # A recovery code works once, however it is typed.
    assert do(other, "/session/recovery", code=codes[0].lower().replace("-", " "))["sites"]
    again = api.browser()
    api.enter(again)
    assert do(again, "/session/recovery", 401, code=codes[0])["code"] == "wrong_code"
    assert browser.get("/api/v1/account/factors").json()["recovery_codes_left"] == 9


def test_guessing_codes_is_slowed_down_and_open_sessions_go_on(api: RunningApi) -> None:
    admin = api.administrator()
    secret, _ = enrol(admin)
    guesser = api.browser()
    api.enter(guesser)
    answers = [guesser.post("/api/v1/session/totp", json={"code": "1"}) for _ in range(12)]
    assert [each.status_code for each in answers[:5]] == [401] * 5
    waited = next(each for each in answers if each.status_code == 429)
    assert int(waited.headers["retry-after"]) >= 1
    with connect(api.settings.database, application="test") as connection:
        connection.execute("UPDATE login_failure SET failures = 40, last_at = now() WHERE key LIKE 'factor:%'")
    # A log-in anew does not give new attempts, not even with the right code; who is logged in goes on.
    api.enter(guesser)
    assert guesser.post("/api/v1/session/totp", json={"code": code_of(secret)}).status_code == 429
    assert admin.get("/api/v1/session").status_code == 200


def test_a_stolen_session_neither_adds_nor_removes_a_factor(api: RunningApi) -> None:
    before, admin = api.administrator(), api.administrator()
    secret, _ = enrol(admin)
    # It was open before the factor was enrolled, and has not shown it.
    assert before.get("/api/v1/session").json()["second_factor"] == {
        "state": "needed",
        "methods": ["totp", "recovery"],
    }
    for path, body in (
        ("/account/totp", {"password": PASSWORD}),
        ("/account/totp/remove", {}),
        ("/account/recovery-codes", {}),
        (ERASE, {"reason": "x"}),
    ):
        assert do(before, path, 403, **body)["code"] == "second_factor_needed", path
    # Its owner shows it where he is.
    assert do(before, "/session/totp", code=code_of(secret))["second_factor"]["state"] == "shown"
    assert len(do(before, "/account/recovery-codes")["recovery_codes"]) == 10
    # With the last factor every session's trust ends.
    do(before, "/account/totp/remove", 204)
    for client in (before, admin):
        assert client.get("/api/v1/session").json()["second_factor"] == {"state": "needed", "methods": []}
        do(client, ERASE, 403, reason="x")


def test_an_administrator_resets_what_somebody_lost(api: RunningApi) -> None:
    admin = api.administrator()
    enrol(admin)
    officer = api.colleague("officer", Grant(Role.SAFETY_OFFICER, "demo"))
    enrol(officer)
    do(admin, "/accounts/a-officer/factors/reset")
    assert officer.get("/api/v1/session").status_code == 401
    assert api.enter(officer, "officer")["second_factor"]["state"] == "not_needed"
    do(admin, "/accounts/a-officer/factors/reset", 409)


def test_without_its_key_a_copy_of_the_database_makes_no_codes(api: RunningApi, tmp_path: Path) -> None:
    admin = api.administrator()
    secret, codes = enrol(admin)
    (tmp_path / "account.key").write_bytes(bytes(32))
    browser = api.browser()
    api.enter(browser)
    refused = do(browser, "/session/totp", 409, code=code_of(secret))
    assert refused["code"] == "factor_unreadable" and "account reset" in refused["message"]
    do(browser, "/session/recovery", code=codes[0])
