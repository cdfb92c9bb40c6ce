"""What an edge did by itself, taken over by the hub: one row, one id, no second order; late words count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from adapters.contract.codec import encode_payload
from adapters.contract.command import derive_command
from adapters.contract.message import Event, EventItem, Reflex
from adapters.contract.vocabulary import Lane
from hub.commands.desk import apply_result, expire_commands, mark_sent, record_reflex
from hub.domain.command import CommandState, Precedence, ReflexDone
from hub.domain.error import ActRefused
from hub.domain.moment import microseconds
from hub.intake.parcel import Parcel
from hub.intake.series import SeriesBook
from hub.intake.unpack import Origin, find_reflex_fault, take_item
from hub.rulebook.book import RuleBook, load_book
from hub.rules.engine import Engine
from hub.rules.outcome import CommandOutcome
from hub.store.site import load_site_model
from hub.store.turn import CHORES, Turn
from hub.store.view import open_incidents
from tests.dispatching import ROOT, SITE, School, kinds, make_school
from tests.ruling import START, event

SECOND_SIGN = event("fire.alarm", "lab-smoke", 20, True)


@pytest.fixture
def school(any_database: str) -> Iterator[School]:
    make_school(any_database)
    school = School(any_database)
    yield school
    school.close()


def done(
    device: str = "siren", kind: str = "siren.on", *, evidence: str = SECOND_SIGN.id, at_s: float = 20
) -> ReflexDone:
    return ReflexDone(
        command=derive_command("rule:fire-verified", 1, evidence, device, "", kind),
        edge="edge",
        rule="fire-verified",
        version=1,
        device=device,
        address="",
        kind=kind,
        parameters={},
        precedence=Precedence.FIRE_LINKAGE,
        evidence=(evidence,),
        at=START + timedelta(seconds=at_s),
    )


def record(school: School, *reflexes: ReflexDone, at_s: float = 20) -> None:
    with school.turn() as connection:
        for each in reflexes:
            record_reflex(Turn(connection, SITE, START + timedelta(seconds=at_s)), each)


def hear(school: School, command: str, state: str, at_s: float = 21) -> bool:
    with school.turn() as connection:
        return apply_result(Turn(connection, SITE, START + timedelta(seconds=at_s)), command, state, "", "edge")


def test_what_the_edge_did_is_not_ordered_again_and_belongs_to_the_incident(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    record(school, done(), done("east-door", "door.release"))
    school.feed(SECOND_SIGN)
    commands = {(each.device, each.source): each for each in school.commands()}
    assert set(commands) == {
        ("siren", "reflex:fire-verified"),
        ("east-door", "reflex:fire-verified"),
        ("controller", "rule:fire-verified"),
    }, "what no table of the edge names, the hub orders"
    assert {each.incident for each in commands.values()} == {1}
    assert [each.device for each in school.waiting_commands()] == ["controller"]
    record(school, done())
    assert len(school.commands()) == 3, "told again, nothing is new"
    assert hear(school, done().command, "confirmed")
    assert commands["siren", "reflex:fire-verified"].requested_at == START + timedelta(seconds=20)


PRESS = event("panic.pressed", "gate-button", 20)


def press_sounds_the_siren() -> RuleBook:
    """The shipped book, with the one-key alarm's siren the one that this school has."""
    book = load_book(ROOT / "rules", ROOT / "plans")
    siren = CommandOutcome(kind="siren.on", device="siren")
    rules = [
        rule.model_copy(update={"commands": (siren,)}) if rule.rule == "panic-pressed" else rule
        for rule in book.rules
    ]
    return RuleBook(tuple(rules), book.plans)


@pytest.mark.parametrize("order", ["reflex first", "event first", "hub alone", "late"])
def test_the_siren_of_a_press_belongs_to_its_incident(any_database: str, order: str) -> None:
    make_school(any_database)
    school = School(any_database, press_sounds_the_siren())
    reflex = replace(done(evidence=PRESS.id), rule="panic-pressed", precedence=Precedence.SCHEDULE)
    reflex = replace(reflex, command=derive_command("rule:panic-pressed", 1, PRESS.id, "siren", "", "siren.on"))
    try:
        if order in ("reflex first", "late"):
            record(school, reflex)
        school.feed(structs.replace(PRESS, late=order == "late"), at_s=21)
        if order == "event first":
            record(school, reflex, at_s=22)
        (incident,) = school.incidents()
        (siren,) = [each for each in school.commands() if each.device == "siren"]
        assert siren.command == reflex.command and siren.incident == incident.incident
        view = open_incidents(school.connection, SITE)
        assert [each["command"] for each in view.commands[incident.incident]] == [reflex.command]
    finally:
        school.close()


def test_a_reflex_told_after_its_event_was_judged_late_is_the_incidents(any_database: str) -> None:
    make_school(any_database)
    school = School(any_database, press_sounds_the_siren())
    try:
        school.feed(structs.replace(PRESS, late=True), at_s=100)
        reflex = replace(done(evidence=PRESS.id), rule="panic-pressed")
        record(school, reflex, at_s=101)
        assert [each.incident for each in school.commands()] == [1], "the hub ordered nothing, the edge did"
    finally:
        school.close()


def test_an_order_whose_reflex_failed_is_given_by_the_plan(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    record(school, done())
    hear(school, done().command, "failed")
    school.feed(SECOND_SIGN)
    siren = [each for each in school.commands() if each.device == "siren"]
    assert sorted(each.state for each in siren) == [CommandState.FAILED, CommandState.REQUESTED]


def test_a_reflex_undoes_a_lower_order_that_still_waits(school: School) -> None:
    school.act("command.request", device="east-door", kind="door.restore", at_s=0)
    record(school, done("east-door", "door.release"))
    states = {each.kind: each.state for each in school.commands()}
    assert states == {"door.restore": CommandState.SUPERSEDED, "door.release": CommandState.ACCEPTED}


def test_a_rule_that_the_hub_judged_first_is_the_same_command(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True), SECOND_SIGN)
    before = {each.command: each.state for each in school.commands()}
    assert before[done().command] is CommandState.REQUESTED
    record(school, done())
    after = {each.command: each.state for each in school.commands()}
    assert after[done().command] is CommandState.ACCEPTED and len(after) == len(before)


def test_only_the_commander_ends_a_siren_that_a_fire_began(school: School) -> None:
    record(school, done())
    hear(school, done().command, "confirmed")
    with pytest.raises(ActRefused, match="fire linkage"):
        school.act("command.request", device="siren", kind="siren.off", at_s=30)
    assert school.act(
        "command.request", device="siren", kind="siren.off", emergency=True, reason="扰民", at_s=31
    )


def test_the_same_order_a_while_later_is_a_new_one(school: School) -> None:
    record(school, done())
    hear(school, done().command, "confirmed")
    school.feed(event("fire.alarm", "hall-smoke", 0, True), at_s=85)
    school.feed(structs.replace(SECOND_SIGN, id="edge/1/1/99/0"), at_s=86)
    assert len([each for each in school.commands() if each.device == "siren"]) == 2


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["accepted", "confirmed"], CommandState.CONFIRMED),
        (["accepted", "failed"], CommandState.FAILED),
        (["refused"], CommandState.REFUSED),
        (["expired"], CommandState.EXPIRED),
    ],
)
def test_a_late_word_about_a_command_that_was_given_up_counts(
    school: School, words: list[str], state: CommandState
) -> None:
    made = school.act("command.request", device="canteen-door", kind="door.pulse", at_s=0)["command"]
    with school.turn() as connection:
        mark_sent(Turn(connection, SITE, START), made)
        expire_commands(Turn(connection, SITE, START + timedelta(seconds=60), CHORES), limit=10)
    assert school.commands()[0].state is CommandState.UNCONFIRMED
    mark = school.seq()
    for word in words:
        hear(school, made, word, at_s=3_600)
    assert school.commands()[0].state is state
    assert "command.contradicted" not in kinds(school.said(mark))


def wire(**changes: object) -> Reflex:
    values = {
        "command": derive_command("rule:r", 1, "edge/7/1/5/0", "siren", "", "siren.on"),
        "rule": "r",
        "version": 1,
        "device": "siren",
        "address": "",
        "kind": "siren.on",
        "parameters": {},
        "evidence": ["edge/7/1/5/0"],
        "precedence": 6,
        **changes,
    }
    return Reflex(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"kind": "door.lock"}, "'door.lock' is none of"),
        ({"version": 2}, "not that of its rule"),
        ({"device": "east-door"}, "not that of its rule"),
        ({"precedence": 0}, "of rank 0"),
        ({"evidence": []}, "0 events as evidence"),
        ({"evidence": ["other/7/1/5/0"]}, "not of this edge"),
    ],
)
def test_what_cannot_be_a_reflex(changes: dict[str, object], fault: str) -> None:
    found = find_reflex_fault("edge", wire(**changes))
    assert (fault in found) if fault else not found


def test_a_reflex_that_cannot_be_is_held_alone_and_its_event_is_taken(school: School) -> None:
    model = load_site_model(school.connection, SITE)
    book = SeriesBook(model, Engine(school.book, model), {}, set(), b"")
    now = START + timedelta(hours=1)
    parcel = Parcel(SITE, now, "alarm")
    press = Event("gate-button", "", "panic.pressed", None, None, microseconds(now))
    good, wrong, stranger = wire(), wire(version=2), wire(device="nobody")
    origin = Origin("edge", 7, Lane.ALARM, 5, 0, None)
    take_item(parcel, book, origin, encode_payload(EventItem([press], [good, wrong, stranger])))
    assert len(parcel.events) == 1
    assert [each.command for each in parcel.reflexes] == [good.command]
    assert [row.code for row in parcel.held] == ["malformed_item", "misaddressed"]
    (notice,) = parcel.take_notices()[:1]
    assert notice.kind == "intake.unreadable"
    replayed = structs.replace(SECOND_SIGN, attributes={"replayed": True})
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    school.feed(replayed)
    assert school.commands() == [], "a memory of the broker orders nothing"
