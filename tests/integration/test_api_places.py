"""Zones and devices changed over HTTP: seen versions, faults by field, what is in use, and going back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from hub.domain.permission import Grant, Role
from hub.store.database import connect
from tests.raising import raise_alarm
from tests.running_api import SITE, RunningApi, Screen, prepare_site, run_api_here

PLACES, VERSIONS = "/api/v1/sites/demo/places", "/api/v1/sites/demo/versions"
ROOM = {"zone": "room", "parent": "hall", "name": {"zh": "<b>教室</b>"}, "kind": "room", "class": "sensitive"}


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    (tmp_path / "any.yaml").write_text("profile: any\n", encoding="utf-8")
    prepare_site(database, {**SITE, "area": ["杭州", "西湖"]})
    with run_api_here(database, tmp_path) as running:
        yield running


def send(client: httpx2.Client, path: str, key: str = "", **body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post(path, json=body, headers=headers)
    told: dict[str, Any] = answer.json()
    return answer.status_code, told


def test_the_tree_is_changed_entry_by_entry_and_every_version_stays(api: RunningApi) -> None:
    admin = api.administrator()
    screen = Screen(admin)
    screen.wait_for("snapshot")
    seen = admin.get(PLACES).json()
    assert [each["zone"] for each in seen["zones"]] == ["hall", "lab"] and seen["version"] == 1
    assert seen["gateways"] == [{"edge": "e1", "name": {"zh": "网关", "en": "网关"}, "connections": ["mqtt"]}]
    assert seen["choices"]["profiles"] == ["any"]

    for _ in range(2):
        # The same key again: the same answer, and not a second zone.
        done = send(admin, f"{PLACES}/zones", "key-1", version=1, zone=ROOM, reason="新教室")
        assert done == (200, {"version": 2, "changed": True})
    assert send(admin, f"{PLACES}/zones", version=1, zone={**ROOM, "zone": "late"})[1]["code"] == "moved"
    assert send(admin, f"{PLACES}/zones/room/move", version=2, parent="hall", after=None)[1]["version"] == 3
    assert [each["zone"] for each in admin.get(PLACES).json()["zones"]] == ["hall", "room", "lab"]
    assert send(admin, f"{PLACES}/devices/button/move", version=3, zone="room")[1]["version"] == 4
    device = next(each for each in admin.get(PLACES).json()["devices"] if each["device"] == "button")
    new = {**device, "device": "button-2", "name": {"zh": "按钮二"}, "address": "7"}
    assert send(admin, f"{PLACES}/devices", version=4, device=new)[1]["version"] == 5
    with connect(api.settings.database, application="test") as connection:
        row = connection.execute("SELECT settings, settings_version FROM edge WHERE edge = 'e1'").fetchone()
    assert row is not None and row[1] == 3, "the gateway is told of its broker, then of a device more"
    assert [each["device"] for each in row[0]["devices"]] == ["button", "door", "button-2"]

    status, told = send(admin, f"{PLACES}/devices/button-2", version=5, device={**new, "connection": "none"})
    assert (status, told["field"]) == (422, "devices[button-2].connection")
    status, told = send(
        admin, f"{PLACES}/zones/hall", version=5, zone={**ROOM, "zone": "hall", "parent": "lab"}
    )
    assert (status, told["field"]) == (422, "zones[hall].parent"), told
    assert send(admin, f"{PLACES}/zones/room/remove", version=5)[0] == 409
    with connect(api.settings.database, application="test") as connection:
        number = raise_alarm(connection, device="button-2", zone="room")
    status, told = send(admin, f"{PLACES}/devices/button-2/remove", version=5)
    assert status == 409 and f"alarm {number}" in told["message"]

    versions = admin.get(VERSIONS, params={"limit": 3}).json()
    assert [(each["version"], each["source"], each["reason"]) for each in versions["versions"]] == [
        *((5, "console", ""), (4, "console", ""), (3, "console", "")),
    ]
    older = admin.get(VERSIONS, params={"before": versions["next"]}).json()["versions"]
    assert [(each["version"], each["reason"]) for each in older] == [(2, "新教室"), (1, "")]
    assert older[0]["by"] == "管理员"
    found = admin.get(f"{VERSIONS}/4/differences").json()
    assert found["differences"] == [
        {
            "noun": "device",
            "name": "button",
            "change": "changed",
            "fields": [{"field": "zone", "before": "lab", "after": "room"}],
        }
    ]
    exported = admin.get(f"{VERSIONS}/2/document.yaml")
    assert [each["zone"] for each in yaml.safe_load(exported.text)["zones"]] == ["hall", "lab", "room"]
    status, told = send(admin, f"{VERSIONS}/1/revert", version=5)
    assert status == 409 and "button-2" in told["message"], "a revert removes nothing that is in use either"
    with connect(api.settings.database, application="test") as connection:
        connection.execute("UPDATE alarm SET state = 'closed'")
    assert send(admin, f"{VERSIONS}/1/revert", version=5, reason="重来")[1]["version"] == 6
    assert admin.get(f"{VERSIONS}/6/differences", params={"against": 1}).json()["differences"] == []
    names = [each["name"]["zh"] for each in screen.wait_for("snapshot", 2).data["zones"]]
    assert names, "screens draw the site anew"
    screen.close()


def test_who_may_change_what(api: RunningApi) -> None:
    admin = api.administrator()
    integrator = api.colleague("i", Grant(Role.INTEGRATOR, "demo"))
    operator = api.colleague("o", Grant(Role.OPERATOR, "demo"))
    devices = operator.get(PLACES).json()["devices"]
    assert [each["parameters"] for each in devices] == [None, None]
    assert send(operator, f"{PLACES}/zones", version=1, zone=ROOM)[0] == 403
    assert operator.get(VERSIONS).status_code == 403
    assert send(integrator, f"{PLACES}/zones", version=1, zone=ROOM)[0] == 200
    assert send(integrator, f"{PLACES}/area", version=2, area=["宁波"])[1]["code"] == "not_allowed"
    assert send(admin, f"{PLACES}/area", version=2, area=["宁波"])[1]["code"] == "second_factor_needed"
    bureau = api.colleague("b", Grant(Role.BUREAU, area=("杭州",)))
    assert bureau.get(PLACES).status_code == 200
    assert send(api.prove(admin), f"{PLACES}/area", version=2, area=["宁波"])[1]["version"] == 3
    assert bureau.get(PLACES).status_code == 404, "another city's bureau from now on"
    # Going back moves the site, too, and so needs the same.
    assert send(integrator, f"{VERSIONS}/2/revert", version=3)[1]["code"] == "not_allowed"
