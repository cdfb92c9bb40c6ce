"""API tokens: scoped, never more than their maker has now, no cookies, gone within seconds when revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.domain.permission import NOT_BY_TOKEN, Grant, Role
from hub.store.database import connect, fetch_all
from tests.running_api import SITE, RunningApi, Screen, prepare_site, run_api_here

SEEING = ["site.read", "live.follow", "person.names", "alarm.read"]


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


def program(api: RunningApi, secret: str) -> httpx2.Client:
    client = httpx2.Client(
        base_url=api.url, headers={"Authorization": f"Bearer {secret}"}, timeout=10.0, trust_env=False
    )
    api.clients.append(client)
    return client


def test_a_token_does_what_it_was_made_for_and_nothing_else(api: RunningApi, database: str) -> None:
    admin = api.administrator()
    form = {"name": "大屏", "permissions": [*SEEING, "alarm.raise"], "sites": ["demo"], "days": 30}
    assert do(admin, "/tokens", 403, **form)["code"] == "second_factor_needed"
    api.prove(admin)
    made = do(admin, "/tokens", 201, **form)
    wall = program(api, made["secret"])
    assert wall.get("/api/v1/sites/demo/overview").status_code == 200
    assert wall.get("/api/v1/sites/other/overview").status_code == 404
    assert wall.get("/api/v1/sites/demo/hazards").status_code == 403
    # An act needs no header against other sites' pages, because no page can send this one; no cookie is set.
    raised = wall.post("/api/v1/sites/demo/alarms", json={"kind": "panic.pressed", "zone": "lab", "note": "x"})
    assert raised.status_code != 403, raised.text
    assert not wall.cookies
    session = wall.get("/api/v1/session").json()
    assert session["roles"] == {"administrator": sorted([*SEEING, "alarm.raise"])}
    assert [each["site"] for each in session["sites"]] == ["demo"]
    # A token makes no rights and touches no account, also where its own maker could.
    for path, body in (
        ("/tokens", form),
        ("/accounts", {"name": "xx", "display_name": "x", "grants": [{"role": "guard", "site": "demo"}]}),
        ("/account/sessions/end", {}),
        ("/account/password", {"present": "x", "new": "y"}),
        ("/account/totp", {"password": "x"}),
    ):
        assert wall.post(f"/api/v1{path}", json=body).status_code == 403, path
    for permission in ("account.edit", "token.edit", "phone.enrol", "alarm.dance"):
        assert do(admin, "/tokens", 422, **{**form, "permissions": [permission]})["field"] == "permissions"
    do(admin, "/tokens", 404, **{**form, "sites": ["nowhere"]})
    do(admin, "/tokens", 422, **{**form, "days": 4000})
    # Neither database nor list nor journal hold it; the list says when it was used.
    with connect(database, application="test") as connection:
        rows = str(fetch_all(connection, "SELECT t::text FROM api_token t"))
        rows += str(fetch_all(connection, "SELECT body::text FROM journal"))
        assert made["secret"] not in rows and "大屏" in rows
    answer = admin.get("/api/v1/tokens").json()
    offered = {each["permission"]: each["name"]["zh"] for each in answer["offered"]}
    assert offered["alarm.read"] and not NOT_BY_TOKEN & offered.keys()
    (listed,) = answer["tokens"]
    assert listed["name"] == "大屏" and listed["own"] and listed["used_at"] and "secret" not in listed


def test_with_a_token_no_cookie_counts(api: RunningApi) -> None:
    admin = api.administrator()
    admin.headers.pop("X-Sanfang")
    for header in ("Bearer", "bearer wrong", "BEARER sft_x"):
        answer = admin.post("/api/v1/sites/demo/alarms", json={"kind": "x"}, headers={"Authorization": header})
        assert answer.status_code in (401, 403), header
    # Another scheme opens no way past the header.
    refused = admin.post("/api/v1/account/sessions/end", json={}, headers={"Authorization": "Basic eDp5"})
    assert refused.json()["code"] == "header_missing"
    assert admin.get("/api/v1/session").status_code == 200


@pytest.mark.parametrize("how", ["revoked", "expired", "disabled", "withdrawn", "narrowed"])
def test_a_token_ends_and_its_stream_with_it(api: RunningApi, database: str, how: str) -> None:
    admin = api.prove(api.administrator())
    maker = api.prove(api.colleague("maker", Grant(Role.ADMINISTRATOR, "demo")))
    made = do(maker, "/tokens", 201, name="x", permissions=SEEING, sites=["demo"])
    do(maker, "/tokens", 404, name="x", permissions=SEEING, sites=["other"])
    wall = program(api, made["secret"])
    screen = Screen(wall)
    screen.wait_for("beat", 3)  # it is looked at each second, and goes on
    if how == "revoked":
        do(admin, f"/tokens/{made['token']}/revoke", 204)
        do(admin, f"/tokens/{made['token']}/revoke", 409)
    elif how == "expired":
        with connect(database, application="test") as connection:
            connection.execute("UPDATE api_token SET expires_at = now()")
    elif how == "disabled":
        do(admin, "/accounts/a-maker/disable")
    else:
        if how == "narrowed":
            do(admin, "/accounts/a-maker/grants", role="bureau", site="demo")
        do(admin, "/accounts/a-maker/grants/withdraw", 204, role="administrator", site="demo")
    assert screen.closed.wait(5)
    code = wall.get("/api/v1/sites/demo/overview").status_code
    assert code == {"withdrawn": 404, "narrowed": 200}.get(how, 401)
    if how == "narrowed":
        assert wall.get("/api/v1/sites/demo/live").status_code == 403


def test_who_administers_one_school_revokes_what_is_for_it_alone(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    local = api.prove(api.colleague("local", Grant(Role.ADMINISTRATOR, "demo")))
    both = do(admin, "/tokens", 201, name="both", permissions=SEEING, sites=["demo", "other"])
    here = do(admin, "/tokens", 201, name="here", permissions=SEEING, sites=["demo"])
    there = do(admin, "/tokens", 201, name="there", permissions=SEEING, sites=["other"])
    assert {each["name"] for each in local.get("/api/v1/tokens").json()["tokens"]} == {"both", "here"}
    do(local, f"/tokens/{there['token']}/revoke", 404)
    do(local, f"/tokens/{both['token']}/revoke", 403)
    do(local, f"/tokens/{here['token']}/revoke", 204)
