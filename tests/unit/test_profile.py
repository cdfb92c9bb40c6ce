"""Profiles: every fault is listed with file, field, value and cure."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.profile import ProfileError, check_profile, load_profile

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
MQTT: dict[str, Any] = yaml.safe_load((PROFILES / "demo-door-mqtt.yaml").read_text("utf-8"))
MODBUS: dict[str, Any] = yaml.safe_load((PROFILES / "demo-io-buttons-modbus.yaml").read_text("utf-8"))


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a document with one field changed, or taken out (None)."""
    changed = copy.deepcopy(document)
    place: Any = changed
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize("file", sorted(PROFILES.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_profile_is_sound_also_after_the_wire(file: Path) -> None:
    document = yaml.safe_load(file.read_text("utf-8"))
    assert check_profile(document, file.name) == []
    assert load_profile(json.loads(json.dumps(document)), "wire") == load_profile(document, "file")
    assert document["profile"] == file.stem


FAULTS: list[tuple[dict[str, Any], str, Any, str]] = [
    (MQTT, "mqtt.mesages", [], "mqtt.mesages: []: unknown key"),
    (MQTT, "family", "doors", "family: 'doors': is no family"),
    (MQTT, "name.en", None, "name.en"),
    (MQTT, "profile", "No Name", "profile: 'No Name'"),
    (
        MQTT,
        "mqtt.messages.0.events.0.codes.forced",
        "door.forced_open",
        "is no event kind of the vocabulary; use one of door.",
    ),
    (
        MQTT,
        "mqtt.messages.0.events.0.codes.granted",
        {"kind": "access.granted", "active": True},
        "is momentary; take active out",
    ),
    (MQTT, "mqtt.messages.0.events.0.active", None, "'door.forced': begins and ends; say when"),
    (MQTT, "mqtt.messages.0.events.0.ignore", ["held"], "'held': is ignored too"),
    (MQTT, "mqtt.messages.1.conditions.0.kind", "access.denied", "'access.denied': is momentary"),
    (MQTT, "mqtt.messages.1.conditions.0.inactive", ["open"], "['open']: stands in active too"),
    (MQTT, "mqtt.messages.0.topic", "campus/+/event", "wildcards are written as {name}"),
    (MQTT, "mqtt.messages.0.topic", "campus/event", "needs {address}"),
    (MQTT, "mqtt.messages.0.topic", "campus/{address}/x{door}y", "a captured part is a whole level"),
    (MQTT, "mqtt.messages.0.topic", "campus/{address}/state", "stands twice"),
    (MQTT, "mqtt.messages.0.address", "{door}", "'{door}': is not in the topic"),
    (MQTT, "mqtt.messages.0.payload", "text", "a text payload has no paths"),
    (MQTT, "mqtt.messages.1.conditions", [{"kind": "door.opened", "from": "c", "actve": ["x"]}], "unknown key"),
    (MQTT, "mqtt.commands.0.feedback.topic", "campus/{address}/stat", "must be one of"),
    (MQTT, "mqtt.commands.0.payload", {"x": "{comand}"}, "'{comand}': use {address}"),
    (MQTT, "mqtt.commands.1.kind", "door.release", "stands twice; one command per kind"),
    (MQTT, "mqtt.commands.0.kind", "door.open", "is no command kind"),
    (MQTT, "modbus", {"polls": {"a": 100}}, "give exactly one of the protocol sections"),
    (MODBUS, "modbus.polls.panic", 1, "modbus.polls.panic: 1"),
    (MODBUS, "modbus.momentary.0.poll", "slow", "is no poll class; polls has panic"),
    (MODBUS, "modbus.momentary.0.capture", "sampled", "may not hang on a sampled point"),
    (MODBUS, "modbus.momentary.0.clear", None, "latched and clear belong together"),
    (MODBUS, "modbus.momentary.0.clear.table", "holding", "must be coil"),
    (MODBUS, "modbus.momentary.0.counter.table", "coil", "must be input or holding"),
    (MODBUS, "modbus.momentary.0.latched.table", "input", "must be coil or discrete"),
    (MODBUS, "modbus.momentary.0.kind", "fire.alarm", "a momentary kind is needed"),
    (MODBUS, "modbus.momentary.0.counter.at", 65_530, "65535 is the end"),
    (MODBUS, "modbus.commands.0.write.table", "discrete", "must be coil or holding"),
    (MODBUS, "modbus.commands.0.write.value", 2, "a coil is 0 or 1"),
    (
        MODBUS,
        "modbus.conditions",
        [{"table": "holding", "at": 0, "poll": "panic", "kind": "door.opened"}],
        "a register needs bits",
    ),
    (
        MODBUS,
        "modbus.conditions",
        [{"table": "coil", "at": 0, "poll": "panic", "bits": {"0": "door.opened"}}],
        "has no bits; use kind",
    ),
    (
        MODBUS,
        "modbus.conditions",
        [{"table": "input", "at": 0, "poll": "panic", "bits": {"16": "door.opened"}}],
        "less than or equal to 15",
    ),
    (
        MODBUS,
        "modbus.conditions",
        [{"table": "coil", "at": at, "poll": "panic", "kind": "door.opened"} for at in (1, 2)],
        "told twice",
    ),
    (
        MODBUS,
        "modbus.readings",
        [{"table": "input", "at": 0, "poll": "panic", "point": "voltage"}],
        "is no point",
    ),
    (
        MODBUS,
        "modbus.readings",
        [
            {
                "table": "input",
                "at": 0,
                "poll": "panic",
                "point": "voltage_v",
                "type": "f32",
                "repeat": {"count": 2},
            }
        ],
        "f32 takes 2 registers",
    ),
    (
        MODBUS,
        "modbus.readings",
        [
            {
                "table": "input",
                "at": 0,
                "poll": "panic",
                "point": "voltage_v",
                "limits": [{"kind": "environment.high", "active_from": 1, "clear_to": 1}],
            }
        ],
        "must differ",
    ),
]


@pytest.mark.parametrize(
    ("document", "path", "value", "words"), FAULTS, ids=[f"{n}-{f[1]}" for n, f in enumerate(FAULTS)]
)
def test_fault_is_named(document: dict[str, Any], path: str, value: Any, words: str) -> None:
    faults = check_profile(put(document, path, value), "house/door.yaml")
    assert any(words in fault for fault in faults), faults
    assert all(fault.startswith("house/door.yaml: ") for fault in faults)
    with pytest.raises(ProfileError) as caught:
        load_profile(put(document, path, value), "house/door.yaml")
    assert caught.value.faults == faults


def test_all_faults_come_at_once() -> None:
    bad = put(put(put(MQTT, "family", "x"), "mqtt.x", 1), "mqtt.commands.0.kind", "y")
    assert len(check_profile(bad, "f")) == 3
    worse = put(put(MQTT, "mqtt.messages.0.topic", "a"), "mqtt.messages.1.conditions.0.kind", "access.denied")
    assert len(check_profile(worse, "f")) >= 2


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"profile": "x"}])
def test_no_profile_at_all_is_refused(document: Any) -> None:
    assert check_profile(document, "f")


def test_captures_points_and_commands_are_told() -> None:
    door, buttons = load_profile(MQTT, "f"), load_profile(MODBUS, "f")
    assert door.captures()["door.forced"] == "edge"
    assert buttons.captures() == {"panic.pressed": "latched"}
    assert door.commands() == {"door.release", "door.pulse", "door.lock", "door.restore"}
    panel = load_profile(yaml.safe_load((PROFILES / "demo-fire-panel-modbus.yaml").read_text("utf-8")), "f")
    assert panel.captures()["fire.alarm"] == "latched"
    assert panel.captures()["fire.fault"] == "sampled"
    assert not panel.commands(), "a fire panel is only read"
