"""The school that the benchmark runs: buttons on MQTT, points that report, devices that only send frames."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SITE: Final = "bench-school"
EDGE: Final = "bench-edge"
FRAMES: Final = "bench-frames"
"""The edge whose frames the benchmark makes by itself: no process runs it."""
BUTTONS: Final = 200
DOORS: Final = 200
CONFIG: Final = Path(__file__).resolve().parents[2] / "config"
DEVICES_PER_EDGE: Final = 1_200
"""One edge's settings have to fit one frame of 256 KB."""

PLAIN, DEMO, WATCHED = "plain", "demo", "watched"
_PLAIN_POINTS: Final = ("temperature_c", "humidity_pct", "signal_dbm", "voltage_v")
_DEMO_POINTS: Final = ("temperature_c", "humidity_pct", "gas_lel_pct", "voltage_v")
POINTS: Final = {PLAIN: _PLAIN_POINTS, DEMO: _DEMO_POINTS, WATCHED: _PLAIN_POINTS}
"""What is reported. No rule concerns a point of `plain`; the shipped rules concern one in four of `demo` (gas);
one threshold each concerns every point of `watched`, by the rules written here. The first two are of the
same devices."""
_BODIES: Final = ("ordinary", WATCHED)
REPORTERS: Final = 500
"""Devices of each of the two bodies: a batch holds each point once, 2 000 readings."""

SeriesKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class School:
    """How many devices of what; an edge has as many as its settings carry, the first one the buttons."""

    bodies: tuple[str, ...] = _BODIES
    reporters: int = REPORTERS
    """Devices of each body."""
    buttons: int = BUTTONS
    doors: int = DOORS

    @property
    def edges(self) -> list[str]:
        """The edges that a process runs."""
        count = -(-(self.buttons + self.reporters * len(self.bodies)) // DEVICES_PER_EDGE)
        return [EDGE, *(f"{EDGE}-{number}" for number in range(2, count + 1))]

    def placed(self) -> list[tuple[str, str, str]]:
        """(device, its body or `button`, edge) of everything that a process speaks for."""
        devices = [(button_name(number), "button") for number in range(self.buttons)]
        devices += [(f"{body}-{number:05d}", body) for body in self.bodies for number in range(self.reporters)]
        edges = self.edges
        return [(name, what, edges[at // DEVICES_PER_EDGE]) for at, (name, what) in enumerate(devices)]

    def series(self, edge: str) -> dict[str, list[SeriesKey]]:
        """What an edge's reporters report, by group."""
        found: dict[str, list[SeriesKey]] = {group: [] for group in POINTS}
        for name, what, at in self.placed():
            if at != edge or what not in self.bodies:
                continue
            for group in [WATCHED] if what == WATCHED else [PLAIN, DEMO]:
                found[group] += [(name, "", point) for point in POINTS[group]]
        return {group: keys for group, keys in found.items() if keys}


def button_name(number: int) -> str:
    """The name, and MQTT address, of a button."""
    return f"button-{number:03d}"


def door_name(number: int) -> str:
    """The name of a door of the edge that only sends frames."""
    return f"door-{number:03d}"


def write_school(folder: Path, school: School, broker_port: int) -> None:
    """Write the site's YAML, the rule book and what each edge's feeder reports."""
    connection = {"connection": "campus-mqtt", "driver": "mqtt", "host": "127.0.0.1", "port": broker_port}
    profiles = {"button": ("panic_button", "demo-panic-button-mqtt")}
    devices = [
        _device(
            name, *profiles.get(what, ("environment", "demo-environment-mqtt")), zone=_zone(what), edge=edge
        )
        for name, what, edge in school.placed()
    ]
    devices += [
        _device(door_name(number), "access_control", "demo-door-mqtt", zone="building", edge=FRAMES)
        for number in range(school.doors)
    ]
    posts = [
        "security-room", "gate-guard", "patrol-guard", "duty-leader", "safety-vice-principal", "principal",
        "security-chief", "school-doctor", "canteen-manager", "electrician", "maintenance", "floor-warden",
    ]  # fmt: skip
    document = {
        "site": SITE,
        "name": _text("bench"),
        "area": ["bench", "bench"],
        "time_zone": "Asia/Shanghai",
        "zones": [
            {"zone": "building", "name": _text("building"), "class": "general", "kind": "building"},
            {
                "zone": WATCHED,
                "parent": "building",
                "name": _text(WATCHED),
                "class": "general",
                "kind": "floor",
            },
        ],
        "edges": [
            {"edge": edge, "name": _text(edge), "connections": [connection]} for edge in [*school.edges, FRAMES]
        ],
        "devices": devices,
        "posts": [{"post": post, "name": _text(post)} for post in posts],
        "persons": [{"person": "somebody", "name": "somebody", "contacts": []}],
        "shifts": [{"post": post, "person": "somebody", "begins": "00:00", "ends": "00:00"} for post in posts],
        "escalation": {"critical_s": [30, 60, 120], "other_s": [90, 180, 300], "posts": ["duty-leader"]},
    }
    # JSON is YAML, and the smaller of the two.
    (folder / "site.yaml").write_text(json.dumps(document), encoding="utf-8")
    shutil.copytree(CONFIG / "rules", folder / "rules")
    (folder / "rules" / "bench.yaml").write_text(yaml.safe_dump({"rules": _predicates()}), encoding="utf-8")
    for edge in school.edges:
        (folder / f"{edge}.series.json").write_text(json.dumps(school.series(edge)), encoding="utf-8")


def _device(name: str, family: str, profile: str, *, zone: str, edge: str) -> dict[str, Any]:
    return {
        "device": name,
        "name": _text(name),
        "family": family,
        "zone": zone,
        "edge": edge,
        "connection": "campus-mqtt",
        "profile": profile,
    }


def _zone(what: str) -> str:
    return WATCHED if what == WATCHED else "building"


def _predicates() -> Sequence[dict[str, Any]]:
    """One threshold for each point of `watched`; the values that are fed lie below all of them."""
    return [
        {
            "rule": f"bench-{point.replace('_', '-')}",
            "kind": "threshold",
            "name": _text(point),
            "why": "The benchmark wants one predicate per reading.",
            "scope": {"zones": [WATCHED]},
            "point": point,
            "above": 60,
            "clear": 50,
            "alarm": {
                "kind": "environment.high",
                "priority": "medium",
                "owner_post": "maintenance",
                "response": _text("look"),
            },
        }
        for point in _PLAIN_POINTS
    ]


def _text(words: str) -> dict[str, str]:
    return {"zh": words, "en": words}
