"""Two at once: one open alarm; a chain without an end is cut; what cannot be judged is still an alarm."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from adapters.contract.vocabulary import Priority
from hub.dispatch.consequence import MAX_DEPTH, follow
from hub.dispatch.verdict import apply_verdicts, raise_unjudged
from hub.domain.chain import canonical, hash_row
from hub.domain.error import ActRefused, HubError
from hub.rulebook.book import RuleBook
from hub.store.alarm import find_alarm
from hub.store.checkpoint import load_checkpoints
from hub.store.database import connect, site_turn, transaction
from tests.dispatching import SITE, School, make_school
from tests.ruling import START, event


@pytest.fixture
def school(database: str) -> Iterator[School]:
    make_school(database)
    school = School(database)
    yield school
    school.close()


def test_two_raises_at_once_make_one_open_alarm(school: School) -> None:
    count = 8
    barrier = threading.Barrier(count)

    def raise_one(number: int) -> None:
        verdicts = school.engine.judge(number, [event("door.forced", "lab-door", number, True)])
        connection = connect(school.dsn, application="race")
        try:
            barrier.wait(timeout=10)
            with transaction(connection):
                site_turn(connection, SITE)
                apply_verdicts(connection, SITE, verdicts, at=START, book=school.book)
        finally:
            connection.close()

    threads = [threading.Thread(target=raise_one, args=(number,)) for number in range(1, count + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    (alarm,) = school.alarms()
    assert alarm.occurrences == count
    assert len([row for row in school.journal() if row["kind"] == "alarm.raised"]) == 1


def test_two_people_acknowledge_at_once_and_one_is_told(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    others = [School(school.dsn, school.book) for _ in range(2)]
    barrier = threading.Barrier(2)
    results: list[str] = []

    def acknowledge(one: School, actor: str) -> None:
        barrier.wait(timeout=10)
        try:
            one.act("alarm.acknowledge", 1, actor=actor)
            results.append("done")
        except ActRefused as error:
            results.append(str(error))

    threads = [
        threading.Thread(target=acknowledge, args=(one, actor))
        for one, actor in zip(others, ("7", "8"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    for one in others:
        one.close()
    assert sorted(results) == ["cannot acknowledge what is latched (momentary-latching); possible now:"
                               " escalate, raise, reset", "done"]  # fmt: skip


def test_a_chain_without_an_end_is_cut() -> None:
    handled = []

    def handle(thing: int) -> list[int]:
        handled.append(thing)
        return [thing + 1]

    assert follow([0], handle) == MAX_DEPTH
    assert len(handled) == MAX_DEPTH
    assert follow([1, 2, 3], lambda thing: []) is None


def test_what_could_not_be_judged_is_an_alarm_of_its_kind(school: School) -> None:
    press = event("panic.pressed", "gate-button", 0)
    with school.turn() as connection:
        raise_unjudged(connection, SITE, press, at=START, error="KeyError: 'x'")
    by_kind = {alarm.kind: alarm for alarm in school.open_alarms()}
    assert set(by_kind) == {"panic.pressed", "rule.broken"}
    assert by_kind["panic.pressed"].unjudged
    assert by_kind["panic.pressed"].priority is Priority.CRITICAL
    recorded = event("access.granted", "lab-door", 1)
    ended = event("fire.alarm", "hall-smoke", 2, False)
    with school.turn() as connection:
        raise_unjudged(connection, SITE, recorded, at=START, error="x")
        raise_unjudged(connection, SITE, ended, at=START, error="x")
    assert len(school.open_alarms()) == 2
    broken = find_alarm(school.connection, SITE, by_kind["rule.broken"].alarm)
    assert broken is not None and broken.occurrences == 3


def test_a_refused_dispatch_leaves_nothing_behind(school: School) -> None:
    with pytest.raises(HubError, match="which is not there"), school.turn() as connection:
        verdicts = school.engine.judge(1, [event("panic.pressed", "gate-button", 0)])
        apply_verdicts(connection, SITE, verdicts, at=START, book=RuleBook())
    assert school.alarms() == [] and school.journal() == []


def test_the_engine_goes_on_from_the_stored_checkpoints(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    again = School(school.dsn, school.book)
    again.engine.restore(load_checkpoints(again.connection, SITE))
    again.position = school.position
    said = again.feed(event("fire.alarm", "lab-smoke", 60, True))
    again.close()
    assert "incident:1 incident.triggered" in said


def test_the_journal_is_one_unbroken_chain_without_names(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True), event("fire.alarm", "lab-smoke", 1, True, n=0.5))
    school.act("alarm.acknowledge", 1)
    rows = school.connection.execute(
        "SELECT seq, at, actor, subject, kind, body, prev_hash, hash FROM journal WHERE site = %s ORDER BY seq",
        (SITE,),
    ).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    before = b"\0" * 32
    for seq, at, actor, subject, kind, body, prev_hash, row_hash in rows:
        assert bytes(prev_hash) == before
        before = hash_row(before, SITE, seq, at, actor, subject, kind, canonical(body))
        assert bytes(row_hash) == before, f"row {seq} does not hash to what it says"
        assert "人" not in canonical(body), "bodies hold ids of persons, never names"
