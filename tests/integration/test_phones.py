"""Guards' phones: enrolled by a code that works once, as a guard only, gone within seconds when revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.domain.permission import ROLES, Grant, Role
from hub.store.database import connect, fetch_all
from tests.running_api import SITE, RunningApi, Screen, prepare_site, run_api_here

PHONES = "/sites/demo/phones"


@pytest.fixture
def api(any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(any_database)
    prepare_site(any_database, {**SITE, "site": "other"})
    with run_api_here(any_database, tmp_path) as running:
        yield running


def do(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def state(client: httpx2.Client) -> list[str]:
    return [each["state"] for each in client.get(f"/api/v1{PHONES}").json()["phones"]]


def test_a_phone_is_enrolled_once_works_as_a_guard_and_is_revoked(api: RunningApi, any_database: str) -> None:
    api.administrator()
    officer = api.colleague("officer", Grant(Role.SAFETY_OFFICER, "demo"))
    # He is more than a guard, and elsewhere too; his phone is not.
    guard = api.colleague("guard", Grant(Role.GUARD), Grant(Role.ADMINISTRATOR, "demo"))
    do(guard, "/sites/other/phones", 403, account="a-guard", name="x")
    made = do(officer, PHONES, 201, account="a-guard", name="门卫手机")
    assert made["url"].endswith(f"/phone#{made['code']}") and made["qr"]["path"]
    assert state(officer) == ["invited"]
    phone = api.browser()
    do(phone, "/phone/enrol", 401, code="guess")
    answer = phone.post("/api/v1/phone/enrol", json={"code": made["code"]})
    assert answer.status_code == 200, answer.text
    assert "max-age=31536000" in answer.headers["set-cookie"].lower()
    session = answer.json()
    assert [each["site"] for each in session["sites"]] == ["demo"]
    assert frozenset(session["roles"]["administrator"]) <= ROLES[Role.GUARD]
    do(api.browser(), "/phone/enrol", 401, code=made["code"])
    assert state(officer) == ["active"]
    assert phone.get("/api/v1/sites/demo/overview").status_code == 200
    assert phone.get("/api/v1/sites/other/overview").status_code == 404
    for method, path, body in (
        ("GET", "/accounts", None),
        ("GET", "/sites/demo/people", None),
        ("GET", "/account/sessions", None),
        ("POST", "/account/password", {"present": "x", "new": "y"}),
        ("POST", "/account/totp", {"password": "x"}),
        ("POST", PHONES, {"account": "a-guard", "name": "x"}),
    ):
        assert phone.request(method, f"/api/v1{path}", json=body).status_code == 403, path
    screen = Screen(phone)
    screen.wait_for("beat", 3)  # it is looked at each second, and goes on
    do(officer, f"{PHONES}/{made['phone']}/revoke", 204)
    assert screen.closed.wait(5)
    assert phone.get("/api/v1/session").status_code == 401
    do(officer, f"{PHONES}/{made['phone']}/revoke", 409)
    do(officer, f"{PHONES}/p-none/revoke", 404)
    assert state(officer) == ["revoked"]
    with connect(any_database, application="test") as connection:
        rows = fetch_all(
            connection,
            "SELECT site, actor, kind, body::text AS body FROM journal WHERE kind LIKE 'phone%' ORDER BY seq",
        )
        kept = str(fetch_all(connection, "SELECT t::text FROM phone t"))
    assert [(row["site"], row["kind"]) for row in rows] == [
        ("demo", f"phone.{act}") for act in ("invited", "enrolled", "revoked")
    ]
    assert made["code"] not in kept + str(rows) and "门卫手机" not in str(rows)


def test_phones_are_for_guards_of_the_school_and_codes_end(api: RunningApi, any_database: str) -> None:
    api.administrator()
    officer = api.colleague("officer", Grant(Role.SAFETY_OFFICER, "demo"))
    api.colleague("head", Grant(Role.PRINCIPAL, "demo"))
    api.colleague("elsewhere", Grant(Role.GUARD, "other"))
    api.colleague("guard", Grant(Role.GUARD, "demo"))
    do(officer, PHONES, 409, account="a-head", name="x")
    for account in ("a-elsewhere", "a-nobody"):
        do(officer, PHONES, 404, account=account, name="x")
    made = do(officer, PHONES, 201, account="a-guard", name="x")
    with connect(any_database, application="test") as connection:
        connection.execute("UPDATE phone SET code_expires_at = now()")
    do(api.browser(), "/phone/enrol", 401, code=made["code"])
    assert state(officer) == ["expired"]
    # Another school's officer neither sees nor revokes it.
    stranger = api.colleague("stranger", Grant(Role.SAFETY_OFFICER, "other"))
    do(stranger, f"{PHONES}/{made['phone']}/revoke", 404)
    do(stranger, f"/sites/other/phones/{made['phone']}/revoke", 404)


def test_a_phone_ends_with_the_guards_role_and_account(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    api.colleague("guard", Grant(Role.GUARD, "demo"))
    phones = []
    for _ in range(2):
        made = do(admin, PHONES, 201, account="a-guard", name="x")
        phones.append(api.browser())
        do(phones[-1], "/phone/enrol", code=made["code"])
    screen = Screen(phones[0])
    screen.wait_for("snapshot")
    do(admin, "/accounts/a-guard/grants", role="maintenance", site="other")
    do(admin, "/accounts/a-guard/grants/withdraw", 204, role="guard", site="demo")
    assert screen.closed.wait(5)
    assert phones[1].get("/api/v1/sites/demo/overview").status_code == 404
    assert phones[1].get("/api/v1/session").json()["sites"] == []
    do(admin, "/accounts/a-guard/disable")
    assert phones[1].get("/api/v1/session").status_code == 401
