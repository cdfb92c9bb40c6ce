"""Modes over HTTP and through the hub's due work: set, refused, extended, ended, run out once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.clock import utc_now
from hub.dispatch.due import work_due
from hub.domain.permission import Role
from hub.rulebook.book import RuleBook
from hub.store.database import connect, fetch_all, site_turn, transaction
from tests.integration.test_api_people import colleague
from tests.running_api import RunningApi, prepare_site, run_api_here

AT = "/api/v1/sites/demo/modes"
ZONE = "lab"


@pytest.fixture
def api(any_database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(any_database)
    with run_api_here(any_database, tmp_path) as running:
        yield running


def post(client: httpx2.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"{AT}/{path}", json={"reason": "晚自习结束", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def hours(count: float) -> str:
    return (utc_now() + timedelta(hours=count)).isoformat()


def journal(api: RunningApi) -> list[dict[str, Any]]:
    with connect(api.settings.database, application="test") as connection:
        return fetch_all(
            connection, "SELECT kind, actor, body, at FROM journal WHERE kind LIKE 'mode.%%' ORDER BY seq"
        )


def run_due(api: RunningApi, at: datetime) -> int:
    """What the chores process does each second, at a moment of ours."""
    with connect(api.settings.database, application="test") as connection, transaction(connection):
        site_turn(connection, "demo")
        return work_due(connection, "demo", at=at, book=RuleBook())


def test_an_area_is_armed_with_what_stands_open_and_disarmed(api: RunningApi) -> None:
    guard = colleague(api, Role.OPERATOR, "wang")
    with connect(api.settings.database, application="test") as connection:
        connection.execute(
            "INSERT INTO condition (site, device, address, kind, active, observed_at, recorded_at, event)"
            " SELECT 'demo', device, CASE device WHEN 'door' THEN '1' ELSE '' END, kind,"
            " kind = 'door.opened', now(), now(), kind FROM device,"
            " unnest(ARRAY['door.opened', 'door.forced']) AS kind WHERE site = 'demo'"
        )
        doors = [row["device"] for row in fetch_all(connection, "SELECT device FROM condition WHERE active")]
    assert doors
    armed = post(guard, "armed", zone=ZONE, exit_delay_s=30)
    assert [row["device"] for row in armed["unready"]] == doors
    assert {row["kind"] for row in armed["unready"]} == {"door.opened"}
    mode = armed["mode"]
    assert (mode["state"], mode["in_force"], mode["exit_delay_s"]) == ("set", True, 30.0)
    assert mode["subject_path"] and mode["set_by_name"] == "wang"
    assert "is set there already" in post(guard, "armed", 409, zone=ZONE)["message"]
    post(guard, f"test/{mode['mode']}/end", 404)
    ended = post(guard, f"armed/{mode['mode']}/end")
    assert (ended["mode"]["state"], ended["unready"]) == ("ended", [])
    post(guard, f"armed/{mode['mode']}/end", 409)
    assert [row["kind"] for row in journal(api)] == ["mode.set", "mode.ended"]
    shown = guard.get(AT).json()
    assert shown["modes"] == [] and [each["mode"] for each in shown["past"]] == [mode["mode"]]


def test_a_test_runs_out_once_at_the_moment_that_was_set(api: RunningApi) -> None:
    guard = colleague(api, Role.OPERATOR, "wang")
    end = hours(1)
    mode = post(guard, "test", subject_kind="zone", subject=ZONE, expires_at=end)["mode"]
    later = hours(2)
    extended = post(guard, f"test/{mode['mode']}/extend", expires_at=later)["mode"]
    assert datetime.fromisoformat(extended["expires_at"]) == datetime.fromisoformat(later)
    assert run_due(api, datetime.fromisoformat(end) + timedelta(seconds=1)) == 0
    over = datetime.fromisoformat(later)
    assert run_due(api, over + timedelta(minutes=7)) == 1
    assert run_due(api, over + timedelta(minutes=8)) == 0
    rows = journal(api)
    assert [row["kind"] for row in rows] == ["mode.set", "mode.extended", "mode.expired"]
    assert datetime.fromisoformat(rows[-1]["body"]["ended_at"]) == over
    assert rows[-1]["actor"].startswith("system:")
    assert guard.get(AT).json()["past"][0]["state"] == "expired"


def test_what_has_run_out_is_not_in_force_and_makes_room(api: RunningApi) -> None:
    """Also while nobody has worked off what is due."""
    guard = colleague(api, Role.OPERATOR, "wang")
    first = post(guard, "armed", zone=ZONE, expires_at=hours(1))["mode"]["mode"]
    with connect(api.settings.database, application="test") as connection:
        connection.execute(
            "UPDATE mode SET expires_at = now() - interval '1 s', set_at = now() - interval '1 h'"
        )
    assert [each["in_force"] for each in guard.get(AT).json()["modes"]] == [False]
    post(guard, f"armed/{first}/extend", 409, expires_at=hours(1))
    second = post(guard, "armed", zone=ZONE)["mode"]["mode"]
    assert second != first
    assert [row["kind"] for row in journal(api)] == ["mode.set", "mode.expired", "mode.set"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("armed", {"zone": "nowhere"}, "subject: 'nowhere' is no zone of this site"),
        ("test", {"subject_kind": "zone", "subject": ZONE, "expires_at": hours(9)}, "at most 8:00:00"),
        ("test", {"subject_kind": "zone", "subject": ZONE, "expires_at": hours(-1)}, "is over already"),
        ("test", {"subject_kind": "zone", "subject": ZONE}, "expires_at"),
        ("armed", {"zone": ZONE, "reason": " "}, "reason: is empty"),
        ("armed", {"zone": ZONE, "exit_delay_s": 301}, "exit_delay_s"),
    ],
)
def test_what_cannot_be_set_names_field_and_cure(
    api: RunningApi, path: str, body: dict[str, Any], said: str
) -> None:
    guard = colleague(api, Role.OPERATOR, "wang")
    answer = guard.post(f"{AT}/{path}", json={"reason": "r", **body})
    assert answer.status_code == 422 and said in answer.text, answer.text
    assert journal(api) == [] and guard.get(AT).json()["modes"] == []


def test_each_kind_has_a_right_of_its_own(api: RunningApi) -> None:
    guard = colleague(api, Role.OPERATOR, "wang")
    officer = colleague(api, Role.SAFETY_OFFICER, "zhao")
    principal = colleague(api, Role.PRINCIPAL, "qian")
    post(guard, "exam", 403, expires_at=hours(5))
    exam = post(officer, "exam", expires_at=hours(5))["mode"]
    post(guard, f"exam/{exam['mode']}/end", 403)
    post(officer, "threat_level", 403, level="orange")
    level = post(principal, "threat_level", level="orange")["mode"]
    assert (level["level"], level["subject_kind"]) == ("orange", "site")
    assert [each["kind"] for each in guard.get(AT).json()["modes"]] == ["exam", "threat_level"]
