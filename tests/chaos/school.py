"""The school under fire: two edges with thousands of devices on MQTT between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.school import CONFIG

__all__ = ["CONFIG", "EDGES", "SITE", "Device", "School", "write_school"]

SITE: Final = "fire-school"
EDGES: Final = ("west", "east")
_PROFILES: Final = {
    "button": ("panic_button", "demo-panic-button-mqtt"),
    "door": ("access_control", "demo-door-mqtt"),
    "sensor": ("environment", "demo-environment-mqtt"),
}
_POSTS: Final = [
    "security-room",
    "gate-guard",
    "patrol-guard",
    "duty-leader",
    "safety-vice-principal",
    "principal",
    "security-chief",
    "school-doctor",
    "canteen-manager",
    "electrician",
    "maintenance",
    "floor-warden",
]


@dataclass(frozen=True, slots=True)
class Device:
    """A device; its name is its MQTT address, too."""

    name: str
    sort: str
    edge: str


@dataclass(frozen=True, slots=True)
class School:
    """How many devices of each sort stand on each edge."""

    buttons: int = 500
    doors: int = 250
    sensors: int = 250

    def devices(self) -> Iterator[Device]:
        for edge in EDGES:
            for sort, count in (("button", self.buttons), ("door", self.doors), ("sensor", self.sensors)):
                for number in range(count):
                    yield Device(f"{edge}-{sort}-{number:04d}", sort, edge)


def write_school(file: Path, school: School, device_broker_port: int) -> None:
    """Write the site's YAML (as JSON, which it is as well and quicker to read)."""
    connection = {
        "connection": "campus-mqtt",
        "driver": "mqtt",
        "host": "127.0.0.1",
        "port": device_broker_port,
    }
    document: dict[str, Any] = {
        "site": SITE,
        "name": _text("under fire"),
        "area": ["test", "test"],
        "time_zone": "Asia/Shanghai",
        "zones": [{"zone": "building", "name": _text("building"), "class": "general", "kind": "building"}],
        "edges": [{"edge": edge, "name": _text(edge), "connections": [connection]} for edge in EDGES],
        "devices": [_describe(device) for device in school.devices()],
        "posts": [{"post": post, "name": _text(post)} for post in _POSTS],
        "persons": [{"person": "somebody", "name": "somebody", "contacts": []}],
        "shifts": [{"post": post, "person": "somebody", "begins": "00:00", "ends": "00:00"} for post in _POSTS],
        "escalation": {"critical_s": [30, 60, 120], "other_s": [90, 180, 300], "posts": ["duty-leader"]},
    }
    file.write_text(json.dumps(document), encoding="utf-8")


def _describe(device: Device) -> dict[str, Any]:
    family, profile = _PROFILES[device.sort]
    return {
        "device": device.name,
        "name": _text(device.name),
        "family": family,
        "zone": "building",
        "edge": device.edge,
        "connection": "campus-mqtt",
        "profile": profile,
    }


def _text(words: str) -> dict[str, str]:
    return {"zh": words, "en": words}
