"""People, roster, responsibility and hand-over over HTTP, as persons with different rights use them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.accounts.password import hash_password
from hub.clock import utc_now
from hub.domain.permission import Grant, Role
from hub.store.account import add_account, add_grant
from hub.store.database import connect, fetch_all
from tests.running_api import PASSWORD, RunningApi, prepare_site, run_api_here

AT = "/api/v1/sites/demo"
LI = {
    "name": "李娜",
    "posts": ["security-room"],
    "qualifications": [
        {"kind": "guard_licence", "number": "G-77", "expires_on": "2099-01-01"},
        {"kind": "fire_control_operator", "expires_on": "2020-01-01"},
    ],
    "contacts": [{"kind": "mobile", "value": "13800000001"}, {"kind": "phone", "value": "8002"}],
}


@pytest.fixture
def api(any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(any_database)
    with run_api_here(any_database, tmp_path) as running:
        yield running


def colleague(api: RunningApi, role: Role, name: str) -> httpx2.Client:
    with connect(api.settings.database, application="test") as connection:
        add_account(
            connection,
            {
                "account": f"a-{name}",
                "name": name,
                "display_name": name,
                "password_hash": hash_password(PASSWORD),
                "created_at": utc_now(),
            },
        )
        add_grant(connection, f"a-{name}", Grant(role, "demo"), actor="test", at=utc_now())
    client = api.browser()
    form = {"name": name, "password": PASSWORD, "station": "room"}
    assert client.post("/api/v1/session", json=form).status_code == 200
    return client


def ask(client: httpx2.Client, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(AT + path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def do(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(AT + path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def journal(api: RunningApi) -> list[dict[str, Any]]:
    with connect(api.settings.database, application="test") as connection:
        return fetch_all(connection, "SELECT kind, subject, body, body::text AS text FROM journal ORDER BY seq")


def test_a_person_from_entering_to_erasing(api: RunningApi) -> None:
    admin = api.prove(api.administrator())
    assert do(admin, "/people/li-na", **LI) == {"person": "li-na", "holder": None}
    (li,) = [each for each in ask(admin, "/people")["persons"] if each["person"] == "li-na"]
    assert [each["value"] for each in li["contacts"]] == ["13800000001", "8002"], "in the order of use"
    assert {each["kind"]: each["state"] for each in li["qualifications"]} == {
        "guard_licence": "good",
        "fire_control_operator": "expired",
    }
    # Who may see persons does not by that see how to reach them.
    auditor = colleague(api, Role.AUDITOR, "auditor")
    assert all(each["contacts"] is None for each in ask(auditor, "/people")["persons"])
    guard = colleague(api, Role.GUARD, "guard")
    ask(guard, "/people", 403)
    ask(guard, "/people/li-na", 403)
    do(guard, "/people/li-na", 403, **LI)
    # A change without contacts leaves them.
    do(admin, "/people/li-na", **{key: value for key, value in LI.items() if key != "contacts"})
    assert len(ask(admin, "/people/li-na")["contacts"]) == 2
    do(admin, "/people/li-na", 422, **{**LI, "posts": ["moon"]})
    do(admin, "/people/Li Na", 422, **LI)

    # A card is known by its pseudonym only; resolving it is journaled, by whom it may.
    holder = do(admin, "/people/li-na/cards", number=" 00 4711 ")["holder"]
    assert holder.startswith("p-") and do(admin, "/people/li-na/cards", number="004711")["holder"] == holder
    reason = "查看 12 月 3 日夜间开门"
    assert do(admin, "/people/resolve", holder=holder, reason=reason) == {"holder": holder, "person": "li-na"}
    do(admin, "/people/resolve", 422, holder=holder, reason=" ")
    do(auditor, "/people/resolve", 403, holder=holder, reason=reason)
    shift = {"post": "duty-leader", "person": "li-na", "begins": "07:00", "ends": "19:00"}
    do(admin, "/roster/shifts", **shift)

    portrait = do(admin, "/people/li-na/export", reason="本人要求")
    assert portrait["person"]["name"] == "李娜" and len(portrait["contacts"]) == 2
    assert [each["post"] for each in portrait["shifts"]] == ["duty-leader"]
    assert [each["holder"] for each in portrait["cards"]] == [holder]
    assert {each["kind"] for each in portrait["journal"]} >= {"person.resolved", "person.exported"}
    do(auditor, "/people/li-na/export", 403, reason="x")

    do(admin, "/people/li-na/erase", 422, reason="")
    do(admin, "/people/li-na/erase", reason="离职")
    do(admin, "/people/li-na/erase", 409, reason="离职")
    do(admin, "/people/li-na", 409, **LI)
    gone = ask(admin, "/people/li-na")
    assert gone["erased"] and gone["name"] == "" and gone["contacts"] == gone["qualifications"] == []
    assert do(admin, "/people/resolve", holder=holder, reason=reason)["person"] is None
    assert all(each["person"] != "li-na" for each in ask(admin, "/roster")["shifts"])
    rows = journal(api)
    assert not [
        row["kind"] for row in rows if any(word in row["text"] for word in ("李娜", "1380", "G-77", "4711"))
    ]
    with connect(api.settings.database, application="test") as connection:
        for table in ("person", "contact", "qualification", "credential", "idempotency", "shift"):
            text = str(fetch_all(connection, f"SELECT * FROM {table}"))  # noqa: S608 - our own names
            assert "李娜" not in text and "1380" not in text and "G-77" not in text, table


def test_the_roster_says_who_and_who_is_missing(api: RunningApi) -> None:
    admin = api.administrator()
    for person in ("li-na", "wang"):
        do(admin, f"/people/{person}", **LI)
    week = ask(admin, "/roster", **{"from": "2026-11-23", "days": 7})
    (room,) = [each for each in week["posts"] if each["post"] == "security-room"]
    assert [[who["person"] for who in block["standings"]] for block in room["blocks"]] == [["zhang"]] * 14
    (leader,) = [each for each in week["posts"] if each["post"] == "duty-leader"]
    assert leader["needed_by"][0] == "escalation" and leader["blocks"][0]["standings"] == []
    found = ask(admin, "/roster/uncovered")["uncovered"]
    assert {"duty-leader", "patrol-guard"} <= {each["post"] for each in found}
    assert not [each for each in found if each["post"] == "security-room"]
    rotation = {
        "post": "duty-leader",
        "person": "li-na",
        "begins": "08:00",
        "ends": "08:00",
        "cycle": {"days": 3, "on": [0], "since": "2026-11-23"},
    }
    number = do(admin, "/roster/shifts", **rotation)["number"]
    assert ask(admin, "/roster/duty", at="2026-11-26T01:00:00Z")["posts"][1]["standings"][0]["shift"] == number
    do(admin, "/roster/shifts", 422, **{**rotation, "cycle": {"days": 2, "on": [2], "since": "2026-11-23"}})
    do(admin, "/roster/shifts", 422, **{**rotation, "person": "moon"})
    do(admin, "/roster/shifts", 422, **{**rotation, "zone": "moon"})
    do(admin, f"/roster/shifts/{number + 1}", 404, **rotation)
    span = {"begins": "2026-11-26T00:00:00+08:00", "ends": "2026-11-27T00:00:00+08:00"}
    away = do(admin, "/roster/absences", person="li-na", **span)["number"]
    at = {"at": "2026-11-26T01:00:00Z"}
    assert ask(admin, "/roster/duty", **at)["posts"][1]["standings"] == []
    instead = do(admin, "/roster/substitutions", person="li-na", substitute="wang", post="duty-leader", **span)
    (standing,) = ask(admin, "/roster/duty", **at)["posts"][1]["standings"]
    assert (standing["person"], standing["instead_of"]) == ("wang", "li-na")
    do(admin, "/roster/substitutions", 422, person="wang", substitute="wang", **span)
    do(admin, "/roster/absences", 422, person="li-na", begins=span["ends"], ends=span["begins"])
    do(admin, f"/roster/substitutions/{instead['number']}/remove")
    do(admin, f"/roster/absences/{away}/remove")
    do(admin, f"/roster/absences/{away}/remove", 404)
    assert ask(admin, "/roster/duty", **at)["posts"][1]["standings"][0]["person"] == "li-na"
    do(admin, f"/roster/shifts/{number}/remove")
    guard = colleague(api, Role.GUARD, "guard")
    ask(guard, "/roster")
    do(guard, "/roster/shifts", 403, **rotation)
    kinds = [row["kind"] for row in journal(api)]
    assert kinds[-6:] == [
        "absence.added",
        "substitution.added",
        "substitution.removed",
        "absence.removed",
        "shift.removed",
        "session.opened",
    ]


def test_heads_are_counted_and_the_control_room_is_staffed(api: RunningApi) -> None:
    admin = api.administrator()
    assert ask(admin, "/staffing")["head_count"] is None
    figures = {
        "pupils": 1600,
        "boarding": False,
        "guard_posts": ["security-room"],
        "control_posts": ["security-room"],
    }
    do(admin, "/staffing", **figures)
    staffing = ask(admin, "/staffing")
    assert staffing["head_count"]["required"] == 4 and staffing["head_count"]["missing"] == 4
    assert staffing["head_count"]["to_be_verified"] == []
    assert staffing["understaffed_now"] and len(staffing["shortages"]) == 1, "nobody is certified, all the week"
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    for number, person in enumerate(("li-na", "wang")):
        certificate = {"kind": "fire_control_operator", "expires_on": tomorrow if number else None}
        do(admin, f"/people/{person}", **{**LI, "qualifications": [certificate]})
        do(admin, "/roster/shifts", post="security-room", person=person, begins="00:00", ends="00:00")
    staffing = ask(admin, "/staffing")
    assert not staffing["understaffed_now"], "two certified people are there"
    assert staffing["shortages"] and staffing["shortages"][0]["begins"] > staffing["at"], "a certificate ends"
    do(admin, "/staffing", **{**figures, "pupils": 500, "boarding": True})
    assert ask(admin, "/staffing")["head_count"]["to_be_verified"] == ["middle_guards", "boarding_extra_guards"]
    do(admin, "/staffing", **{**figures, "pupils": 500, "rule": {"middle_guards": 3}})
    head_count = ask(admin, "/staffing")["head_count"]
    assert (head_count["required"], head_count["to_be_verified"]) == (3, [])
    do(admin, "/staffing", 422, **{**figures, "rule": {"guards": 3}})


def test_who_answers_for_this_now(api: RunningApi) -> None:
    admin = api.administrator()
    for person in ("li-na", "wang"):
        do(admin, f"/people/{person}", **LI)
    assert ask(admin, "/responsibilities")["unanswered"] == ["hall", "lab"]
    assert ask(admin, "/responsibilities/answer", zone="lab")["reachable"] == []
    do(admin, "/responsibilities", zone="lab", duty="fire", person="wang", rank="deputy")
    first = do(admin, "/responsibilities", zone="lab", duty="fire", person="li-na")["responsibility"]
    do(admin, "/responsibilities", zone="hall", person="zhang")
    assert ask(admin, "/responsibilities")["unanswered"] == []

    def reachable(**query: str) -> list[str]:
        return [each["person"] for each in ask(admin, "/responsibilities/answer", **query)["reachable"]]

    assert reachable(zone="lab", duty="fire") == ["li-na", "wang"]
    assert reachable(device="button", duty="fire") == ["li-na", "wang"]
    assert reachable(zone="lab", duty="food") == ["zhang"], "the whole of the building around it"
    now = datetime.now(UTC)
    span = {"begins": (now - timedelta(hours=1)).isoformat(), "ends": (now + timedelta(days=1)).isoformat()}
    do(admin, "/roster/absences", person="li-na", **span)
    assert reachable(zone="lab", duty="fire") == ["wang"], "who is on leave does not answer"
    do(admin, f"/responsibilities/{first}/remove")
    ask(admin, "/responsibilities/answer", 404, zone="moon")
    ask(admin, "/responsibilities/answer", 422, zone="lab", duty="moon")
    name = {"zh": "安全工作领导小组", "en": "safety committee"}
    do(admin, "/committees/safety", name=name, members=[{"person": "wang"}])
    assert ask(admin, "/committees")["committees"][0]["vacant"]
    do(admin, "/committees/safety", name=name, members=[{"person": "wang", "seat": "chair"}])
    assert not ask(admin, "/committees")["committees"][0]["vacant"]
    do(admin, "/committees/safety", 422, name=name, members=[{"person": "moon"}])
    do(admin, "/committees/safety/remove")
    do(admin, "/committees/safety/remove", 404)


def test_a_post_is_handed_over_by_two_accounts(api: RunningApi) -> None:
    admin = api.administrator()
    guard = colleague(api, Role.GUARD, "guard")
    do(admin, "/people/li-na", **{**LI, "account": "a-guard"})
    raised = admin.post(f"{AT}/alarms", json={"kind": "panic.pressed", "zone": "lab"})
    assert raised.status_code == 200, raised.text
    with connect(api.settings.database, application="test") as connection:
        connection.execute(
            "INSERT INTO condition VALUES ('demo', 'panel', '1-12', 'fire.isolated', true, now(), now(), 'x'),"
            " ('demo', 'panel', '1-13', 'fire.isolated', false, now(), now(), 'x'),"
            " ('demo', 'panel', '1-14', 'fire.alarm', true, now(), now(), 'x'),"
            " ('demo', 'door', '', 'door.fault', true, now(), now(), 'x')"
        )
    draft = ask(guard, "/handovers/draft")
    assert draft["list"]["out_of_service"] == [
        {"device": "door", "address": "", "kind": "door.fault"},
        {"device": "panel", "address": "1-12", "kind": "fire.isolated"},
    ]
    assert [each["state"] for each in draft["list"]["alarms"]] == ["unacknowledged"]
    signed = do(guard, "/handovers", post="security-room", note="雨夜")
    do(guard, "/handovers", 409, post="security-room")
    do(guard, "/handovers", 422, post="moon")
    path = f"/handovers/{signed['handover']}"
    do(guard, f"{path}/acknowledge", 409, digest=signed["digest"])
    do(admin, f"{path}/acknowledge", 409, digest="0" * 64)
    do(admin, f"{path}/refuse", 422)
    do(admin, f"{path}/withdraw", 409, reason="x")
    assert do(admin, f"{path}/acknowledge", digest=signed["digest"])["state"] == "acknowledged"
    do(admin, f"{path}/acknowledge", 409, digest=signed["digest"])
    (row,) = ask(guard, "/handovers")["handovers"]
    assert (row["from_person"], row["to_person"], row["to_name"]) == ("li-na", "zhang", "管理员")
    told = [each for each in journal(api) if each["subject"] == f"handover:{signed['handover']}"]
    assert [each["kind"] for each in told] == ["handover.signed", "handover.acknowledged"]
    assert all(each["body"]["digest"] == signed["digest"] for each in told)
    assert told[0]["body"]["list"]["alarms"] == draft["list"]["alarms"]
    auditor = colleague(api, Role.AUDITOR, "auditor")
    do(auditor, "/handovers", 403, post="security-room")
