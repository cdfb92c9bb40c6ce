"""The edge's reflex table and the hub's engine: from the same events the same commands, under the same ids."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract.command import derive_command
from adapters.contract.message import Event
from edge.reflex import State, Table, judge, pack, unpack
from edge.settings import Document, _plan_reflex
from hub.domain.judgement import DeviceFact, EventInput, SendCommand
from hub.domain.moment import microseconds, moment_of
from hub.rulebook.book import RuleBook, load_book
from hub.rulebook.reflex import compile_reflexes
from hub.rules.engine import Engine
from tests.ruling import MODEL, START, rules_of

EDGE = "edge"
SCHOOL = replace(
    MODEL,
    devices=dict(MODEL.devices)
    | {
        fact.device: fact
        for fact in (
            DeviceFact("hall-siren", "broadcast", "teaching-1f", EDGE, writes=frozenset({"siren.on"})),
            DeviceFact("yard-siren", "broadcast", "gate", EDGE, writes=frozenset({"siren.on"})),
            DeviceFact("lab-door", "access_control", "teaching-3f", EDGE, writes=frozenset({"door.release"})),
            DeviceFact(
                "panel",
                "fire_alarm",
                "canteen",
                EDGE,
                {"1": "teaching-1f", "2": "teaching-3f"},
                addresses=("1", "2", "3"),
            ),
            DeviceFact("far-smoke", "fire_alarm", "teaching-1f", "other-edge"),
        )
    },
)
HEAD = "name: {zh: 规则, en: rule}, why: It is tested."
RULES = f"""
- {{rule: button, kind: event, {HEAD}, kinds: [panic.pressed], reflex: true,
   commands: [{{kind: siren.on, device: yard-siren}}]}}
- {{rule: call-point, kind: event, {HEAD}, kinds: [fire.manual_call_point], reflex: true,
   commands: [{{kind: siren.on, family: broadcast}}], scope: {{except_devices: [hall-smoke]}}}}
- {{rule: verified, version: 3, kind: together, {HEAD}, kinds: [fire.alarm, fire.manual_call_point], within: 1m,
   zone: building, different: DIFFERENT, reflex: true,
   commands: [{{kind: siren.on, family: broadcast}}, {{kind: door.release, family: access_control}}]}}
- {{rule: started, kind: event, {HEAD}, kinds: [fire.output_started], reflex: true,
   commands: [{{kind: door.release, family: access_control, zone: site}}]}}
"""

PLACES = [
    ("gate-button", "panic.pressed", [""]),
    ("hall-smoke", "fire.alarm", [""]),
    ("lab-smoke", "fire.alarm", [""]),
    ("canteen-smoke", "fire.alarm", [""]),
    ("panel", "fire.alarm", ["1", "2", "3", "9", ""]),
    ("panel", "fire.manual_call_point", ["1", "2"]),
    ("panel", "fire.output_started", [""]),
    ("panel", "fire.reset", [""]),
    ("hall-smoke", "fire.manual_call_point", [""]),
    ("lab-smoke", "fire.fault", [""]),
]


@st.composite
def events(draw: st.DrawFn) -> list[tuple[Event, bool]]:
    """Events in the order in which they were stored, each with whether it is late."""
    found = []
    now = microseconds(START)
    for _ in range(draw(st.integers(1, 25))):
        device, kind, addresses = draw(st.sampled_from(PLACES))
        now += draw(st.sampled_from([0, 1, 2, 30, 61])) * 1_000_000
        said = draw(st.sampled_from([None, 0, -1_000_000, -4_000_000, -300_000_000, 10**9]))
        momentary = kind in ("panic.pressed", "fire.reset")
        replayed = draw(st.booleans()) if draw(st.integers(0, 5)) == 0 else False
        found.append(
            (
                Event(
                    device=device,
                    address=draw(st.sampled_from(addresses)),
                    kind=kind,
                    active=None if momentary else draw(st.sampled_from([True, True, False])),
                    observed_at=None if said is None else now + said,
                    edge_at=now,
                    replayed=replayed,
                ),
                draw(st.integers(0, 5)) == 0,
            )
        )
    return found


def table_of(book: RuleBook) -> Table:
    compiled = compile_reflexes(book, SCHOOL).tables[EDGE]
    document = Document.model_validate_json(
        json.dumps({"site": "school", "edge": EDGE, "reflexes": compiled}).encode()
    )
    named = {fact.device: frozenset(fact.addresses) for fact in SCHOOL.devices.values() if fact.edge == EDGE}
    return Table(tuple(_plan_reflex(each) for each in document.reflexes), named)


def hub_time(event: Event) -> int:
    from hub.intake.clock import EdgeTime, event_time

    return event_time(event.observed_at, event.replayed, EdgeTime(event.edge_at, 0, False)).observed_at


def compare(book: RuleBook, stored: list[tuple[Event, bool]]) -> int:
    engine, table, state = Engine(book, SCHOOL), table_of(book), State()
    seen = 0
    for number, (event, late) in enumerate(stored, 1):
        event_id = f"{EDGE}/1/1/{number}/0"
        state, fired = judge(table, state, event, event_id, late=late)
        state = unpack(json.loads(json.dumps(pack(state))))
        taken = EventInput(
            id=event_id,
            device=event.device,
            address=event.address,
            zone=SCHOOL.zone_of(event.device, event.address),
            kind=event.kind,
            active=event.active,
            observed_at=moment_of(hub_time(event)),
            recorded_at=moment_of(event.edge_at),
            late=late,
            attributes={"replayed": True} if event.replayed else {},
        )
        here = {each.reflex.command for each in fired}
        there = {
            derive_command(
                f"rule:{each.rule.rule}",
                each.rule.version,
                each.evidence.id,
                each.device,
                each.address,
                each.kind,
            )
            for each in engine.judge(number, [taken])
            if isinstance(each, SendCommand)
        }
        assert here == there, (event, late)
        seen += len(here)
    return seen


@given(events(), st.sampled_from(["address", "device"]))
@settings(max_examples=400, deadline=None)
def test_the_same_events_bring_about_the_same_commands(
    stored: list[tuple[Event, bool]], different: str
) -> None:
    rules = rules_of(RULES.replace("DIFFERENT", different)).rules
    compare(RuleBook(tuple(rules)), stored)


def test_the_shipped_rules_compile_and_agree() -> None:
    root = Path(__file__).parents[2] / "config"
    book = load_book(root / "rules", root / "plans")
    now = microseconds(START)
    stored = [
        (Event("hall-smoke", "", "fire.alarm", True, None, now), False),
        (Event("panel", "2", "fire.alarm", True, None, now + 5_000_000), False),
        (Event("panel", "", "fire.reset", None, None, now + 9_000_000), False),
        (Event("panel", "2", "fire.alarm", True, None, now + 12_000_000), False),
    ]
    assert compare(book, stored) == 4, "the siren and the door, twice"


def test_an_address_that_the_settings_name_but_no_group_lists_is_no_cause() -> None:
    rule = table_of(RuleBook(tuple(rules_of(RULES.replace("DIFFERENT", "address")).rules))).rules[0]
    rule = replace(rule, causes={("panel", "*"): "x"}, kinds=frozenset({"fire.alarm"}))
    table = Table((rule,), {"panel": frozenset({"1"})})
    assert table.find("panel", "1", "fire.alarm") == []
    assert [group for _, group in table.find("panel", "77", "fire.alarm")] == ["x"]
