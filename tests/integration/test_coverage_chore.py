"""An empty post is told a day before it is needed: one hazard, not one a minute, and it goes when somebody is
found.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from hub.domain.error import ActRefused
from hub.domain.hazard import HazardState
from hub.domain.roster import EVERY_DAY, Absence, Shift
from hub.domain.staffing import FIRE_CONTROL, SchoolFigures
from hub.hazards.act import act_on_hazard
from hub.jobs.coverage import coverage_chore
from hub.store.database import Connection, connect, fetch_all, site_turn, transaction
from hub.store.person import PersonSheet, save_person
from hub.store.roster import insert_absence, remove_absence, remove_shift, save_figures, save_shift
from hub.store.turn import Turn
from tests.dispatching import SITE, make_school
from tests.intake_worker import shipped_book

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # noon in the school


def hazards(connection: Connection) -> list[tuple[str, str, str]]:
    rows = fetch_all(connection, "SELECT subject, condition, state FROM hazard ORDER BY hazard")
    return [(row["subject"], row["condition"], row["state"]) for row in rows]


def test_a_hole_in_the_roster_is_one_hazard_a_day_before(any_database: str) -> None:
    make_school(any_database)
    chore = coverage_chore(shipped_book().plans)
    with connect(any_database, application="test") as connection:
        # The sample school has nobody for some posts; these are filled first.
        for number in range(5):
            chore.work(connection, [SITE], NOW + timedelta(minutes=number))
        empty = sorted({subject.removeprefix("post:") for subject, _, _ in hazards(connection)})
        for number, post in enumerate(empty, start=100):
            connection.execute(
                "INSERT INTO post (site, post, name) VALUES (%s, %s, '{}') ON CONFLICT DO NOTHING", (SITE, post)
            )
            save_shift(
                connection, SITE, Shift(post, "p-duty-leader", EVERY_DAY, time(0), time(0), shift=number)
            )
        assert len(hazards(connection)) == len(empty), "one each, though it looked five times"
        assert chore.work(connection, [SITE], NOW + timedelta(minutes=6)) == len(empty)
        assert {state for _, _, state in hazards(connection)} <= {"dismissed"}, "filled before anybody looked"
        assert chore.work(connection, [SITE], NOW + timedelta(minutes=7)) == 0

        before = len(hazards(connection))
        leave = Absence("p-security-room", NOW + timedelta(hours=30), NOW + timedelta(hours=40), 1)
        insert_absence(connection, SITE, leave)
        assert chore.work(connection, [SITE], NOW) == 0, "more than a day ahead"
        assert chore.work(connection, [SITE], NOW + timedelta(hours=7)) == 1
        assert chore.work(connection, [SITE], NOW + timedelta(hours=8)) == 0
        (hazard,) = fetch_all(connection, "SELECT * FROM hazard ORDER BY hazard OFFSET %s", (before,))
        assert (hazard["subject"], hazard["condition"]) == ("post:security-room", "roster.uncovered")
        assert hazard["due_at"] == leave.begins and "11-24 18:00–11-25 " in hazard["title"]["zh"]

        # Somebody works on it: it does not go by itself, and is not closed while the hole is there.
        at = NOW + timedelta(hours=9)
        for verb, actor in (("confirm", "7"), ("assign", "7"), ("begin", "7"), ("submit", "7")):
            with transaction(connection):
                site_turn(connection, SITE)
                act_on_hazard(Turn(connection, SITE, at, actor), str(hazard["hazard"]), verb, {}, "看过")
        with pytest.raises(ActRefused, match="still has nobody"), transaction(connection):
            site_turn(connection, SITE)
            act_on_hazard(Turn(connection, SITE, at, "8"), str(hazard["hazard"]), "close", {}, "看过")
        remove_absence(connection, SITE, 1)
        assert chore.work(connection, [SITE], at) == 0
        with transaction(connection):
            site_turn(connection, SITE)
            act_on_hazard(Turn(connection, SITE, at, "8"), str(hazard["hazard"]), "close", {}, "看过")
        assert hazards(connection)[-1][2] == HazardState.CLOSED


def test_an_empty_roster_and_a_short_control_room(any_database: str) -> None:
    make_school(any_database)
    chore = coverage_chore({})
    with connect(any_database, application="test") as connection:
        save_figures(connection, SITE, SchoolFigures(500, False, (), ("security-room",)))
        assert chore.work(connection, [SITE], NOW) == 1
        assert hazards(connection)[-1] == ("roster", "roster.understaffed", "reported")
        assert chore.work(connection, [SITE], NOW) == 0
        for person in ("p-security-room", "p-duty-leader"):
            sheet = PersonSheet("人", qualifications=[{"kind": FIRE_CONTROL}])
            save_person(connection, SITE, person, sheet)
        second = Shift("security-room", "p-duty-leader", EVERY_DAY, time(0), time(0), shift=99)
        save_shift(connection, SITE, second)
        assert chore.work(connection, [SITE], NOW) == 1 and hazards(connection)[-1][2] == "dismissed"
        for row in fetch_all(connection, "SELECT shift FROM shift"):
            remove_shift(connection, SITE, row["shift"])
        chore.work(connection, [SITE], NOW)
        assert [each[1] for each in hazards(connection) if each[2] == "reported"] == ["roster.empty"]
