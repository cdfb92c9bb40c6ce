"""The shipped book loads, covers the vocabulary, and fits the demo school."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from adapters.contract.vocabulary import FAMILIES, KINDS, Priority
from hub.rulebook.book import RuleBook, load_book

ROOT = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_book(ROOT / "rules", ROOT / "plans")


def kinds_of(book: RuleBook) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for rule in book.rules:
        kinds = set(getattr(rule, "kinds", ()))
        kinds |= {rule.alarm.kind} if rule.alarm and rule.alarm.kind else set()
        for kind in kinds:
            named.setdefault(kind, []).append(rule.rule)
    return named


def test_there_are_enough_rules_and_plans(book: RuleBook) -> None:
    assert len(book.rules) >= 25
    assert {"fire", "intrusion", "violence", "medical", "gas"} <= set(book.plans)
    started = {rule.incident.plan for rule in book.rules if rule.incident is not None}
    assert started == set(book.plans), "every plan is started or proposed by some rule"


def test_every_kind_with_an_outcome_has_a_rule(book: RuleBook) -> None:
    named = kinds_of(book)
    missing = [kind.name for kind in KINDS.values() if kind.default_priority and kind.name not in named]
    assert missing in ([], ["environment.low"]), missing


def test_life_safety_kinds_alarm_at_least_at_their_default_priority(book: RuleBook) -> None:
    for kind in KINDS.values():
        if kind.default_priority is None or not kind.life_safety:
            continue
        priorities = [
            rule.alarm.priority
            for rule in book.rules
            if rule.alarm and kind.name in getattr(rule, "kinds", ()) and rule.kind == "event"
        ]
        assert priorities, kind.name
        assert min(each.rank for each in priorities) <= kind.default_priority.rank, kind.name


def test_every_rule_gives_its_reason_and_its_words_in_both_languages(book: RuleBook) -> None:
    for rule in book.rules:
        assert len(rule.why) > 10, rule.rule
        if rule.alarm is not None:
            assert any("一" <= char <= "鿿" for char in rule.alarm.response.zh), rule.rule
            assert rule.alarm.response.en.isascii() or "—" in rule.alarm.response.en or "°" in rule.why


def test_duress_is_silent_and_sends_nothing(book: RuleBook) -> None:
    for rule in book.rules:
        if {"panic.duress", "access.duress"} & set(getattr(rule, "kinds", ())):
            assert rule.alarm is not None and rule.alarm.silent, rule.rule
            assert rule.alarm.priority is Priority.CRITICAL and not rule.commands


def test_only_the_fire_plan_releases_doors_and_only_verified(book: RuleBook) -> None:
    for plan in book.plans.values():
        for step in plan.steps:
            for command in step.commands:
                if command.kind == "door.release":
                    assert plan.plan == "fire" and command.needs == "verified" and command.precedence == 1
    released = [c.kind for step in book.plans["fire"].steps for c in step.commands]
    assert "door.release" in released and "siren.on" in released


def test_the_demo_school_has_every_post_that_is_named(book: RuleBook) -> None:
    site = yaml.safe_load((ROOT / "demo" / "site.yaml").read_text(encoding="utf-8"))
    assert book.posts() <= {post["post"] for post in site["posts"]}


def test_families_are_covered(book: RuleBook) -> None:
    kinds = set(kinds_of(book))
    for family, prefix in {
        "access_control": "door.",
        "fire_alarm": "fire.",
        "camera": "camera.",
        "panic_button": "panic.",
        "intrusion": "intrusion.",
        "environment": "gas.",
        "electrical": "electrical.",
        "patrol": "patrol.",
        "visitor": "visitor.",
        "broadcast": "device.",
        "barrier": "barrier.",
    }.items():
        assert family in FAMILIES
        assert any(kind.startswith(prefix) for kind in kinds), family
