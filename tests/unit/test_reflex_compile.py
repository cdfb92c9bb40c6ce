"""Rules marked `reflex`: what is refused when they are loaded, what each edge gets, what people are told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.base import Driver
from adapters.contract.message import Settings
from adapters.contract.topic import Sender
from edge.error import SettingsRefused
from edge.settings import plan_settings
from hub.domain.judgement import DeviceFact, SiteModel
from hub.rulebook.book import RuleBook
from hub.rulebook.reflex import Reflexes, compile_reflexes, emitted_kinds
from tests.ruling import MODEL, faults_of, rules_of

HEAD = "name: {zh: 规则, en: rule}, why: It is tested."
SIREN = "{kind: siren.on, family: broadcast}"
VERIFIED = (
    f"- {{rule: verified, kind: together, {HEAD}, kinds: [fire.alarm], within: 10m, reflex: true,"
    f" commands: [{SIREN}, {{kind: door.release, family: access_control}}]}}"
)


def school(*facts: DeviceFact) -> SiteModel:
    return replace(MODEL, devices=dict(MODEL.devices) | {fact.device: fact for fact in facts})


SIREN_HERE = DeviceFact("siren", "broadcast", "teaching", "edge", writes=frozenset({"siren.on"}))
DOOR_THERE = DeviceFact("far-door", "access_control", "teaching-1f", "far", writes=frozenset({"door.release"}))
SMOKE_THERE = DeviceFact("far-smoke", "fire_alarm", "teaching-1f", "far")


def compiled(text: str, model: SiteModel) -> Reflexes:
    return compile_reflexes(RuleBook(tuple(rules_of(text).rules)), model)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (
            "kind: repetition, kinds: [door.held], count: 2, within: 1m",
            "reflex: a rule of kind repetition needs the hub",
        ),
        ("kind: event, kinds: [panic.pressed], when: 'attributes.x == 1'", "when: an edge knows no predicates"),
        ("kind: event, kinds: [access.granted]", "reflex: access.granted does not ride the alarm lane"),
        ("kind: event, kinds: [panic.pressed], commands: []", "reflex: has no commands"),
        (
            "kind: event, kinds: [panic.pressed], commands: [{kind: output.on, device: x}]",
            "commands[0].kind: output.on is not safe to do twice",
        ),
        (
            "kind: event, kinds: [panic.pressed], commands: [{kind: siren.on}]",
            "names nothing that an edge could know",
        ),
        (
            "kind: event, kinds: [fire.alarm], commands: [{kind: door.release, family: access_control}]",
            "needs the panel",
        ),
        (
            "kind: event, kinds: [panic.pressed], commands: [{kind: siren.on, device: x, family: broadcast}]",
            "family",
        ),
        ("kind: event, kinds: [panic.pressed], commands: [{kind: siren.on, device: x, zone: site}]", "zone"),
    ],
)
def test_what_no_edge_can_do_is_refused_at_load(rule: str, fault: str) -> None:
    commands = "" if "commands" in rule else f", commands: [{SIREN}]"
    hazard = ", hazard: {due: 1d, owner_post: p, title: {zh: 隐患, en: hazard}}"
    found = faults_of(f"- {{rule: r, {HEAD}, reflex: true, {rule}{commands}{hazard}}}")
    assert [line for line in found if fault in line], found
    assert all(line.startswith("test.yaml: rules[0] (r).") for line in found)


def test_an_edge_gets_its_own_causes_and_effects_and_the_rest_is_told() -> None:
    reflexes = compiled(VERIFIED, school(SIREN_HERE, DOOR_THERE, SMOKE_THERE))
    (here,) = reflexes.tables["edge"]
    (group,) = here["groups"]
    assert group["group"] == "teaching"
    assert {name: sorted(addresses) for name, addresses in group["causes"].items() if "smoke" in name} == {
        "hall-smoke": ["*"],
        "lab-smoke": ["*"],
    }
    assert [effect["device"] for effect in group["effects"]] == ["siren"]
    (there,) = reflexes.tables["far"]
    assert [effect["device"] for effect in there["groups"][0]["effects"]] == ["far-door"]
    notes = "\n".join(reflexes.notes)
    assert "siren on a sign of edge far only with the hub (teaching)" in notes
    assert "far-door on a sign of edge edge only with the hub (teaching)" in notes
    assert "signs of edges edge, far verify each other only in the hub (teaching)" in notes
    assert "no device to order siren.on of (canteen" in notes
    assert "runs at edge far with the hub away (teaching)" in notes


def test_a_device_that_cannot_tell_of_it_is_no_cause() -> None:
    emits = emitted_kinds(
        {"hall-smoke": "smoke", "lab-smoke": "other"},
        {"smoke": {"mqtt": [{"codes": {"alarm": "fire.alarm"}}]}, "other": {"x": "fire.fault"}},
    )
    book = RuleBook(tuple(rules_of(VERIFIED).rules))
    tables = compile_reflexes(book, school(SIREN_HERE), emits).tables
    assert "hall-smoke" in tables["edge"][0]["groups"][0]["causes"]
    assert "lab-smoke" not in tables["edge"][0]["groups"][0]["causes"]


def test_an_unmarked_rule_gives_no_table_and_no_note() -> None:
    reflexes = compiled(VERIFIED.replace("reflex: true,", ""), school(SIREN_HERE))
    assert not reflexes.tables and not reflexes.notes


def reflex(**changes: Any) -> dict[str, Any]:
    group = {
        "group": "g",
        "causes": {"smoke": ["*"]},
        "effects": [{"device": "siren", "address": "", "kind": "siren.on", "parameters": {}}],
    }
    entry = {
        "rule": "r",
        "version": 1,
        "kind": "event",
        "kinds": ["fire.alarm"],
        "precedence": 6,
        "groups": [group],
    }
    return {**entry, **changes}


def group_with(**changes: Any) -> list[dict[str, Any]]:
    return [{**reflex()["groups"][0], **changes}]


def effect(kind: str, device: str = "siren") -> list[dict[str, Any]]:
    return [{"device": device, "address": "", "kind": kind, "parameters": {}}]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"kinds": ["access.granted"]}, "no event kind of the alarm lane"),
        ({"kinds": ["fire.arlam"]}, "no event kind of the alarm lane"),
        ({"kind": "together", "count": 1}, "together needs two and a time"),
        ({"count": 2}, "of kind event"),
        ({"groups": group_with(causes={"nobody": ["*"]})}, "causes: this edge has no device nobody"),
        (
            {"groups": group_with(effects=effect("siren.on", "nobody"))},
            "effects: this edge has no device nobody",
        ),
        ({"groups": group_with(effects=effect("strobe.on"))}, "strobe.on is not among the writes of siren"),
        ({"groups": group_with(effects=effect("door.lock", "door"))}, "'door.lock' is none of"),
        (
            {"groups": group_with(effects=effect("door.release", "door"))},
            "door.release needs the panel's own start",
        ),
        ({"groups": group_with(effects=effect("door.release", "door")), "kinds": ["fire.output_started"]}, ""),
        ({"precedence": 0}, "precedence"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_the_edge_refuses_a_table_that_breaks_its_own_rules(changes: dict[str, Any], fault: str) -> None:
    devices = [
        {"device": name, "family": family, "connection": "c", "profile": "p", "address": "1", "writes": writes}
        for name, family, writes in (
            ("smoke", "fire_alarm", []),
            ("siren", "broadcast", ["siren.on"]),
            ("door", "access_control", ["door.release", "door.lock"]),
        )
    ]
    document = {
        "site": "s",
        "edge": "e",
        "connections": [{"connection": "c", "driver": "bench"}],
        "devices": devices,
        "reflexes": [reflex(**changes)],
    }
    settings = Settings(1, 1, json.dumps(document).encode())
    if not fault:
        assert len(plan_settings(settings, Sender("s", "e"), {"bench": Bench()}).reflexes.rules) == 1
        return
    with pytest.raises(SettingsRefused) as refused:
        plan_settings(settings, Sender("s", "e"), {"bench": Bench()})
    assert fault in "; ".join(refused.value.faults)


class Bench(Driver):
    NAME = "bench"
    TIER = "bronze"

    def check(self, connection: Any, devices: Any, profiles: Any) -> list[str]:
        return []

    def build(self, connection: Any, devices: Any, profiles: Any, clock: Any) -> Any:
        raise AssertionError("nothing is built here")
