"""The console's hand-written types name the same fields as the API's views, with the same nulls."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from hub.api import session, views

SOURCE = Path(__file__).resolve().parents[2] / "hub" / "console" / "src" / "api" / "types.ts"
INTERFACE = re.compile(
    r"^export interface (?P<name>\w+)(?: extends (?P<base>\w+))? \{\n(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL
)
FIELD = re.compile(r"^  (?P<name>\w+)\??: (?P<type>.+?);$", re.MULTILINE)
PAIRS: dict[str, type] = {
    "AlarmView": views.AlarmView,
    "HazardView": views.HazardView,
    "StepView": views.StepView,
    "CommandView": views.CommandView,
    "IncidentView": views.IncidentView,
    "PointValue": views.ValueView,
    "DeviceView": views.DeviceView,
    "ZoneView": views.ZoneView,
    "EdgeView": views.EdgeView,
    "DutyView": views.DutyView,
    "Counts": views.Counts,
    "JournalRow": views.JournalView,
    "Change": views.Change,
    "Snapshot": views.Snapshot,
    "Beat": views.Beat,
    "UnreceiptedItem": views.UnreceiptedView,
    "Session": session.SessionView,
}


def read_interfaces() -> dict[str, dict[str, bool]]:
    """Per interface its fields, each with whether it may be null."""
    found: dict[str, dict[str, bool]] = {}
    for match in INTERFACE.finditer(SOURCE.read_text(encoding="utf-8")):
        fields = {field["name"]: field["type"].endswith("| null") for field in FIELD.finditer(match["body"])}
        found[match["name"]] = {**found.get(match["base"] or "", {}), **fields}
    return found


def fields_of(view: type) -> dict[str, bool]:
    """The fields of a view as they are sent, each with whether it may be null."""
    if is_dataclass(view):
        return {name: type(None) in get_args(kind) for name, kind in get_type_hints(view).items()}
    assert issubclass(view, views.View)
    return {
        (field.serialization_alias or name): type(None) in get_args(field.annotation)
        for name, field in view.model_fields.items()
    }


@pytest.mark.parametrize(("interface", "view"), PAIRS.items(), ids=PAIRS.keys())
def test_console_type_matches_the_api_view(interface: str, view: type) -> None:
    assert read_interfaces()[interface] == fields_of(view)
