"""Set-up, log-in, log-out; what a browser of another site cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from hub.store.database import connect, fetch_all
from tests.running_api import PASSWORD, RunningApi, prepare_site, run_api_here


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(database)
    with run_api_here(database, tmp_path) as running:
        yield running


def log_in(client: httpx2.Client, name: str, password: str) -> httpx2.Response:
    return client.post("/api/v1/session", json={"name": name, "password": password, "station": "room"})


def test_set_up_once_then_log_in_and_out(api: RunningApi, database: str) -> None:
    stranger = api.browser()
    assert stranger.get("/api/v1/setup").json() == {"needed": True}
    assert stranger.get("/api/v1/session").status_code == 401
    form = {"token": "guess", "name": "admin", "display_name": "管理员", "password": PASSWORD}
    assert stranger.post("/api/v1/setup", json=form).json()["code"] == "wrong_password"
    token = api.token
    first = api.administrator()
    session = first.get("/api/v1/session").json()
    assert (list(session["roles"]), session["display_name"]) == (["administrator"], "管理员")
    assert session["sites"] == [
        {"site": "demo", "name": {"zh": "学校", "en": "school"}, "roles": ["administrator"]}
    ]
    again = stranger.post("/api/v1/setup", json={**form, "token": token, "name": "other"})
    assert again.status_code == 409
    second = api.administrator()
    assert second.delete("/api/v1/session").status_code == 204
    assert second.get("/api/v1/session").status_code == 401
    assert first.get("/api/v1/session").status_code == 200
    with connect(database, application="test") as connection:
        rows = fetch_all(
            connection, "SELECT kind, body::text AS body FROM journal WHERE kind LIKE 'session%%' ORDER BY seq"
        )
        assert [row["kind"] for row in rows] == ["session.opened", "session.opened", "session.closed"]
        assert not any("管理员" in row["body"] for row in rows)
        kept = fetch_all(connection, "SELECT session_hash, account FROM session")
        assert all(len(row["session_hash"]) == 32 for row in kept)


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(api: RunningApi) -> None:
    api.administrator()
    answer = log_in(api.browser(), "admin", PASSWORD)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie


def test_a_copied_cookie_is_dead_after_log_out(api: RunningApi) -> None:
    client = api.administrator()
    cookie = client.cookies["sanfang_session"]
    client.delete("/api/v1/session")
    thief = api.browser()
    thief.cookies.set("sanfang_session", cookie)
    assert thief.get("/api/v1/sites/demo/overview").status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/setup"])
def test_unsafe_methods_need_the_header(api: RunningApi, path: str) -> None:
    answer = httpx2.post(api.url + path, json={}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (403, "header_missing")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://{host}"])
def test_another_origin_is_refused(api: RunningApi, origin: str) -> None:
    host = api.url.removeprefix("http://")
    client = api.administrator()
    headers = {"Origin": origin.format(host=host)}
    for method, path in (("POST", "/api/v1/session"), ("GET", "/api/v1/sites/demo/live")):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")
    assert client.get("/api/v1/session", headers={"Origin": api.url}).status_code == 200


def test_guessing_is_slowed_down_and_locks_nobody_out(api: RunningApi) -> None:
    operator = api.administrator()
    guesser = api.browser()
    codes = [log_in(guesser, "admin", f"wrong {number}").status_code for number in range(8)]
    assert codes[0] == 401
    assert codes[-1] == 429
    refused = log_in(guesser, "admin", "wrong")
    assert int(refused.headers["retry-after"]) >= 1
    # Neither a forged address …
    forged = guesser.post(
        "/api/v1/session",
        json={"name": "admin", "password": "x"},
        headers={"X-Forwarded-For": "9.9.9.9", "X-Real-IP": "9.9.9.9"},
    )
    assert forged.status_code == 429
    # … nor the right password in between; while whoever is logged in works on.
    assert log_in(guesser, "admin", PASSWORD).status_code == 429
    assert operator.get("/api/v1/sites/demo/overview").status_code == 200


def test_a_stranger_cannot_lock_out_the_browser_that_was_here_before(api: RunningApi, database: str) -> None:
    screen = api.administrator()
    assert "httponly" in log_in(screen, "admin", PASSWORD).headers["set-cookie"].lower()
    assert screen.delete("/api/v1/session").status_code == 204
    guesser = api.browser()
    while log_in(guesser, "admin", "wrong").status_code != 429:
        pass
    with connect(database, application="test") as connection:
        connection.execute("UPDATE login_failure SET failures = 40, last_at = now()")
    # Both the account's budget and this address's are spent; the screen's own is not.
    assert log_in(guesser, "admin", PASSWORD).status_code == 429
    assert log_in(screen, "admin", PASSWORD).status_code == 200
    # It is known as this account alone, and its own budget ends, too; a cookie that is made up is nothing.
    assert log_in(screen, "nobody", PASSWORD).status_code in (401, 429)
    codes = [log_in(screen, "admin", f"wrong {number}").status_code for number in range(10)]
    assert codes[0] == 401 and 429 in codes
    guesser.cookies.set("sanfang_browser", "A" * 32)
    assert log_in(guesser, "admin", PASSWORD).status_code == 429


def test_a_proxy_of_ours_says_who_asks_and_nobody_else(database: str, tmp_path: Path) -> None:
    prepare_site(database)
    forged = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "https"}
    for proxies, address, secure in (((), "127.0.0.1", False), (("127.0.0.1",), "198.51.100.7", True)):
        with run_api_here(database, tmp_path, proxies=proxies) as running:
            client = running.administrator()
            form = {"name": "admin", "password": PASSWORD, "station": "proxied"}
            origin = running.url.replace("http:", "https:") if secure else running.url
            answer = client.post("/api/v1/session", json=form, headers={**forged, "Origin": origin})
            assert answer.status_code == 200, answer.text
            assert ("; Secure" in answer.headers["set-cookie"]) is secure
            if secure:  # the browser would send it over TLS alone
                client.cookies.set("sanfang_session", answer.cookies["sanfang_session"])
            sessions = client.get("/api/v1/account/sessions").json()["sessions"]
            assert next(each["address"] for each in sessions if each["station"] == "proxied") == address


def test_names_that_do_not_exist_are_refused_alike(api: RunningApi) -> None:
    api.administrator()
    known, unknown = (log_in(api.browser(), name, "wrong password").json() for name in ("admin", "nobody"))
    assert known == unknown


@pytest.mark.parametrize(
    ("password", "name", "field"),
    [
        ("short", "admin", "password"),
        ("aaaaaaaaaaaaaaa", "admin", "password"),
        ("the admin of us", "admin", "password"),
        (PASSWORD, "x", "name"),
        (PASSWORD, "a b<", "name"),
    ],
)
def test_weak_passwords_and_odd_names_are_refused(
    api: RunningApi, password: str, name: str, field: str
) -> None:
    form = {"token": api.token, "name": name, "display_name": "D", "password": password}
    answer = api.browser().post("/api/v1/setup", json=form)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_passwords_never_come_back_in_an_error(api: RunningApi) -> None:
    answer = api.browser().post("/api/v1/session", json={"name": ["x"], "password": "hush-hush"})
    assert answer.status_code == 422
    assert "hush" not in answer.text


def test_answers_carry_the_policy(api: RunningApi) -> None:
    client = api.browser()
    for path in ("/", "/api/v1/setup", "/api/v1/nothing", "/healthz"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert client.get("/api/v1/setup").headers["cache-control"] == "no-store"
    assert client.get("/api/v1/nothing").json()["code"] == "not_found"


def test_large_bodies_are_refused(api: RunningApi) -> None:
    client = api.browser()
    big = b" " * 300_000
    assert client.post("/api/v1/session", content=big).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from [b" " * 50_000] * 6

    answer = client.post("/api/v1/session", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
