"""Accounts over HTTP: who sees, invites and changes whom; nobody gives more than he has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.domain.permission import Grant, Role
from hub.store.database import connect, fetch_all
from tests.running_api import PASSWORD, SITE, RunningApi, Screen, prepare_site, run_api_here

NEW_PASSWORD = "quite another sentence"
EVERYWHERE = {"role": "administrator"}


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(database)
    prepare_site(database, {**SITE, "site": "other"})
    with run_api_here(database, tmp_path) as running:
        yield running


def do(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def listed(client: httpx2.Client) -> dict[str, Any]:
    answer = client.get("/api/v1/accounts")
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()["accounts"]}


def journal(database: str, like: str) -> list[dict[str, Any]]:
    with connect(database, application="test") as connection:
        return fetch_all(
            connection,
            "SELECT site, subject, kind, body::text AS body FROM journal WHERE kind LIKE %s ORDER BY site, seq",
            (like,),
        )


def test_the_invited_sets_a_password_once_and_does_what_was_given(api: RunningApi, database: str) -> None:
    admin = api.prove(api.administrator())
    form = {"name": "wang", "display_name": "王芳", "grants": [{"role": "operator", "site": "demo"}]}
    made = do(admin, "/accounts", 201, **form)
    assert "name" in do(admin, "/accounts", 409, **{**form, "name": "WANG"})["message"]
    assert listed(admin)["wang"]["state"] == "invited"
    wang = api.browser()
    # Without a password nobody logs in, and the token says who is meant to those alone who have it.
    assert wang.post("/api/v1/session", json={"name": "wang", "password": PASSWORD}).status_code == 401
    assert do(wang, "/invitation/read", token=made["token"])["display_name"] == "王芳"
    do(wang, "/invitation/read", 404, token="guess")
    assert do(wang, "/invitation/accept", 422, token=made["token"], password="short")["field"] == "password"
    do(wang, "/invitation/accept", 204, token=made["token"], password=NEW_PASSWORD)
    do(wang, "/invitation/accept", 404, token=made["token"], password=PASSWORD)
    assert api.enter(wang, "wang", NEW_PASSWORD)["sites"][0]["roles"] == ["operator"]
    assert wang.get("/api/v1/sites/other/overview").status_code == 404
    assert wang.get("/api/v1/accounts").status_code == 403
    # In the journal of the site that it concerns, and of no other; ids only.
    rows = [row for row in journal(database, "account.%") if row["subject"] == f"account:{made['account']}"]
    assert {row["site"] for row in rows} == {"demo"}
    assert [row["kind"] for row in rows] == ["account.invited", "account.password_set"]
    assert not any("王芳" in row["body"] or made["token"] in row["body"] for row in rows)
    # A new link replaces the one before, and with the password every session goes.
    first, second = (do(admin, f"/accounts/{made['account']}/invite") for _ in range(2))
    do(wang, "/invitation/accept", 404, token=first["token"], password=PASSWORD)
    assert wang.get("/api/v1/session").status_code == 200
    do(api.browser(), "/invitation/accept", 204, token=second["token"], password=PASSWORD)
    assert wang.get("/api/v1/session").status_code == 401


def test_without_a_second_factor_nobody_changes_rights(api: RunningApi) -> None:
    admin = api.administrator()
    form = {"name": "wang", "display_name": "W", "grants": [EVERYWHERE]}
    for path, body in (
        ("/accounts", form),
        ("/accounts/a-x/disable", {}),
        ("/accounts/a-x/grants", EVERYWHERE),
        ("/sites/demo/people/zhang/erase", {"reason": "x"}),
    ):
        assert do(admin, path, 403, **body)["code"] == "second_factor_needed", path
    # Whoever may not do it at all hears so, and is not sent to enrol.
    operator = api.colleague("op", Grant(Role.OPERATOR, "demo"))
    assert do(operator, "/accounts", 403, **form)["code"] == "not_allowed"


def test_an_administrator_of_one_school_keeps_to_it(api: RunningApi) -> None:
    api.administrator()
    local = api.prove(api.colleague("local", Grant(Role.ADMINISTRATOR, "demo")))
    api.colleague("elsewhere", Grant(Role.OPERATOR, "other"))
    api.colleague("both", Grant(Role.OPERATOR, "demo"), Grant(Role.OPERATOR, "other"))
    api.colleague("bureau", Grant(Role.BUREAU))
    api.colleague("mine", Grant(Role.GUARD, "demo"))
    seen = listed(local)
    # Who reaches into the school is seen, with that part of his rights alone; nobody else is there at all.
    assert set(seen) == {"admin", "local", "both", "bureau", "mine"}
    assert [grant["site"] for grant in seen["both"]["grants"]] == ["demo"]
    assert {name for name, each in seen.items() if each["yours"]} == {"mine"}
    assert local.get("/api/v1/accounts/a-elsewhere").status_code == 404
    do(local, "/accounts/a-elsewhere/disable", 404)
    do(local, "/accounts/a-nobody/disable", 404)
    do(local, "/accounts/a-elsewhere/grants", 404, role="operator", site="demo")
    for account in ("a-both", "a-bureau", seen["admin"]["account"]):
        do(local, f"/accounts/{account}/disable", 403)
        do(local, f"/accounts/{account}/invite", 403)
    assert local.get("/api/v1/accounts/a-both/sessions").status_code == 403
    # He gives what he has, where he has it.
    do(local, "/accounts/a-mine/grants", role="operator", site="demo")
    do(local, "/accounts/a-mine/grants", 409, role="operator", site="demo")
    do(local, "/accounts/a-mine/grants", 404, role="operator", site="other")
    do(local, "/accounts/a-mine/grants", 404, role="operator", site="nowhere")
    do(local, "/accounts/a-mine/grants", 403, role="operator")
    do(local, "/accounts/a-mine/grants", 403, role="bureau", area=["杭州"])
    do(local, "/accounts/a-mine/grants", 422, role="bureau", site="demo", area=["杭州"])
    # Of somebody with rights elsewhere he takes away what is given here, and that alone.
    do(local, "/accounts/a-both/grants/withdraw", 204, role="operator", site="demo")
    do(local, "/accounts/a-bureau/grants/withdraw", 403, role="bureau")
    assert "both" not in listed(local)


def test_who_may_see_accounts_need_not_change_them(api: RunningApi) -> None:
    api.administrator()
    principal = api.colleague("head", Grant(Role.PRINCIPAL, "demo"))
    api.colleague("mine", Grant(Role.GUARD, "demo"))
    seen = listed(principal)
    assert "mine" in seen
    assert not any(each["yours"] or any(g["yours"] for g in each["grants"]) for each in seen.values())
    assert do(principal, "/accounts/a-mine/disable", 403)["code"] == "not_allowed"
    assert len(principal.get("/api/v1/accounts/a-mine/sessions").json()["sessions"]) == 1


def test_nobody_takes_rights_from_himself(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    own = admin.get("/api/v1/session").json()["account"]
    for path in ("disable", "enable", "invite", "sessions/end"):
        assert "own account" in do(admin, f"/accounts/{own}/{path}", 409)["message"]
    do(admin, f"/accounts/{own}/grants", 409, role="guard", site="demo")
    do(admin, f"/accounts/{own}/grants/withdraw", 409, **EVERYWHERE)
    # One who was only invited is no administrator yet; one who can log in is.
    invited = do(admin, "/accounts", 201, name="second", display_name="2", grants=[EVERYWHERE])
    third = api.prove(api.colleague("third", Grant(Role.ADMINISTRATOR)))
    do(admin, "/accounts/a-third/disable")
    assert third.get("/api/v1/session").status_code == 401
    do(admin, "/accounts/a-third/disable", 409)
    do(admin, "/accounts/a-third/enable")
    do(admin, "/accounts/a-third/grants/withdraw", 204, **EVERYWHERE)
    do(admin, f"/accounts/{invited['account']}/grants/withdraw", 204, **EVERYWHERE)
    # What was given at a school that the hub no longer has holds nobody up.
    api.colleague("moved", Grant(Role.GUARD, "gone"))
    do(admin, "/accounts/a-moved/disable")
    do(admin, "/accounts/a-moved/grants", 404, role="operator", site="gone")
    do(admin, "/accounts/a-moved/grants/withdraw", 204, role="guard", site="gone")
    # Whose last right went is seen by those who administer the whole hub.
    assert listed(admin)["second"]["grants"] == []


def test_two_administrators_who_disable_each_other_leave_one(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    own = admin.get("/api/v1/session").json()["account"]
    other = api.prove(api.colleague("other", Grant(Role.ADMINISTRATOR)))
    with ThreadPoolExecutor(2) as both:
        jobs = [
            both.submit(client.post, f"/api/v1/accounts/{target}/disable", json={})
            for client, target in ((admin, "a-other"), (other, own))
        ]
        codes = sorted(job.result().status_code for job in jobs)
    assert codes[0] == 200
    assert codes[1] != 200, "both were disabled"


def test_a_password_change_ends_every_other_session(api: RunningApi, database: str) -> None:
    here, there = api.administrator(), api.administrator()
    screen = Screen(there)
    screen.wait_for("snapshot")
    assert do(here, "/account/password", 422, present="wrong one", new=NEW_PASSWORD)["field"] == "present"
    assert do(here, "/account/password", 422, present=PASSWORD, new="short")["field"] == "new"
    assert do(here, "/account/password", present=PASSWORD, new=NEW_PASSWORD) == {"ended": 1}
    assert screen.closed.wait(5)
    assert there.get("/api/v1/session").status_code == 401
    assert here.get("/api/v1/session").status_code == 200
    api.enter(there, "admin", NEW_PASSWORD)
    assert [row["kind"] for row in journal(database, "account.password%")] == ["account.password_changed"] * 2


def test_one_logs_out_everywhere(api: RunningApi) -> None:
    first, second, third = (api.administrator() for _ in range(3))
    sessions = first.get("/api/v1/account/sessions").json()["sessions"]
    assert [each["this"] for each in sessions] == [False, False, True]
    assert all(each["address"] == "127.0.0.1" for each in sessions)
    assert do(first, "/account/sessions/end", session=sessions[0]["session"]) == {"ended": 1}
    assert third.get("/api/v1/session").status_code == 401
    assert do(first, "/account/sessions/end", others=True) == {"ended": 1}
    assert second.get("/api/v1/session").status_code == 401
    assert do(first, "/account/sessions/end") == {"ended": 1}
    assert first.get("/api/v1/session").status_code == 401


def test_an_administrator_ends_somebodys_sessions(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    guard = api.colleague("mine", Grant(Role.GUARD, "demo"))
    screen = Screen(guard)
    screen.wait_for("snapshot")
    (session,) = admin.get("/api/v1/accounts/a-mine/sessions").json()["sessions"]
    do(admin, "/accounts/a-mine/sessions/end", 422, session="%")
    assert do(admin, "/accounts/a-mine/sessions/end", session="00" * 8) == {"ended": 0}
    assert do(admin, "/accounts/a-mine/sessions/end", session=session["session"]) == {"ended": 1}
    assert screen.closed.wait(5)


@pytest.mark.parametrize("what", ["disabled", "withdrawn", "another"])
def test_a_stream_ends_with_the_right_to_follow(api: RunningApi, what: str) -> None:
    admin = api.prove(api.administrator())
    guard = api.colleague("mine", Grant(Role.GUARD, "demo"), Grant(Role.GUARD, "other"))
    lost, kept = Screen(guard, "demo"), Screen(guard, "other")
    lost.wait_for("snapshot")
    kept.wait_for("snapshot")
    if what == "disabled":
        do(admin, "/accounts/a-mine/disable")
    else:
        if what == "another":  # a role that may look, and may not follow
            do(admin, "/accounts/a-mine/grants", role="bureau", site="demo")
        do(admin, "/accounts/a-mine/grants/withdraw", 204, role="guard", site="demo")
    assert lost.closed.wait(5)
    if what == "disabled":
        assert kept.closed.wait(5)
    else:
        kept.wait_for("beat", len(kept.named("beat")) + 2)
        assert not kept.closed.is_set()
        assert guard.get("/api/v1/sites/demo/live").status_code == (404 if what == "withdrawn" else 403)
        kept.close()
