"""People's acts over HTTP on real rows: once, on what was seen, by name; lists stay within their site."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from hub.store.database import Connection, connect, fetch_all
from tests.raising import clear_alarm, raise_alarm
from tests.running_api import SITE, RunningApi, prepare_site, run_api_here

AT = "/api/v1/sites/demo"


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    prepare_site(database)
    opened = connect(database, application="test")
    yield opened
    opened.close()


@pytest.fixture
def api(connection: Connection, database: str, tmp_path: Path) -> Iterator[RunningApi]:
    with run_api_here(database, tmp_path) as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> httpx2.Client:
    return api.administrator()


def test_an_alarm_from_raise_to_reset(client: httpx2.Client, connection: Connection) -> None:
    number = raise_alarm(connection)
    (alarm,) = client.get(f"{AT}/alarms").json()["alarms"]
    assert alarm["alarm"] == number
    assert (alarm["state"], alarm["priority"]) == ("unacknowledged", "critical")
    assert alarm["kind_name"] == {"zh": "一键报警", "en": "one-key alarm"}
    assert [step["zh"] for step in alarm["zone_path"]] == ["教学楼", "<img src=x onerror=alert(1)>"]
    assert alarm["next_escalation_to"] == {
        "post_name": {"zh": "值班领导", "en": "值班领导"},
        "person_name": None,
    }
    assert alarm["raised_at"].endswith("Z")
    seen = alarm["version"]
    answer = client.post(f"{AT}/alarms/{number}/acknowledge", json={"version": seen})
    assert answer.status_code == 200, answer.text
    acknowledged = answer.json()["alarm"]
    assert (acknowledged["state"], acknowledged["acknowledged_by_name"]) == ("latched", "管理员")
    assert client.post(f"{AT}/alarms/{number}/silence", json={}).status_code == 200
    early = client.post(f"{AT}/alarms/{number}/reset", json={})
    assert (early.status_code, early.json()["code"]) == (409, "act_refused")
    body = {"verification": "false", "cause": "touch", "reason": "a child"}
    assert client.post(f"{AT}/alarms/{number}/verify", json=body).json()["alarm"]["verification"] == "false"
    assert client.post(f"{AT}/alarms/{number}/reset", json={}).json()["alarm"]["state"] == "closed"
    assert client.get(f"{AT}/alarms").json()["alarms"] == []
    assert len(client.get(f"{AT}/alarms?state=all").json()["alarms"]) == 1
    detail = client.get(f"{AT}/alarms/{number}").json()
    assert detail["evidence"][0]["event"].startswith("e1/7/1/")
    assert [row["kind"] for row in detail["journal"]] == [
        "alarm.raised",
        "alarm.acknowledged",
        "alarm.silenced",
        "alarm.verified",
        "alarm.reset",
        "alarm.closed",
    ]
    assert detail["journal"][1]["actor_name"] == "管理员"
    assert "管理员" not in str([row["body"] for row in detail["journal"]])
    assert detail["journal"][1]["body"]["client"] == "127.0.0.1", "who, when, from where"
    assert "client" not in detail["journal"][0]["body"], "the worker acts from nowhere"


def test_an_alarm_that_moved_answers_with_what_it_is_now(client: httpx2.Client, connection: Connection) -> None:
    number = raise_alarm(connection, "door.held", "door", "1")
    seen = client.get(f"{AT}/alarms/{number}").json()["alarm"]["version"]
    clear_alarm(connection, "door.held", "door", "1")
    answer = client.post(f"{AT}/alarms/{number}/acknowledge", json={"version": seen})
    assert (answer.status_code, answer.json()["code"]) == (409, "moved")
    assert answer.json()["alarm"]["state"] == "returned"
    assert answer.json()["alarm"]["address_name"] == {"zh": "前门", "en": "前门"}
    present = answer.json()["alarm"]["version"]
    again = client.post(f"{AT}/alarms/{number}/acknowledge", json={"version": present})
    assert again.json()["alarm"]["state"] == "closed"


def test_an_act_sent_twice_is_done_once(client: httpx2.Client, connection: Connection) -> None:
    number = raise_alarm(connection)
    key = {"Idempotency-Key": "k1"}
    first = client.post(f"{AT}/alarms/{number}/acknowledge", json={}, headers=key)
    second = client.post(f"{AT}/alarms/{number}/acknowledge", json={}, headers=key)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    other = client.post(f"{AT}/alarms/{number}/silence", json={}, headers=key)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    rows = fetch_all(connection, "SELECT 1 FROM journal WHERE kind = 'alarm.acknowledged'")
    assert len(rows) == 1
    without = client.post(f"{AT}/alarms/{number}/acknowledge", json={})
    assert without.status_code == 409


def test_people_raise_alarms_report_hazards_and_start_drills(client: httpx2.Client) -> None:
    raised = client.post(f"{AT}/alarms", json={"zone": "hall", "kind": "fire.alarm", "words": "电话:有烟"})
    assert raised.status_code == 200, raised.text
    assert raised.json()["alarm"]["subject"] == "hall"
    hazard = client.post(
        f"{AT}/hazards", json={"title": "灭火器过期", "zone": "hall", "grade": "major", "due_days": 2}
    )
    assert hazard.status_code == 200, hazard.text
    number = hazard.json()["hazard"]["hazard"]
    assert client.post(f"{AT}/hazards/{number}/confirm", json={}).json()["hazard"]["state"] == "confirmed"
    refused = client.post(f"{AT}/hazards/{number}/close", json={})
    assert refused.status_code == 409
    assert client.get(f"{AT}/hazards/{number}").json()["journal"][0]["kind"] == "hazard.reported"
    plans = [plan["plan"] for plan in client.get(f"{AT}/plans").json()["plans"]]
    assert "fire" in plans
    started = client.post(f"{AT}/incidents", json={"plan": "fire", "zone": "hall", "exercise": True})
    assert started.status_code == 200, started.text
    incident = started.json()["incident"]
    assert incident["exercise"] is True
    assert incident["steps"]
    step = incident["steps"][0]["step"]
    answer = client.post(f"{AT}/incidents/{incident['incident']}/steps/{step}/accept", json={"reason": ""})
    assert answer.status_code == 200, answer.text
    assert answer.json()["incident"]["steps"][0]["state"] == "accepted"
    counts = client.get(f"{AT}/overview").json()["counts"]
    assert (counts["hazards_major"], counts["incidents"], counts["unacknowledged"]) == (1, 1, 1)


def test_the_commander_releases_what_the_plan_holds_back(client: httpx2.Client) -> None:
    started = client.post(f"{AT}/incidents", json={"plan": "fire", "zone": "hall", "reason": "smell of smoke"})
    assert started.status_code == 200, started.text
    assert [each["kind"] for each in started.json()["incident"]["commands"]] == []
    release = f"{AT}/incidents/{started.json()['incident']['incident']}/release"
    nameless = client.post(release, json={"reason": " "})
    assert (nameless.status_code, "reason" in nameless.text) == (422, True)
    released = client.post(release, json={"reason": "smoke in the stairs"})
    assert released.status_code == 200, released.text
    commands = released.json()["incident"]["commands"]
    assert {(each["device"], each["kind"]) for each in commands} == {("door", "door.release")}
    assert client.post(release, json={"reason": "again"}).status_code == 409
    rows = client.get(f"{AT}/journal").json()["rows"]
    (told,) = [row for row in rows if row["kind"] == "incident.released"]
    assert (told["actor_name"], told["body"]["reason"]) == ("管理员", "smoke in the stairs")


def test_commands_are_taken_or_refused_with_a_reason(client: httpx2.Client) -> None:
    body = {"device": "door", "address": "1", "kind": "door.release", "reason": "delivery"}
    taken = client.post(f"{AT}/commands", json=body)
    assert taken.status_code == 200, taken.text
    assert taken.json()["command"]["state"] == "requested"
    refused = client.post(f"{AT}/commands", json={**body, "device": "button"})
    assert refused.json().get("command", {}).get("state") == "refused" or refused.status_code in (409, 422)
    assert client.get(f"{AT}/commands").json()["commands"][0]["kind_name"]["zh"] == "开门保持"


def test_what_is_not_there_is_404_everywhere(
    client: httpx2.Client, connection: Connection, database: str
) -> None:
    other = copy.deepcopy(SITE)
    other["site"] = "other"
    prepare_site(database, other)
    number = raise_alarm(connection, site="other")
    for path in (
        f"{AT}/alarms/{number}",
        f"{AT}/hazards/1",
        f"{AT}/incidents/1",
        f"{AT}/devices/nothing",
        f"{AT}/readings?device=door&point=voltage_v",
        "/api/v1/sites/nowhere/overview",
        "/api/v1/sites/nowhere/live",
        "/api/v1/sites/NO/overview",
    ):
        assert client.get(path).status_code == 404, path
    for path in (f"alarms/{number}/acknowledge", "hazards/7/confirm", "incidents/7/respond"):
        assert client.post(f"{AT}/{path}", json={}).status_code == 404, path
    assert client.post(f"{AT}/quarantine/99/retry").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("alarms/0/acknowledge", {}),
        ("alarms/99999999999999999999999/acknowledge", {}),
        ("alarms/x/acknowledge", {}),
        ("alarms/1/acknowledge", {"surprise": 1}),
        ("alarms/1/verify", {"verification": "perhaps"}),
        ("alarms/1/note", {"words": "nul\u0000byte"}),
        ("alarms", {"zone": "mars", "kind": "fire.alarm"}),
        ("alarms", {"zone": "hall", "kind": "no.kind"}),
        ("hazards", {"title": ""}),
        ("incidents", {"plan": "no such plan"}),
        ("commands", {"device": "door", "kind": "door.release", "parameters": {"a": {"b": 1}}}),
    ],
)
def test_malformed_acts_are_refused_and_change_nothing(
    client: httpx2.Client, connection: Connection, path: str, body: dict[str, object]
) -> None:
    before = fetch_all(connection, "SELECT max(seq) AS seq FROM journal")
    answer = client.post(f"{AT}/{path}", json=body)
    assert answer.status_code in (404, 422), answer.text
    assert {"code", "message"} <= set(answer.json())
    assert fetch_all(connection, "SELECT max(seq) AS seq FROM journal") == before


def test_operators_act_but_do_not_administer(
    api: RunningApi, client: httpx2.Client, connection: Connection
) -> None:
    number = raise_alarm(connection)
    connection.execute("UPDATE account_grant SET role = 'operator'")
    refused = client.post(f"{AT}/quarantine/1/retry")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert client.post(f"{AT}/alarms/{number}/acknowledge", json={}).status_code == 200


def test_devices_are_unknown_until_heard_and_offline_only_behind_a_living_edge(
    client: httpx2.Client, connection: Connection
) -> None:
    def states() -> dict[str, str]:
        return {each["device"]: each["state"] for each in client.get(f"{AT}/devices").json()["devices"]}

    assert states() == {"button": "unknown", "door": "unknown"}
    connection.execute("UPDATE edge SET heard_at = now()")
    connection.execute(
        "INSERT INTO condition VALUES ('demo', 'button', '', 'device.offline', false, now(), now(), 'x'),"
        " ('demo', 'door', '', 'device.offline', true, now(), now(), 'x'),"
        " ('demo', 'door', '1', 'door.held', true, now(), now(), 'x')"
    )
    assert states() == {"button": "online", "door": "offline"}
    door = client.get(f"{AT}/devices/door").json()["device"]
    assert [each["kind"] for each in door["conditions"]] == ["device.offline", "door.held"]
    connection.execute("UPDATE edge SET heard_at = now() - interval '31 s'")
    assert states() == {"button": "unknown", "door": "unknown"}


def test_values_that_are_stale_or_no_numbers_are_not_shown_as_fresh(
    client: httpx2.Client, connection: Connection
) -> None:
    connection.execute("UPDATE edge SET heard_at = now()")
    for series, point in enumerate(("temperature_c", "humidity_pct", "co_ppm"), start=1):
        connection.execute(
            "INSERT INTO series (site, series, device, address, point) VALUES ('demo', %s, 'door', '', %s)",
            (series, point),
        )
    connection.execute(
        "INSERT INTO latest VALUES ('demo', 1, now(), now(), 21.5, 0),"
        " ('demo', 2, now(), now() - interval '11 min', 40, 0), ('demo', 3, now(), now(), 'NaN', 3)"
    )
    values = {
        each["point"]: (each["value"], each["quality"], each["unit"])
        for each in client.get(f"{AT}/devices/door").json()["device"]["values"]
    }
    assert values == {
        "temperature_c": (21.5, "good", "°C"),
        "humidity_pct": (40.0, "stale", "%"),
        "co_ppm": (None, "bad", "ppm"),
    }
    counts = client.get(f"{AT}/overview").json()["counts"]
    assert (counts["points_total"], counts["points_known"], counts["points_unknown"]) == (3, 1, 2)


def test_events_and_readings_by_time(client: httpx2.Client, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO events (site, event, recorded_at, observed_at, edge_at, edge, epoch, lane, sequence,"
        " ordinal,"
        " device, address, zone, kind, active, late, quality, identity, attributes, raw)"
        " SELECT 'demo', 'e1/1/1/' || n || '/0', now() - n * interval '1 min', now(), now(), 'e1', 1, 1, n, 0,"
        " 'door', '1', 'lab', 'door.opened', mod(n, 2) = 0, false, 0, '', '{\"raw_code\": 7}', '' FROM"
        " generate_series(1, 5) n"
    )
    events = client.get(f"{AT}/events?device=door&limit=3").json()["events"]
    assert [each["event"] for each in events] == ["e1/1/1/1/0", "e1/1/1/2/0", "e1/1/1/3/0"]
    assert client.get(f"{AT}/events?kind=door.forced").json()["events"] == []
    wrong = client.get(f"{AT}/events?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "from")
    assert client.get(f"{AT}/events?from=2020-01-01T00:00:00Z").status_code == 422
    for edge in ("to=0001-01-01T00:00:00Z", "from=9999-12-31T23:59:59-12:00", "to=9999-12-31T23:59:59-12:00"):
        assert client.get(f"{AT}/events?{edge}").status_code == 422, edge
    connection.execute(
        "INSERT INTO series (site, series, device, address, point) VALUES ('demo', 1, 'door', '', 'voltage_v')"
    )
    connection.execute(
        "INSERT INTO readings SELECT 'demo', 1, now() - n * interval '1 s', now(), n, 0"
        " FROM generate_series(1, 5) n"
    )
    answer = client.get(f"{AT}/readings?device=door&point=voltage_v").json()
    assert [each["value"] for each in answer["series"][0]["readings"]] == [5.0, 4.0, 3.0, 2.0, 1.0]


def test_the_journal_is_read_in_order(client: httpx2.Client, connection: Connection) -> None:
    raise_alarm(connection)
    page = client.get(f"{AT}/journal?limit=2").json()
    rest = client.get(f"{AT}/journal?after={page['next']}").json()
    seqs = [row["seq"] for row in page["rows"] + rest["rows"]]
    assert seqs == list(range(1, len(seqs) + 1))


def test_the_description_names_every_operation_once(client: httpx2.Client) -> None:
    for path in ("/api/v1/openapi.json", "/api/openapi.json"):
        document = client.get(path).json()
    names = [operation.get("operationId") for item in document["paths"].values() for operation in item.values()]
    assert None not in names
    assert len(names) == len(set(names))
    assert "AlarmView" in document["components"]["schemas"]


def test_screens_say_they_are_there(client: httpx2.Client, connection: Connection) -> None:
    body = {"station": "wall 1", "sound": "armed"}
    assert client.post(f"{AT}/screen", json=body).status_code == 204
    assert client.post(f"{AT}/screen", json={**body, "sound": "muted"}).status_code == 204
    rows = fetch_all(connection, "SELECT process, detail FROM liveness WHERE process LIKE 'screen%%'")
    assert [(row["process"], row["detail"]["sound"]) for row in rows] == [("screen:wall 1", "muted")]
