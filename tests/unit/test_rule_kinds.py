"""Each kind of rule on a timeline that anyone can read."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from adapters.contract.vocabulary import Priority, Quality
from hub.domain.judgement import (
    Checkpoint,
    ClearAlarm,
    EscalateAlarms,
    ListeningInput,
    OpenHazard,
    OpenIncident,
    RaiseAlarm,
    SendCommand,
    Verdict,
)
from hub.domain.moment import microseconds
from hub.rules.engine import Engine
from tests.ruling import at, engine_of, event, reading, tick

ALARM = "alarm: {priority: high, owner_post: security-room, response: {zh: 去看, en: go and look}"
HAZARD = "hazard: {due: 2d, owner_post: maintenance, title: {zh: 待修, en: to be mended}"
HEAD = "name: {zh: 规则, en: rule}, why: a test needs it"

DOOR = f"- {{rule: door, kind: event, {HEAD}, kinds: [door.forced], {ALARM}}}}}"


def words(verdicts: list[Verdict]) -> list[str]:
    """Verdicts in short: what, of which subject and condition."""
    said = []
    for each in verdicts:
        match each:
            case RaiseAlarm():
                said.append(f"raise {each.subject} {each.condition}{' history' if each.history else ''}")
            case ClearAlarm():
                said.append(f"clear {each.subject} {each.condition}")
            case EscalateAlarms():
                said.append("escalate " + ", ".join(f"{s} {c}" for s, c in each.alarms))
            case OpenHazard():
                said.append(f"hazard {each.subject} {each.condition}")
            case OpenIncident():
                said.append(
                    f"{'start' if each.automatic else 'propose'} {each.plan} {each.zone}"
                    f"{' verified' if each.verified else ''}"
                )
            case SendCommand():
                said.append(f"command {each.kind} {each.device}")
    return said


def feed(engine: Engine, *inputs: object) -> list[list[str]]:
    return [words(engine.judge(number, [each])) for number, each in enumerate(inputs, start=1)]  # type: ignore[list-item]


def test_event_raises_repeats_and_clears() -> None:
    engine = engine_of(DOOR)
    assert feed(
        engine,
        event("door.forced", "lab-door", 0, False),
        event("door.forced", "lab-door", 1, True),
        event("door.forced", "lab-door", 2, True),
        event("door.forced", "lab-door", 3, False),
        event("door.forced", "lab-door", 4, False),
        event("door.held", "lab-door", 5, True),
    ) == [
        ["clear lab-door door.forced"],
        ["raise lab-door door.forced"],
        ["raise lab-door door.forced"],
        ["clear lab-door door.forced"],
        [],
        [],
    ]


def test_evidence_says_what_and_where() -> None:
    (verdict,) = engine_of(DOOR).judge(7, [event("door.forced", "lab-door", 1, True, direction="in")])
    assert isinstance(verdict, RaiseAlarm)
    assert verdict.evidence.zone == "teaching-3f", "the zone comes from the model where the event has none"
    assert verdict.evidence.values == {"active": True, "direction": "in"}
    assert (verdict.rule.rule, verdict.rule.version) == ("door", 1)
    assert verdict.priority is Priority.HIGH and verdict.response["zh"] == "去看"


def test_an_older_change_is_history() -> None:
    engine = engine_of(DOOR)
    assert feed(
        engine,
        event("door.forced", "lab-door", 10, True),
        event("door.forced", "lab-door", 20, False),
        event("door.forced", "lab-door", 15, True),  # came late: it was so then, and is not so now
        event("door.forced", "lab-door", 5, False),  # an old end: nothing follows
        event("door.forced", "lab-door", 30, True),
    ) == [
        ["raise lab-door door.forced"],
        ["clear lab-door door.forced"],
        ["raise lab-door door.forced history"],
        [],
        ["raise lab-door door.forced"],
    ]


def test_scope_by_family_zone_and_class() -> None:
    for scope, wanted in (
        ("{families: [access_control]}", True),
        ("{families: [camera]}", False),
        ("{zones: [teaching]}", True),
        ("{zones: [canteen]}", False),
        ("{zone_classes: [sensitive]}", True),
        ("{zone_classes: [key]}", False),
        ("{devices: [lab-door]}", True),
        ("{except_devices: [lab-door]}", False),
    ):
        engine = engine_of(DOOR.replace("kind: event", f"kind: event, scope: {scope}"))
        assert bool(engine.judge(1, [event("door.forced", "lab-door", 1, True)])) is wanted, scope


def test_the_hubs_own_supervision_needs_no_device() -> None:
    engine = engine_of(f"- {{rule: edge, kind: event, {HEAD}, kinds: [edge.offline], {ALARM}}}}}")
    assert feed(engine, event("edge.offline", "edge:demo", 1, True)) == [["raise edge:demo edge.offline"]]


@pytest.mark.parametrize(
    ("when", "attributes", "fires"),
    [
        ('attributes.reason == "blacklist"', {"reason": "blacklist"}, True),
        ('attributes.reason == "blacklist"', {"reason": "expired"}, False),
        ('attributes.reason == "blacklist"', {}, False),
        ('attributes.reason in ["unknown", "expired"]', {"reason": "expired"}, True),
        ("attributes.confidence >= 0.5", {"confidence": 0.5}, True),
        ("attributes.confidence >= 0.5", {"confidence": math.nan}, False),
        ("attributes.confidence >= 0.5", {"confidence": "high"}, False),
        ("attributes.confidence >= 0.5", {"confidence": True}, False),
        ('attributes.reason != "x" && attributes.n < 3', {"reason": "y", "n": 2}, True),
        ('attributes.reason != "x" && attributes.n < 3', {"reason": "x"}, False),
        ('attributes.reason == "a && b"', {"reason": "a && b"}, True),
        ("late == false", {}, True),
    ],
)
def test_when(when: str, attributes: dict[str, str | float], fires: bool) -> None:
    engine = engine_of(
        f"- {{rule: denied, kind: event, {HEAD}, kinds: [access.denied], when: '{when}', {ALARM}}}}}"
    )
    verdicts = engine.judge(1, [event("access.denied", "lab-door", 1, **attributes)])
    assert bool(verdicts) is fires


WARM = f"""
- {{rule: warm, kind: threshold, {HEAD}, point: temperature_c, above: 8, clear: 6,
   {ALARM}, kind: environment.high}}}}
"""


def test_threshold_has_hysteresis() -> None:
    engine = engine_of(WARM)
    temperatures = [5.0, 8.0, 8.1, 9.0, 7.0, 6.0, 7.9, 8.5]
    assert feed(
        engine, *(reading("fridge", "temperature_c", value, n) for n, value in enumerate(temperatures))
    ) == [
        [],
        [],
        ["raise fridge environment.high"],
        [],
        [],
        ["clear fridge environment.high"],
        [],
        ["raise fridge environment.high"],
    ]


@pytest.mark.parametrize(
    "bad",
    [
        reading("fridge", "temperature_c", math.nan, 2),
        reading("fridge", "temperature_c", math.inf, 2),
        reading("fridge", "temperature_c", -40.0, 2, quality=Quality.BAD),
        reading("fridge", "temperature_c", 0.0, 2, quality=Quality.MISSING),
        reading("fridge", "temperature_c", 0.0, 2, quality=Quality.STALE),
    ],
)
def test_what_is_not_usable_neither_raises_nor_clears(bad: object) -> None:
    engine = engine_of(WARM)
    assert feed(
        engine,
        bad,
        reading("fridge", "temperature_c", 9, 3),
        bad,
        reading("fridge", "temperature_c", 7, 5),
        reading("fridge", "temperature_c", 5, 6),
    ) == [[], ["raise fridge environment.high"], [], [], ["clear fridge environment.high"]]


def test_threshold_below() -> None:
    engine = engine_of(
        f"- {{rule: battery, kind: threshold, {HEAD}, point: battery_pct, below: 20, clear: 30,"
        f" {HAZARD}, condition: rule, checker: rule}}}}"
    )
    assert feed(engine, *(reading("gate-button", "battery_pct", v, n) for n, v in enumerate([25, 19, 15]))) == [
        [],
        ["hazard gate-button battery"],
        [],
    ]


def test_an_older_reading_does_not_undo_a_change() -> None:
    engine = engine_of(WARM)
    feed(engine, reading("fridge", "temperature_c", 9, 100))
    assert feed(engine, reading("fridge", "temperature_c", 5, 50)) == [[]]


def test_only_points_of_rules_are_concerned() -> None:
    engine = engine_of(WARM.replace("point:", "scope: {families: [environment]}, point:"))
    assert engine.concerns("fridge", "", "temperature_c")
    assert not engine.concerns("fridge", "", "humidity_pct")
    assert not engine.concerns("lab-door", "", "temperature_c")
    assert not engine.concerns("stranger", "", "temperature_c")


OFFLINE = f"""
- {{rule: gone, kind: held, {HEAD}, kinds: [device.offline], for: 10m, {HAZARD}}}}}
"""


def test_held_fires_at_its_time_once() -> None:
    engine = engine_of(OFFLINE)
    assert feed(engine, event("device.offline", "lab-door", 0, True)) == [[]]
    assert engine.next_timer() == at(600)
    assert feed(engine, tick(599), tick(600), tick(900)) == [[], ["hazard lab-door device.offline"], []]
    assert engine.next_timer() is None


def test_held_forgets_what_ended_in_time() -> None:
    engine = engine_of(OFFLINE)
    feed(engine, event("device.offline", "lab-door", 0, True), event("device.offline", "lab-door", 300, False))
    assert engine.next_timer() is None
    assert feed(engine, tick(700)) == [[]]


def test_held_sees_begin_and_end_that_come_together() -> None:
    engine = engine_of(OFFLINE)
    assert feed(
        engine,
        event("device.offline", "lab-door", 0, True, late=True),
        event("device.offline", "lab-door", 700, False, late=True),
    ) == [[], ["hazard lab-door device.offline"]]


FRIDGE = f"""
- {{rule: fridge-warm, kind: held, {HEAD}, point: temperature_c, above: 8, clear: 6, for: 2h,
   {ALARM}, kind: environment.high}}}}
"""


def test_held_reading_waits_for_usable_values() -> None:
    engine = engine_of(FRIDGE)
    feed(
        engine,
        reading("fridge", "temperature_c", 9, 0),
        reading("fridge", "temperature_c", math.nan, 3600),
    )
    assert engine.next_timer() is None, "unknown: it does not fire"
    assert feed(engine, tick(7300), reading("fridge", "temperature_c", 9, 7400)) == [
        [],
        ["raise fridge environment.high"],
    ]
    assert feed(engine, reading("fridge", "temperature_c", 5, 7500)) == [["clear fridge environment.high"]]


def test_held_reading_does_not_know_while_its_device_is_away() -> None:
    engine = engine_of(FRIDGE)
    feed(engine, reading("fridge", "temperature_c", 9, 0), event("device.offline", "fridge", 60, True))
    assert feed(engine, tick(7300)) == [[]]
    feed(engine, event("device.offline", "fridge", 7350, False))
    assert feed(engine, reading("fridge", "temperature_c", 3, 7400), tick(99_999)) == [[], []]


FIRE = f"""
- {{rule: single, kind: event, {HEAD}, kinds: [fire.alarm], {ALARM}}}}}
- {{rule: point, kind: event, {HEAD}, kinds: [fire.manual_call_point], {ALARM}}}, incident: {{plan: fire}}}}
- {{rule: verified, kind: together, {HEAD}, kinds: [fire.alarm, fire.manual_call_point], count: 2,
   within: 10m, zone: building, escalate: critical, incident: {{plan: fire}}}}
"""


def test_two_detectors_in_a_building_are_a_fire() -> None:
    engine = engine_of(FIRE)
    assert feed(
        engine,
        event("fire.alarm", "hall-smoke", 0, True),
        event("fire.alarm", "canteen-smoke", 10, True),  # another building
        event("fire.alarm", "hall-smoke", 20, True),  # the same detector
        event("fire.alarm", "panel", 30, True, address="2"),
        event("fire.alarm", "lab-smoke", 40, True),
    ) == [
        ["raise hall-smoke fire.alarm"],
        ["raise canteen-smoke fire.alarm"],
        ["raise hall-smoke fire.alarm"],
        [
            "raise panel:2 fire.alarm",
            "escalate hall-smoke fire.alarm, panel:2 fire.alarm",
            "start fire teaching verified",
        ],
        ["raise lab-smoke fire.alarm", "escalate lab-smoke fire.alarm", "start fire teaching verified"],
    ]


def test_two_addresses_of_a_panel_are_independent() -> None:
    engine = engine_of(FIRE)
    feed(engine, event("fire.alarm", "panel", 0, True, address="1"))
    (_, escalation, incident) = engine.judge(2, [event("fire.alarm", "panel", 5, True, address="2")])
    assert isinstance(escalation, EscalateAlarms) and escalation.priority is Priority.CRITICAL
    assert isinstance(incident, OpenIncident)
    assert incident.alarms == (("panel:1", "fire.alarm"), ("panel:2", "fire.alarm"))


def test_a_call_point_alone_is_no_verification() -> None:
    engine = engine_of(FIRE)
    assert feed(engine, event("fire.manual_call_point", "panel", 0, True, address="1")) == [
        ["raise panel:1 fire.manual_call_point", "start fire teaching"]
    ]


def test_a_latched_detector_still_counts_after_the_window() -> None:
    engine = engine_of(FIRE)
    feed(engine, event("fire.alarm", "hall-smoke", 0, True))
    assert len(engine.judge(2, [event("fire.alarm", "lab-smoke", 3600, True)])) == 3, "it is still in alarm"
    ended = engine_of(FIRE)
    feed(ended, event("fire.alarm", "hall-smoke", 0, True), event("fire.alarm", "hall-smoke", 60, False))
    assert len(ended.judge(3, [event("fire.alarm", "lab-smoke", 3600, True)])) == 1


def test_late_evidence_proposes_and_sends_nothing() -> None:
    engine = engine_of(FIRE)
    assert feed(
        engine,
        event("fire.alarm", "hall-smoke", 0, True, late=True),
        event("fire.alarm", "lab-smoke", 5, True, late=True),
    )[1] == [
        "raise lab-smoke fire.alarm",
        "escalate hall-smoke fire.alarm, lab-smoke fire.alarm",
        "propose fire teaching verified",
    ]


def test_a_panel_reset_clears_every_fire_condition_of_that_panel() -> None:
    engine = engine_of(FIRE)
    feed(
        engine,
        event("fire.alarm", "panel", 0, True, address="1"),
        event("fire.manual_call_point", "panel", 1, True, address="2"),
        event("fire.alarm", "lab-smoke", 2, True),
    )
    assert feed(engine, event("fire.reset", "panel", 60)) == [
        ["clear panel:1 fire.alarm", "clear panel:2 fire.manual_call_point"]
    ]
    assert feed(engine, event("fire.alarm", "panel", 61, True, address="1"))[0][0] == "raise panel:1 fire.alarm"


DENIED = f"""
- {{rule: denied, kind: repetition, {HEAD}, kinds: [access.denied], count: 3, within: 2m, {ALARM}}}}}
- {{rule: held-often, kind: repetition, {HEAD}, kinds: [door.held], count: 2, within: 1d,
   {HAZARD}, condition: rule, checker: person}}}}
"""


def test_repetition_counts_within_its_window_and_begins_anew() -> None:
    engine = engine_of(DENIED)
    said = feed(engine, *(event("access.denied", "lab-door", s) for s in (0, 60, 130, 170, 180, 190, 200)))
    assert [bool(each) for each in said] == [False, False, False, True, False, False, True]
    assert feed(engine, event("access.denied", "east-door", 201)) == [[]], "each door counts for itself"


def test_repetition_counts_beginnings_not_ends() -> None:
    engine = engine_of(DENIED)
    assert feed(
        engine,
        event("door.held", "lab-door", 0, True),
        event("door.held", "lab-door", 10, False),
        event("door.held", "lab-door", 20, True),
    ) == [[], [], ["hazard lab-door held-often"]]


UNTESTED = f"""
- {{rule: untested, kind: absence, {HEAD}, kinds: [panic.test], for: 92d, scope: {{families: [panic_button]}},
   {HAZARD}, condition: rule, checker: rule}}}}
"""


def listening(since_d: float, until_d: float) -> ListeningInput:
    return ListeningInput(at(since_d * 86_400), at(until_d * 86_400))


def test_absence_counts_only_listening_time() -> None:
    engine = engine_of(UNTESTED)
    assert feed(
        engine,
        listening(0, 1),
        listening(1, 60),
        listening(100, 120),  # the hub was away for 40 days: nobody's silence
        listening(120, 133),
    ) == [[], [], [], ["hazard gate-button untested"]]
    assert feed(engine, listening(133, 140)) == [[]]


def test_absence_asks_to_be_told_of_listening_from_the_start() -> None:
    engine = engine_of(UNTESTED)
    assert engine.next_timer() is not None and engine.next_timer() < at(0)  # type: ignore[operator]
    feed(engine, listening(0, 1))
    assert engine.next_timer() == at((1 + 92) * 86_400), "who never spoke is waited for from then on"
    assert engine_of(UNTESTED.replace("panic_button", "barrier")).next_timer() is None


def test_absence_ends_with_the_event() -> None:
    engine = engine_of(UNTESTED)
    feed(engine, listening(0, 1), listening(1, 91))
    feed(engine, event("panic.test", "gate-button", 91 * 86_400))
    assert feed(engine, listening(91, 150)) == [[]]
    assert engine.next_timer() == at((91 + 92) * 86_400)
    assert feed(engine, listening(150, 184)) == [["hazard gate-button untested"]]


def test_a_new_device_is_waited_for_from_when_it_came() -> None:
    day_us = 86_400 * 1_000_000
    engine = engine_of(UNTESTED)
    total = {"listened": 50 * day_us, "until": microseconds(at(50 * 86_400))}
    engine.restore([Checkpoint("untested", "@", 7, total)])
    assert engine.next_timer() == at(50 * 86_400), "at once, not when another device is due"
    assert feed(engine, listening(50, 51)) == [[]]
    assert engine.next_timer() == at((51 + 92) * 86_400)


def test_a_rules_command_needs_fresh_evidence() -> None:
    text = (
        f"- {{rule: mark, kind: event, {HEAD}, kinds: [panic.pressed], {ALARM}}},"
        " commands: [{kind: siren.on, device: east-door, expires: 1m}]}"
    )
    engine = engine_of(text)
    _, order = engine.judge(1, [event("panic.pressed", "gate-button", 0)])
    assert isinstance(order, SendCommand)
    assert (order.device, order.kind, order.precedence) == ("east-door", "siren.on", 6)
    assert order.expires_in == timedelta(minutes=1)
    assert feed(engine, event("panic.pressed", "gate-button", 5, late=True)) == [
        ["raise gate-button panic.pressed"]
    ]


def test_where_two_rules_raise_the_same_the_more_urgent_speaks() -> None:
    engine = engine_of(
        DOOR + f"\n- {{rule: key-door, kind: event, {HEAD}, kinds: [door.forced],"
        " scope: {zone_classes: [sensitive]}, " + ALARM.replace("high", "critical") + "}}"
    )
    (verdict,) = engine.judge(1, [event("door.forced", "lab-door", 0, True)])
    assert isinstance(verdict, RaiseAlarm) and verdict.rule.rule == "key-door"
    assert feed(engine, event("door.forced", "lab-door", 1, False)) == [["clear lab-door door.forced"]]


def test_an_alarm_that_two_rules_hold_clears_with_the_last() -> None:
    engine = engine_of(
        WARM.replace("kind: environment.high", "kind: electrical.leakage")
        + f"- {{rule: leak, kind: event, {HEAD}, kinds: [electrical.leakage], {ALARM}}}}}"
    )
    assert feed(
        engine,
        event("electrical.leakage", "fridge", 0, True),
        reading("fridge", "temperature_c", 9, 1),
        event("electrical.leakage", "fridge", 2, False),
        reading("fridge", "temperature_c", 5, 3),
    ) == [
        ["raise fridge electrical.leakage"],
        ["raise fridge electrical.leakage"],
        [],
        ["clear fridge electrical.leakage"],
    ]
