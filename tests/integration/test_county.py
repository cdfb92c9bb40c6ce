"""A county's page: what each school counts, which comes first, what is not known, and whose one sees."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.clock import utc_now
from hub.domain.county import areas_of, link_of, urgency
from hub.domain.permission import Grant, Role
from hub.store.database import connect
from tests.raising import raise_alarm
from tests.running_api import SITE, prepare_site, run_api_here

NOW = utc_now()
LATELY = NOW - timedelta(seconds=5)
LONG_AGO = NOW - timedelta(minutes=5)
PLACES = {
    "calm": ["city", "east"],
    "burning": ["city", "east"],
    "dark": ["city", "west"],
    "untended": ["city", "west"],
    "far": ["elsewhere", "north"],
}


@pytest.mark.parametrize(
    ("worker_at", "edges", "heard", "online", "link"),
    [
        (LATELY, 2, 2, 2, "online"),
        (LATELY, 2, 2, 1, "partial"),
        (LATELY, 2, 1, 0, "offline"),
        (LATELY, 2, 0, 0, "unknown"),
        (LATELY, 0, 0, 0, "unknown"),
        # Nobody takes in what the school says: that it is silent cannot be said.
        (LONG_AGO, 2, 2, 2, "unknown"),
        (LONG_AGO, 2, 2, 0, "unknown"),
        (None, 2, 2, 2, "unknown"),
    ],
)
def test_what_is_known_of_a_link(worker_at: Any, edges: int, heard: int, online: int, link: str) -> None:
    assert link_of(NOW, worker_at=worker_at, edges=edges, heard=heard, online=online) == link


def test_the_worst_first_and_a_dark_school_before_what_can_be_seen_and_is_not_critical() -> None:
    none = dict.fromkeys(
        ("critical", "high", "medium", "low", "hazards", "hazards_major", "hazards_overdue"), 0
    )
    schools = [
        urgency("online", {**none, "critical": 2}, "two-fires"),
        urgency("unknown", {**none, "critical": 1}, "one-fire"),
        urgency("unknown", none, "unknown"),
        urgency("online", {**none, "high": 3}, "high"),
        urgency("online", {**none, "hazards_overdue": 1, "hazards": 1}, "overdue"),
        urgency("partial", none, "partial"),
        urgency("online", {**none, "low": 9}, "low"),
        urgency("online", none, "calm-a"),
        urgency("online", none, "calm-b"),
    ]
    assert schools == sorted(schools)


def test_areas_are_named_with_their_cities() -> None:
    assert areas_of([("b", "x"), ("a",), ("b", "y"), ("b", "x")]) == [("a",), ("b",), ("b", "x"), ("b", "y")]


def test_a_bureau_sees_its_schools_the_worst_first(database: str, tmp_path: Path) -> None:
    for site in PLACES:
        prepare_site(database, {**SITE, "site": site})
    with connect(database, application="test") as connection:
        for site, area in PLACES.items():
            connection.execute("UPDATE site SET area = %s WHERE site = %s", (area, site))
        tended = [site for site in PLACES if site != "untended"]
        connection.execute(
            "INSERT INTO liveness (process, site, started_at, at)"
            " SELECT 'worker', s, now(), now() + interval '1 hour' FROM unnest(%s::text[]) s",
            (tended,),
        )
        connection.execute(
            "UPDATE edge SET heard_at = now() + interval '1 hour' WHERE site = ANY(%s)",
            (["calm", "burning", "untended"],),
        )
        connection.execute(
            "INSERT INTO condition (site, device, address, kind, active, observed_at, recorded_at, event)"
            " SELECT s, 'door', '', 'device.offline', s = 'burning', now(), now(), ''"
            " FROM unnest(ARRAY['calm', 'burning', 'untended']) s"
        )
        connection.execute("INSERT INTO series VALUES ('burning', 1, 'button', '', 'x')")
        for site in ("burning", "far"):
            raise_alarm(connection, site=site)
        connection.execute(
            "INSERT INTO hazard (site, hazard, subject, condition, title, grade, state, source, reported_at,"
            " last_seen_at, due_at) SELECT 'calm', n, 'd-' || n, 'x', '{}', 'general', state, 'r', now(),"
            " now(), now() + days * interval '1 day' FROM (VALUES (1, 'confirmed', -1), (2, 'confirmed', 1),"
            " (3, 'closed', -1)) AS h (n, state, days)"
        )
    with run_api_here(database, tmp_path) as api:
        everything = _ask(api.administrator())
        assert everything["total"] == 5
        client = api.colleague("bureau", Grant(Role.BUREAU, area=("city",)))
        told = _ask(client)
        schools = {school["site"]: school for school in told["schools"]}
        assert [school["site"] for school in told["schools"]] == ["burning", "dark", "untended", "calm"]
        assert told["areas"] == [["city"], ["city", "east"], ["city", "west"]]
        assert told["links"] == {"online": 2, "partial": 0, "offline": 0, "unknown": 2}
        assert told["alarms"]["critical"] == 1 == told["alarms"]["unacknowledged"]
        assert told["hazards"] == {"open": 2, "major": 0, "overdue": 1}
        assert schools["burning"]["devices"] == {"total": 2, "online": 1, "offline": 1, "unknown": 0}
        assert schools["calm"]["devices"] == {"total": 2, "online": 1, "offline": 0, "unknown": 1}
        # Behind a link of which nothing is known no device is known, whatever was the last word.
        for site in ("dark", "untended"):
            assert schools[site]["link"] == "unknown"
            assert schools[site]["devices"] == {"total": 2, "online": 0, "offline": 0, "unknown": 2}
        assert schools["dark"]["heard_at"] is None
        # Pages go on where the one before ended; the figures above are of the whole area all the same.
        pages = [_ask(client, offset=at, limit=3) for at in (0, 3)]
        assert [school["site"] for page in pages for school in page["schools"]] == list(schools)
        assert all(page["alarms"] == told["alarms"] and page["total"] == 4 for page in pages)
        # An area is asked for by its parts; one that is not his has no schools, as one that there is not.
        assert [school["site"] for school in _ask(client, area=["city", "west"])["schools"]] == [
            "dark",
            "untended",
        ]
        for area in (["elsewhere"], ["nowhere"]):
            foreign = _ask(client, area=area)
            assert (foreign["total"], foreign["schools"]) == (0, [])
        nobody = api.colleague("nobody").get("/api/v1/county")
        assert nobody.status_code == 403


def _ask(client: httpx2.Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/county", params=parameters)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told
