"""The language refuses what it does not understand: every fault at once, with file, field, value and cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.domain.error import ConfigurationError
from hub.rulebook.book import check_plan, check_rules, load_book
from hub.rules.language import KINDS
from hub.rules.predicate import compile_when
from tests.ruling import faults_of

FILE = Path("rules/x.yaml")


def rule(**changes: Any) -> dict[str, Any]:
    """A good rule, with changes; None takes a key away."""
    good: dict[str, Any] = {
        "rule": "door-forced",
        "kind": "event",
        "name": {"zh": "强行闯入", "en": "door forced"},
        "why": "practice",
        "kinds": ["door.forced"],
        "alarm": {
            "priority": "high",
            "owner_post": "security-room",
            "response": {"zh": "派人", "en": "send someone"},
        },
    }
    good.update(changes)
    return {key: value for key, value in good.items() if value is not None}


def faults(**changes: Any) -> list[str]:
    return check_rules({"rules": [rule(**changes)]}, FILE)


def test_a_good_rule_has_no_faults() -> None:
    assert faults() == []


@pytest.mark.parametrize("missing", ["priority", "owner_post", "response"])
def test_no_rule_goes_live_without_what_to_do(missing: str) -> None:
    alarm = {key: value for key, value in rule()["alarm"].items() if key != missing}
    assert faults(alarm=alarm) == [f"rules/x.yaml: rules[0] (door-forced).alarm.{missing}: is missing; add it"]
    only_chinese = {**rule()["alarm"], "response": {"zh": "派人"}}
    assert "alarm.response.en: is missing" in faults(alarm=only_chinese)[0]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"kinds": ["door.forcd"]}, "kinds[0]: is not an event kind of the vocabulary"),
        ({"kinds": []}, "kinds: "),
        ({"colour": "red"}, "colour: is not a known key (is: 'red'); remove it or correct its spelling"),
        ({"kind": "evnt"}, "kind: is no kind of rule (is: 'evnt'); use one of absence, event, held"),
        ({"rule": "Door Forced"}, "rule: is not a name"),
        ({"name": None}, "name: is missing"),
        ({"why": None}, "why: is missing"),
        ({"alarm": None}, "outcome: leads to nothing"),
        ({"version": 0}, "version: "),
        ({"when": "attributes.reason = 1"}, "when: cannot be read"),
        ({"when": "reason == 1"}, "when: cannot be read"),
        (
            {"when": "attributes.reason == reason"},
            "when: cannot be read as CEL: undeclared reference to 'reason'",
        ),
        ({"when": "device + 'x'"}, "when: cannot be read as CEL: gives STRING, not true or false"),
        ({"scope": {"families": ["doors"]}}, "scope.families[0]: is not a family"),
        (
            {"commands": [{"kind": "door.release"}]},
            "commands[0].kind: door.release needs the panel's own start",
        ),
        ({"commands": [{"kind": "door.lock"}]}, "commands: door.lock is never automatic"),
        ({"hazard": {"due": "2 days"}}, "hazard.due: is not a duration"),
        ({"hazard": {"due": "0s"}}, "hazard.due: is not a duration"),
        (
            {"kind": "threshold", "kinds": None, "point": "temperature_c", "above": 8, "clear": 9},
            "clear: 9.0 is not below 8.0",
        ),
        (
            {"kind": "threshold", "kinds": None, "point": "temperature_c", "above": 8},
            "clear: the hysteresis needs numbers",
        ),
        (
            {"kind": "threshold", "kinds": None, "point": "temperature_c", "above": 8, "below": 2, "clear": 5},
            "above: give exactly one",
        ),
        (
            {"kind": "threshold", "kinds": None, "point": "temperature", "above": 8, "clear": 5},
            "point: is not a point",
        ),
        ({"kind": "together", "count": 1, "within": "10m"}, "count: "),
        ({"kind": "repetition", "count": 3, "within": "2m"}, "alarm: a count never ends"),
        ({"kind": "absence", "for": "92d"}, "scope: names neither families nor devices"),
        ({"kind": "held", "for": "10m", "point": "co_ppm"}, "point: stands beside `kinds`"),
    ],
)
def test_faults_name_field_and_cure(changes: dict[str, Any], wanted: str) -> None:
    found = faults(**changes)
    assert any(wanted in fault for fault in found), found
    assert all(fault.startswith("rules/x.yaml: rules[0]") for fault in found)


def test_every_fault_is_listed_at_once() -> None:
    found = check_rules({"rules": [rule(kinds=["x"]), rule(why=None, colour=1), 7], "ruls": []}, FILE)
    assert len(found) == 5, found


@pytest.mark.parametrize("document", [None, [], "x", {}, {"rules": {}}, {"rules": None}])
def test_what_is_no_rules_document_says_so(document: Any) -> None:
    assert check_rules(document, FILE) == [
        "rules/x.yaml: rules: is missing; write `rules:` and a list of rules below it"
    ]


def test_every_file_in_kinds_is_a_kind() -> None:
    assert set(KINDS) == {"absence", "event", "held", "repetition", "threshold", "together"}


@pytest.mark.parametrize(
    "text", ["", "&&", 'attributes.a == "', "attributes.a in []", "attributes.a < true", "a" * 501, "x in x"]
)
def test_a_predicate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"; |cure|no literal"):
        compile_when(text)


def test_faults_of_yaml_text() -> None:
    assert faults_of("- {rule: a, kind: event}") != []


PLAN: dict[str, Any] = {
    "plan": "fire",
    "title": {"zh": "火灾", "en": "fire"},
    "level": "II",
    "commander_post": "principal",
    "steps": [
        {"step": 1, "title": {"zh": "疏散", "en": "evacuate"}, "post": "security-room", "due": "30s"},
        {"step": 2, "title": {"zh": "报警", "en": "call 119"}, "post": "guard", "due": "30s", "after": [1]},
    ],
}


def plan_with(command: dict[str, Any] | None = None, after: list[int] | None = None) -> dict[str, Any]:
    steps = [dict(step) for step in PLAN["steps"]]
    if command is not None:
        steps[0]["commands"] = [command]
    if after is not None:
        steps[0]["after"] = after
    return {**PLAN, "steps": steps}


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({**PLAN, "level": "5"}, "level: "),
        ({**PLAN, "steps": []}, "steps: "),
        (plan_with(after=[2]), "steps[0].after: is no earlier step"),
        (plan_with(after=[9]), "steps[0].after: is no earlier step"),
        (
            plan_with({"kind": "door.release", "family": "access_control", "needs": "start"}),
            "steps[0].commands[0].needs: releases without two devices",
        ),
        (plan_with({"kind": "door.lock", "family": "access_control"}), "commands[0].kind: is never automatic"),
        (plan_with({"kind": "output.on", "family": "fire_alarm"}), "commands[0].family: is only read"),
        ({**PLAN, "steps": [PLAN["steps"][0]] * 2}, "steps[1].step: stands twice"),
    ],
)
def test_plan_faults(document: dict[str, Any], wanted: str) -> None:
    found = check_plan(document, Path("plans/x.yaml"))
    assert any(wanted in fault for fault in found), found


def test_a_good_plan_has_no_faults() -> None:
    assert check_plan(PLAN, Path("plans/x.yaml")) == []


def test_a_book_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    rules, plans = tmp_path / "rules", tmp_path / "plans"
    rules.mkdir()
    plans.mkdir()
    (rules / "a.yaml").write_text(yaml.safe_dump({"rules": [rule(incident={"plan": "flood"})]}))
    (rules / "b.yaml").write_text(yaml.safe_dump({"rules": [rule()]}))
    (rules / "c.yaml").write_text("rules: [")
    (plans / "fire.yaml").write_text(yaml.safe_dump(PLAN))
    with pytest.raises(ConfigurationError) as raised:
        load_book(rules, plans)
    found = "\n".join(raised.value.faults)
    assert "incident.plan: is no plan of the plans folder" in found and "'flood'" in found
    assert "stands in" in found and "c.yaml: is not YAML" in found
    with pytest.raises(ConfigurationError, match="is no folder"):
        load_book(tmp_path / "nowhere", plans)
    for file in ("a.yaml", "c.yaml"):
        (rules / file).unlink()
    book = load_book(rules, plans)
    assert [each.rule for each in book.rules] == ["door-forced"] and set(book.plans) == {"fire"}
    assert book.posts() == {"security-room", "guard", "principal"}
