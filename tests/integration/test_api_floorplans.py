"""Floor plans over HTTP: sent, seen, placed on, overtaken, removed, and journaled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from hub.domain.permission import Grant, Role
from hub.floorplans.workshop import MOST_FILE_BYTES
from hub.store.database import connect, fetch_all
from tests.running_api import RunningApi, prepare_site, run_api_here

AT = "/api/v1/sites/demo/floorplans"
ROOM = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="9" height="9"/></svg>'
OUTLINE = {"zone": "lab", "corners": [[0, 0], [0.5, 0], [0.5, 0.5]]}
BUTTON = {"device": "button", "address": None, "x": 0.25, "y": 0.125}
DOOR = {"device": "door", "address": "1", "x": 0.5, "y": 0.333333}


@pytest.fixture
def api(any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(any_database)
    with run_api_here(any_database, tmp_path) as running:
        yield running


def send(client: httpx2.Client, data: bytes, version: int, zone: str = "hall") -> httpx2.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return client.post(f"{AT}/{zone}/picture?version={version}", content=data, headers=headers)


def places(client: httpx2.Client, version: int, **body: object) -> httpx2.Response:
    return client.post(f"{AT}/hall/places", json={"version": version, "zones": [], "devices": [], **body})


def test_a_plan_from_the_file_to_the_screen(api: RunningApi) -> None:
    officer = api.colleague("officer", Grant(Role.SAFETY_OFFICER, "demo"))
    guard = api.colleague("guard", Grant(Role.GUARD, "demo"))

    assert officer.get(AT).json() == {"floorplans": []}
    assert officer.get(f"{AT}/hall/picture").status_code == 404
    assert send(guard, ROOM.encode(), 0).status_code == 403
    assert send(officer, ROOM.encode(), 0, "nowhere").status_code == 404
    assert send(officer, ROOM.encode(), 0).json() == {"zone": "hall", "version": 1}

    seen = guard.get(f"{AT}/hall/picture")
    assert seen.status_code == 200 and seen.headers["content-type"] == "image/png"
    assert seen.headers["content-security-policy"].startswith("default-src 'none'")
    assert seen.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(seen.content)) as picture:
        assert picture.size == (3000, 1500)
    again = guard.get(f"{AT}/hall/picture", headers={"If-None-Match": seen.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    assert "default-src 'self'" in guard.get(AT).headers["content-security-policy"]

    assert places(officer, 1, zones=[OUTLINE], devices=[BUTTON, DOOR]).json()["version"] == 2
    [plan] = guard.get(AT).json()["floorplans"]
    assert plan["zone"] == "hall" and plan["version"] == 2 and (plan["width"], plan["height"]) == (3000, 1500)
    assert plan["zones"] == [OUTLINE]
    assert plan["devices"] == [BUTTON, {**DOOR, "y": 0.33333}]

    # Another was faster: nothing is written over.
    late = places(officer, 1)
    assert late.status_code == 409 and late.json()["code"] == "moved"
    assert send(officer, ROOM.encode(), 1).status_code == 409
    assert send(officer, ROOM.encode(), 2).json()["version"] == 3
    assert guard.get(AT).json()["floorplans"][0]["zones"] == [OUTLINE]

    assert officer.post(f"{AT}/hall/remove", json={"version": 2}).status_code == 409
    assert officer.post(f"{AT}/hall/remove", json={"version": 3, "reason": "旧图"}).status_code == 200
    assert guard.get(AT).json() == {"floorplans": []}
    with connect(api.settings.database, application="test") as connection:
        rows = fetch_all(
            connection,
            "SELECT kind, actor, subject FROM journal WHERE site = 'demo' AND kind LIKE 'floorplan.%'"
            " ORDER BY seq",
        )
    assert [row["kind"].removeprefix("floorplan.") for row in rows] == ["set", "placed", "set", "removed"]
    assert {(row["actor"], row["subject"]) for row in rows} == {("a-officer", "zone:hall")}


def test_what_cannot_stand_on_a_plan_is_named(api: RunningApi) -> None:
    officer = api.colleague("officer", Grant(Role.SAFETY_OFFICER, "demo"))
    send(officer, ROOM.encode(), 0)
    for body, said in (
        ({"zones": [{**OUTLINE, "zone": "moon"}]}, "zones[moon]"),
        ({"zones": [OUTLINE, OUTLINE]}, "twice"),
        ({"zones": [{"zone": "lab", "corners": [[0, 0], [0, 0], [1, 1]]}]}, "2 corners"),
        ({"devices": [{**BUTTON, "device": "ufo"}]}, "devices[ufo]"),
        ({"devices": [{**DOOR, "address": "9"}]}, "no such address"),
        ({"devices": [BUTTON, BUTTON]}, "twice"),
        ({"devices": [{**BUTTON, "x": 1.5}]}, "devices.0.x"),
    ):
        answer = places(officer, 1, **body)
        assert answer.status_code == 422 and said in answer.json()["message"], answer.text
    refused = send(officer, b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 1)
    assert refused.status_code == 422 and refused.json()["code"] == "floorplan_unreadable"
    assert send(officer, b"0" * (MOST_FILE_BYTES + 1), 1).status_code == 413
    assert officer.get(AT).json()["floorplans"][0]["version"] == 1
