"""What tests of rules share: a small school, inputs in a line each, rules from YAML text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from adapters.contract.vocabulary import Quality
from hub.domain.judgement import DeviceFact, EventInput, ReadingInput, SiteModel, TickInput
from hub.rules.engine import Engine
from hub.rules.language import parse_rules
from hub.rules.rule import Rule

START = datetime(2026, 11, 23, 8, tzinfo=UTC)

MODEL = SiteModel(
    site="school",
    devices={
        fact.device: fact
        for fact in (
            DeviceFact("gate-button", "panic_button", "gate", "edge"),
            DeviceFact("hall-smoke", "fire_alarm", "teaching-1f", "edge"),
            DeviceFact("lab-smoke", "fire_alarm", "teaching-3f", "edge"),
            DeviceFact("canteen-smoke", "fire_alarm", "canteen", "edge"),
            DeviceFact("panel", "fire_alarm", "canteen", "edge", {"1": "teaching-1f", "2": "teaching-3f"}),
            DeviceFact("fridge", "environment", "canteen", "edge"),
            DeviceFact("lab-door", "access_control", "teaching-3f", "edge"),
            DeviceFact("east-door", "access_control", "teaching-1f", "edge"),
        )
    },
    zone_parents={
        "gate": None,
        "teaching": None,
        "teaching-1f": "teaching",
        "teaching-3f": "teaching",
        "canteen": None,
    },
    zone_classes={"gate": "key", "teaching-3f": "sensitive", "canteen": "key"},
    zone_kinds={
        "gate": "outdoor",
        "teaching": "building",
        "teaching-1f": "floor",
        "teaching-3f": "floor",
        "canteen": "building",
    },
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules as the engine wants them."""

    rules: Sequence[Rule]


def rules_of(text: str) -> Rules:
    """Rules from the YAML of a `rules:` list; a fault fails the test."""
    rules, faults = parse_rules({"rules": yaml.safe_load(text)}, Path("test.yaml"))
    assert not faults, faults
    return Rules(rules)


def faults_of(text: str) -> list[str]:
    """The faults of the YAML of a `rules:` list."""
    return parse_rules({"rules": yaml.safe_load(text)}, Path("test.yaml"))[1]


def engine_of(text: str, model: SiteModel = MODEL) -> Engine:
    return Engine(rules_of(text), model)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(
    kind: str,
    device: str,
    seconds: float,
    active: bool | None = None,
    *,
    address: str = "",
    late: bool = False,
    **attributes: Any,
) -> EventInput:
    return EventInput(
        id=f"edge/1/1/{device}.{address}.{kind}.{seconds}/0",
        device=device,
        address=address,
        zone=None,
        kind=kind,
        active=active,
        observed_at=at(seconds),
        recorded_at=at(seconds),
        late=late,
        attributes=attributes,
    )


def reading(
    device: str,
    point: str,
    value: float,
    seconds: float,
    *,
    quality: Quality = Quality.GOOD,
    late: bool = False,
) -> ReadingInput:
    return ReadingInput(
        id=f"edge/1/2/{device}.{point}.{seconds}",
        device=device,
        address="",
        zone=None,
        point=point,
        value=value,
        quality=quality,
        observed_at=at(seconds),
        recorded_at=at(seconds),
        late=late,
    )


def tick(seconds: float) -> TickInput:
    return TickInput(at(seconds))
