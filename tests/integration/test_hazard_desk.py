"""A hazard from its report to its closing: who may verify, and when a close is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.hazard import Grade, Hazard, HazardState
from hub.store.hazard import find_hazard
from tests.dispatching import SITE, School, kinds, make_school
from tests.ruling import START, event, reading, tick


@pytest.fixture
def school(database: str) -> Iterator[School]:
    make_school(database)
    school = School(database)
    yield school
    school.close()


def hazard_of(school: School, number: int = 1) -> Hazard:
    hazard = find_hazard(school.connection, SITE, number)
    assert hazard is not None
    return hazard


def walk(school: School, number: int, *acts: str, actor: str = "7", **given: object) -> None:
    for act in acts:
        school.act(f"hazard.{act}", number, actor=actor, reason="看过", **given)


def test_a_fault_becomes_a_ticket_and_stays_one(school: School) -> None:
    assert kinds(school.feed(event("device.fault", "lab-door", 0, True))) == ["hazard.reported"]
    hazard = hazard_of(school)
    assert (hazard.subject, hazard.condition, hazard.state) == (
        "lab-door",
        "device.fault",
        HazardState.REPORTED,
    )
    assert hazard.due_at == START + timedelta(days=3) and hazard.checker == "device.fault"
    school.feed(event("device.fault", "lab-door", 10, False))
    assert kinds(school.feed(event("device.fault", "lab-door", 20, True))) == ["hazard.repeated"]
    assert hazard_of(school).occurrences == 2 and len(hazard_of(school).evidence) == 2
    assert len(school.open_hazards()) == 1


def test_close_is_refused_while_it_is_still_there(school: School) -> None:
    school.feed(event("device.fault", "lab-door", 0, True))
    walk(school, 1, "confirm", "assign", "begin", "submit")
    with pytest.raises(ActRefused, match="not the one who rectified"):
        walk(school, 1, "close")
    with pytest.raises(ActRefused, match=r"device\.fault is still active at lab-door"):
        walk(school, 1, "close", actor="8")
    school.feed(event("device.fault", "lab-door", 60, False))
    walk(school, 1, "close", actor="8")
    closed = hazard_of(school)
    assert (closed.state, closed.rectified_by, closed.verified_by) == (HazardState.CLOSED, "7", "8")


def test_a_rule_answers_whether_it_is_still_there(school: School) -> None:
    school.feed(reading("gate-button", "battery_pct", 10, 0))
    walk(school, 1, "confirm", "assign", "begin", "submit")
    with pytest.raises(ActRefused, match="rule battery-level still finds it"):
        walk(school, 1, "close", actor="8")
    school.feed(reading("gate-button", "battery_pct", 100, 60))
    walk(school, 1, "close", actor="8")


def test_what_comes_back_reopens_the_old_ticket(school: School) -> None:
    school.feed(event("device.fault", "lab-door", 0, True), event("device.fault", "lab-door", 5, False))
    walk(school, 1, "confirm", "assign", "begin", "submit")
    walk(school, 1, "close", actor="8")
    assert kinds(school.feed(event("device.fault", "lab-door", 2000, True))) == ["hazard.recurred"]
    again = hazard_of(school)
    assert (again.state, again.occurrences, again.verified_by) == (HazardState.RECTIFYING, 2, None)
    assert len(school.hazards()) == 1


def test_a_major_hazard_needs_an_interim_measure(school: School) -> None:
    school.feed(event("fire.isolated", "panel", 0, True, address="1"), tick(86_400))
    major = hazard_of(school)
    assert major.grade is Grade.MAJOR and major.subject == "panel:1" and major.zone == "teaching-1f"
    walk(school, 1, "confirm")
    with pytest.raises(ActRefused, match="interim control measure"):
        walk(school, 1, "assign")
    walk(school, 1, "assign", interim_measure="每小时巡查")
    assert hazard_of(school).interim_measure == "每小时巡查"


def test_deferring_and_rejecting_need_a_reason(school: School) -> None:
    school.act("hazard.report", zone="canteen", title="地面湿滑")
    assert hazard_of(school).title == {"zh": "地面湿滑", "en": "地面湿滑"}
    assert hazard_of(school).source == "person:7"
    walk(school, 1, "confirm", "assign", "begin")
    with pytest.raises(InvalidAct, match="reason: is missing"):
        school.act("hazard.defer", 1)
    before = hazard_of(school).due_at
    school.act("hazard.defer", 1, reason="等配件", due_days=10)
    assert hazard_of(school).due_at == before + timedelta(days=10)
    walk(school, 1, "resume", "submit")
    walk(school, 1, "reject", actor="8")
    assert hazard_of(school).state is HazardState.RECTIFYING


def test_every_report_is_a_ticket_of_its_own_and_can_be_dismissed(school: School) -> None:
    for title in ("a", "b"):
        school.act("hazard.report", zone="canteen", title=title)
    with pytest.raises(InvalidAct, match="reason: is missing"):
        school.act("hazard.dismiss", 1)
    walk(school, 1, "dismiss")
    assert [each.hazard for each in school.open_hazards()] == [2]
    for wrong, why in (
        ({}, "title: is missing"),
        ({"title": "x", "zone": "moon"}, "no place of this site"),
        ({"title": "x", "device": "moon"}, "no device of this site"),
        ({"title": "x", "grade": "huge"}, "use general or major"),
        ({"title": "x", "due_days": -1}, "no number of days"),
    ):
        with pytest.raises(InvalidAct, match=why):
            school.act("hazard.report", **wrong)
    with pytest.raises(InvalidAct, match=r"hazard\.paint is no act"):
        school.act("hazard.paint", 2)
    with pytest.raises(NotFound):
        school.act("hazard.confirm", 99)
