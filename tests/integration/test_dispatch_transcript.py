"""Days at a small school, on a real database: from the press to the last step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapters.contract.vocabulary import Priority
from hub.commands.desk import apply_result, expire_commands, mark_sent
from hub.dispatch.verdict import apply_verdicts
from hub.domain.alarm import AlarmState
from hub.domain.command import CommandState, Precedence
from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.domain.incident import IncidentState, StepState
from hub.domain.judgement import OpenIncident, RaiseAlarm
from hub.store.alarm import find_alarm
from hub.store.incident import steps_of
from hub.store.turn import CHORES, Turn
from tests.dispatching import SITE, School, kinds, make_school
from tests.ruling import START, event


@pytest.fixture
def school(database: str) -> Iterator[School]:
    make_school(database)
    school = School(database)
    yield school
    school.close()


def second(number: float) -> object:
    return START + timedelta(seconds=number)


def test_a_press_is_a_critical_alarm_and_an_incident_with_steps(school: School) -> None:
    said = school.feed(event("panic.pressed", "gate-button", 0))
    assert said[:3] == [
        "alarm:1 alarm.raised",
        "incident:1 incident.triggered",
        "incident:1 incident.step_notified",
    ]
    (alarm,) = school.open_alarms()
    assert (alarm.state, alarm.priority) == (AlarmState.UNACKNOWLEDGED, Priority.CRITICAL)
    assert alarm.active is None and alarm.zone == "gate" and alarm.incident == 1
    assert alarm.next_escalation_at == second(30)
    assert [each["event"] for each in school.evidence(1)] == ["edge/1/1/gate-button..panic.pressed.0/0"]
    raised = school.journal()[0]
    assert raised["body"]["evidence"] == ["edge/1/1/gate-button..panic.pressed.0/0"]
    assert raised["body"]["sound"] is True and raised["actor"] == "system:worker"
    (incident,) = school.open_incidents()
    assert (incident.plan, incident.state, incident.zone) == ("violence", IncidentState.TRIGGERED, "gate")
    assert incident.commander == "p-security-chief"
    steps = steps_of(school.connection, SITE, 1)
    notified = [step for step in steps if step.state is StepState.NOTIFIED]
    assert notified and all(step.person == f"p-{step.post}" and step.due_at for step in notified)
    assert {step.state for step in steps if step.after} == {StepState.PENDING}


def test_one_detector_is_high_two_are_a_fire(school: School) -> None:
    assert kinds(school.feed(event("fire.alarm", "hall-smoke", 0, True))) == ["alarm.raised"]
    (first,) = school.open_alarms()
    assert first.priority is Priority.HIGH
    assert "现场核实" in first.response["zh"]
    assert school.detectors(1) == 1
    school.act("alarm.acknowledge", 1, at_s=5)

    said = school.feed(event("fire.alarm", "panel", 20, True, address="2"))
    assert said[:3] == [
        "alarm:2 alarm.raised",
        "alarm:1 alarm.escalated",
        "alarm:2 alarm.escalated",
    ]
    assert kinds(said)[3:8] == [*["command.requested"] * 3, "incident.triggered", "incident.step_notified"]
    assert kinds(said).count("command.requested") == kinds(said).count("command.taken_over") == 3
    alarms = school.open_alarms()
    assert {alarm.priority for alarm in alarms} == {Priority.CRITICAL}
    assert {alarm.state for alarm in alarms} == {AlarmState.UNACKNOWLEDGED}, "it sounds again"
    assert {alarm.incident for alarm in alarms} == {1}
    assert all("疏散" in alarm.response["zh"] for alarm in alarms), "verified: no longer 'send someone to look'"
    assert (school.detectors(1), school.detectors(2)) == (2, 1)
    (incident,) = school.open_incidents()
    assert (incident.plan, incident.zone, incident.verified) == ("fire", "teaching", True)
    commands = [each for each in school.commands() if each.incident == 1]
    assert {(each.device, each.address, each.kind) for each in commands} == {
        ("east-door", "", "door.release"),
        ("controller", "1", "door.release"),
        ("siren", "", "siren.on"),
    }, "only inside the building, each door of a controller where it really is"
    release = next(each for each in commands if each.device == "east-door")
    assert release.precedence is Precedence.FIRE_LINKAGE and release.edge == "edge"

    school.feed(event("fire.alarm", "lab-smoke", 40, True))
    assert len(school.commands()) == 3, "a third detector repeats no command"
    assert len(school.incidents()) == 1


def test_a_call_point_alone_releases_nothing_until_it_is_verified(school: School) -> None:
    school.feed(event("fire.manual_call_point", "panel", 0, True, address="1"))
    (incident,) = school.open_incidents()
    assert incident.state is IncidentState.TRIGGERED and not incident.verified
    assert "door.release" not in {each.kind for each in school.commands()}
    said = school.feed(event("fire.alarm", "lab-smoke", 30, True))
    assert "incident:1 incident.verified" in said
    released = [each.device for each in school.commands() if each.kind == "door.release"]
    assert sorted(released) == ["controller", "east-door"]


def test_a_commanders_named_release_goes_at_the_commanders_rank(school: School) -> None:
    school.feed(event("fire.manual_call_point", "panel", 0, True, address="1"))
    with pytest.raises(InvalidAct, match="reason: is missing"):
        school.act("incident.release", 1)
    school.act("incident.release", 1, reason="浓烟", at_s=60)
    released = [each for each in school.commands() if each.kind == "door.release"]
    assert {each.precedence for each in released} == {Precedence.COMMANDER}
    assert {each.source for each in released} == {"person:7"}
    with pytest.raises(ActRefused, match="holds back no command"):
        school.act("incident.release", 1, reason="浓烟")


def test_late_evidence_raises_and_proposes_but_never_acts(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True, late=True), at_s=600)
    school.feed(event("fire.alarm", "lab-smoke", 5, True, late=True), at_s=600)
    assert all(alarm.late for alarm in school.open_alarms())
    (incident,) = school.open_incidents()
    assert incident.state is IncidentState.PROPOSED
    assert {step.state for step in steps_of(school.connection, SITE, 1)} == {StepState.PENDING}
    assert school.commands() == []
    school.act("incident.start", 1, at_s=700)
    (incident,) = school.open_incidents()
    assert incident.state is IncidentState.TRIGGERED and not incident.verified
    assert "door.release" not in {each.kind for each in school.commands()}


def test_late_evidence_proposes_beside_a_drill_of_the_same_plan(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    (real,) = school.incidents()
    school.act("incident.dismiss", real.incident, reason="x")
    school.act("alarm.acknowledge", 1)
    school.act("alarm.verify", 1, verification="false")
    school.act("alarm.reset", 1)
    school.act("incident.start", plan=real.plan, zone=real.zone, exercise=True)
    school.feed(event("panic.pressed", "gate-button", 1, late=True), at_s=2000)
    assert [(each.state, each.exercise) for each in school.incidents()[1:]] == [
        (IncidentState.TRIGGERED, True),
        (IncidentState.PROPOSED, False),
    ]


def test_a_proposed_incident_starts_with_fresh_evidence(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True, late=True), at_s=600)
    school.feed(event("fire.alarm", "lab-smoke", 5, True, late=True), at_s=600)
    said = school.feed(event("fire.alarm", "panel", 610, True, address="1"))
    assert "incident:1 incident.triggered" in said and "incident:1 incident.verified" in said


def test_history_is_attached_and_changes_no_state(school: School) -> None:
    school.feed(event("door.forced", "lab-door", 100, True))
    school.feed(event("door.forced", "lab-door", 50, True, late=True), at_s=150)
    (alarm,) = school.open_alarms()
    assert alarm.state is AlarmState.UNACKNOWLEDGED and alarm.observed_at == second(50)
    assert len(school.evidence(1)) == 2
    school.act("alarm.acknowledge", 1, at_s=200)
    school.feed(event("door.forced", "lab-door", 300, False))
    school.act("alarm.verify", 1, verification="false", cause="wind")
    school.act("alarm.reset", 1)
    said = school.feed(event("door.forced", "lab-door", 250, True, late=True), at_s=1200)
    assert said == ["alarm:1 alarm.evidenced"], "it belongs to the alarm that is closed by now"
    assert school.open_alarms() == []


def test_news_of_what_is_over_raises_an_alarm_that_is_already_returned(school: School) -> None:
    school.feed(event("door.forced", "lab-door", 100, False))
    said = school.feed(event("door.forced", "lab-door", 50, True, late=True), at_s=150)
    assert kinds(said) == ["alarm.raised", "alarm.cleared"]
    (alarm,) = school.open_alarms()
    assert alarm.state is AlarmState.RETURNED and alarm.late and alarm.active is False


def test_nobody_acknowledges_and_it_goes_up_the_posts(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    told = []
    for at_s in (29, 30, 59, 60, 119, 120, 500):
        mark = school.seq()
        school.due(at_s)
        told += [
            (at_s, row["body"]["post"], row["body"]["persons"], row["body"]["sound"])
            for row in school.journal(mark)
            if row["kind"] == "alarm.escalated"
        ]
    assert told == [
        (30, "duty-leader", ["p-duty-leader"], True),
        (60, "safety-vice-principal", ["p-safety-vice-principal"], True),
        (120, "principal", ["p-principal"], True),
    ]


def test_acknowledging_ends_the_escalation_at_once(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    school.act("alarm.acknowledge", 1, at_s=10)
    alarm = find_alarm(school.connection, SITE, 1)
    assert alarm is not None and alarm.next_escalation_at is None
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.LATCHED, "7")
    assert [each for each in kinds(school.due(31)) if each.startswith("alarm.")] == []
    row = school.journal()[-1]
    acknowledged = next(each for each in school.journal() if each["kind"] == "alarm.acknowledged")
    assert (acknowledged["actor"], acknowledged["body"]["station"]) == ("7", "desk-1")
    assert row["seq"] >= acknowledged["seq"]


def test_the_four_acts_on_a_latching_alarm(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    with pytest.raises(ActRefused, match="condition is still active"):
        school.act("alarm.reset", 1)
    school.act("alarm.silence", 1)
    school.act("alarm.acknowledge", 1)
    with pytest.raises(ActRefused, match="cannot acknowledge what is acknowledged"):
        school.act("alarm.acknowledge", 1)
    school.feed(event("fire.alarm", "hall-smoke", 60, False))
    with pytest.raises(ActRefused, match="unverified; verify it first"):
        school.act("alarm.reset", 1)
    with pytest.raises(InvalidAct, match="verification: 'maybe' is none"):
        school.act("alarm.verify", 1, verification="maybe")
    assert school.act("alarm.verify", 1, verification="false", cause="steam")["state"] == "latched"
    assert school.act("alarm.reset", 1)["state"] == "closed"
    with pytest.raises(ActRefused, match="possible now: nothing"):
        school.act("alarm.acknowledge", 1)
    written = [kind for kind in kinds(school.said(0)) if kind.startswith("alarm.")]
    assert written == [
        "alarm.raised",
        "alarm.silenced",
        "alarm.acknowledged",
        "alarm.cleared",
        "alarm.verified",
        "alarm.reset",
        "alarm.closed",
    ]


def test_a_repeat_sounds_again_and_a_latched_one_asks_anew(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    school.feed(event("panic.pressed", "gate-button", 5))
    repeated = school.journal()[-1]
    assert repeated["kind"] == "alarm.repeated" and repeated["body"]["sound"] is True
    school.act("alarm.acknowledge", 1, at_s=10)
    school.act("alarm.verify", 1, at_s=11, verification="false")
    school.feed(event("panic.pressed", "gate-button", 20))
    (alarm,) = school.alarms()
    assert (alarm.state, alarm.occurrences) == (AlarmState.UNACKNOWLEDGED, 3)
    assert alarm.verification == "unverified", "a new press is not the old false alarm"
    assert alarm.next_escalation_at == second(50)


def test_an_act_names_the_version_that_was_seen(school: School) -> None:
    school.feed(event("door.forced", "lab-door", 0, True))
    seen = find_alarm(school.connection, SITE, 1)
    assert seen is not None
    school.act("alarm.note", 1, words="看到了")
    school.feed(event("door.forced", "lab-door", 5, True))
    school.act("alarm.verify", 1, verification="verifying", version=seen.version)
    with pytest.raises(ActRefused, match="has changed since you saw it"):
        school.act("alarm.acknowledge", 1, version=seen.version)


def test_what_is_not_there_or_not_well_formed_is_said(school: School) -> None:
    with pytest.raises(NotFound, match="no alarm 99"):
        school.act("alarm.acknowledge", 99)
    with pytest.raises(InvalidAct, match="no alarm's number"):
        school.act("alarm.acknowledge", "x")
    with pytest.raises(InvalidAct, match=r"alarm\.explode is no act"):
        school.act("alarm.explode", 1)
    with pytest.raises(InvalidAct, match="is no act"):
        school.act("door.open", 1)
    with pytest.raises(InvalidAct, match="is no plan; use one of"):
        school.act("incident.start", plan="flood")


def test_a_person_raises_an_alarm(school: School) -> None:
    made = school.act("alarm.raise", zone="canteen", kind="water.leak", words="水管爆了")
    alarm = find_alarm(school.connection, SITE, made["alarm"])
    assert alarm is not None
    assert (alarm.subject, alarm.condition, alarm.nature) == ("canteen", "water.leak", "momentary_latching")
    assert alarm.device is None and alarm.zone == "canteen"
    with pytest.raises(InvalidAct, match="no place of this site"):
        school.act("alarm.raise", zone="moon", kind="water.leak")
    with pytest.raises(InvalidAct, match="no kind of alarm"):
        school.act("alarm.raise", zone="canteen", kind="access.granted")


def test_steps_go_from_notified_to_done_and_free_those_that_wait(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    steps = {step.step: step for step in steps_of(school.connection, SITE, 1)}
    waiting = next(step for step in steps.values() if step.after)
    first = waiting.after[0]
    school.act("incident.step", 1, at_s=10, step=first, action="accept")
    assert school.open_incidents()[0].state is IncidentState.RESPONDING
    school.act("incident.step", 1, at_s=20, step=first, action="finish")
    after = {step.step: step for step in steps_of(school.connection, SITE, 1)}
    assert (after[first].state, after[first].done_by) == (StepState.DONE, "7")
    assert after[waiting.step].state is StepState.NOTIFIED
    with pytest.raises(InvalidAct, match="skip needs one"):
        school.act("incident.step", 1, step=waiting.step, action="skip")
    school.act("incident.step", 1, step=waiting.step, action="skip", reason="nobody hurt")
    with pytest.raises(NotFound, match="no step 99"):
        school.act("incident.step", 1, step=99, action="accept")
    with pytest.raises(ActRefused, match="cannot close what is responding"):
        school.act("incident.close", 1)
    school.act("incident.contain", 1)
    school.act("incident.close", 1)
    school.act("incident.review", 1)
    assert school.open_incidents() == []
    assert {step.state for step in steps_of(school.connection, SITE, 1)} <= {StepState.DONE, StepState.SKIPPED}


def test_an_overdue_step_expires_and_is_told_to_the_commander(school: School) -> None:
    school.feed(event("panic.pressed", "gate-button", 0))
    school.due(3000)
    expired = [row for row in school.journal() if row["kind"] == "incident.step_expired"]
    assert expired and all(row["body"]["persons"] == ["p-security-chief"] for row in expired)
    assert StepState.PENDING not in {step.state for step in steps_of(school.connection, SITE, 1)}


def test_a_contained_incident_flares_up_and_a_drill_gives_way(school: School) -> None:
    school.act("incident.start", plan="fire", zone="teaching", exercise=True, at_s=0)
    assert school.commands() == [], "a drill moves no device"
    said = school.feed(event("panic.pressed", "gate-button", 5))
    assert "incident:1 incident.suspended" in said
    school.act("incident.step", 2, step=1, action="accept")
    school.act("incident.contain", 2)
    school.act("alarm.acknowledge", 1)
    said = school.feed(event("panic.pressed", "gate-button", 2000))
    assert "incident:2 incident.flared_up" in said
    with pytest.raises(ActRefused, match="only a drill"):
        school.act("incident.suspend", 2, reason="x")


def test_a_command_is_sent_once_and_confirmed_by_feedback(school: School) -> None:
    made = school.act("command.request", device="canteen-door", kind="door.pulse", at_s=0)
    (waiting,) = school.waiting_commands()
    assert waiting.command == made["command"] and waiting.edge == "edge"
    with school.turn() as connection:
        turn = Turn(connection, SITE, START)
        assert mark_sent(turn, waiting.command)
        assert not mark_sent(turn, waiting.command)
        assert school.waiting_commands() == []
        assert not apply_result(turn, waiting.command, "failed", "", "another-edge")
        assert apply_result(turn, waiting.command, "accepted", "", "edge")
        assert apply_result(turn, waiting.command, "confirmed", "lock open", "edge")
        assert not apply_result(turn, waiting.command, "failed", "too late", "edge")
        assert not apply_result(turn, "nobody", "confirmed", "", "edge")
    (command,) = school.commands()
    assert (command.state, command.detail) == (CommandState.CONFIRMED, "lock open")
    assert kinds(school.said(0)) == [
        "command.requested",
        "command.sent",
        "command.contradicted",
        "command.accepted",
        "command.confirmed",
        "command.contradicted",
        "command.unknown",
    ]


def test_without_feedback_nothing_is_claimed(school: School) -> None:
    for kind in ("door.pulse", "door.release"):
        school.act("command.request", device="canteen-door", kind=kind, at_s=0)
    sent = next(each for each in school.waiting_commands() if each.kind == "door.release")
    with school.turn() as connection:
        mark_sent(Turn(connection, SITE, START), sent.command)
        expire_commands(Turn(connection, SITE, START + timedelta(seconds=60), CHORES), limit=100)
    states = {each.kind: each.state for each in school.commands()}
    assert states["door.release"] is CommandState.UNCONFIRMED
    assert states["door.pulse"] in (CommandState.EXPIRED, CommandState.SUPERSEDED)


def test_a_person_cannot_lock_what_fire_released(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True), event("fire.alarm", "lab-smoke", 1, True))
    for kind, why in (("door.lock", "escape door"), ("door.pulse", "fire linkage")):
        with pytest.raises(ActRefused, match=why):
            school.act("command.request", device="east-door", kind=kind, at_s=10)
    with pytest.raises(ActRefused, match="panel's reset"):
        school.act("command.request", device="east-door", kind="door.restore", at_s=10)
    school.feed(event("fire.alarm", "hall-smoke", 60, False), event("fire.alarm", "lab-smoke", 61, False))
    assert school.act("command.request", device="east-door", kind="door.restore", at_s=70)["command"]
    with pytest.raises(ActRefused, match="configuration allows"):
        school.act("command.request", device="siren", kind="door.release")
    with pytest.raises(InvalidAct, match="there is no device"):
        school.act("command.request", device="moon", kind="door.release")
    with pytest.raises(InvalidAct, match="address: '9' is none of 1, 2"):
        school.act("command.request", device="controller", address="9", kind="door.release")


def test_judging_again_repeats_no_command_and_no_running_plan(school: School) -> None:
    school.feed(event("fire.alarm", "hall-smoke", 0, True))
    verdicts = school.engine.judge(2, [event("fire.alarm", "lab-smoke", 1, True)])
    assert any(isinstance(each, OpenIncident) for each in verdicts)
    for _ in range(2):
        with school.turn() as connection:
            apply_verdicts(connection, SITE, verdicts, at=START, book=school.book)
    assert len(school.commands()) == 3
    assert len(school.incidents()) == 1
    assert isinstance(verdicts[0], RaiseAlarm)
    assert len(school.evidence(2)) == 1, "the same evidence counts once"
