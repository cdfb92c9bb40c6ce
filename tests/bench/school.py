"""The school that the benchmark runs: one edge, many one-key buttons on MQTT, many points that only report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.bench.feeder import DEVICES, device_name

SITE = "bench-school"
EDGE = "bench-edge"
BUTTONS = 200
CONFIG = Path(__file__).resolve().parents[2] / "config"


def button_name(number: int) -> str:
    """The name, and MQTT address, of a button."""
    return f"button-{number:03d}"


def write_school(file: Path, broker_port: int) -> None:
    """Write the site's YAML."""

    def text(words: str) -> dict[str, str]:
        return {"zh": words, "en": words}

    connection = {"connection": "campus-mqtt", "driver": "mqtt", "host": "127.0.0.1", "port": broker_port}
    buttons: list[dict[str, Any]] = [
        {
            "device": button_name(number),
            "name": text(button_name(number)),
            "family": "panic_button",
            "zone": "building",
            "edge": EDGE,
            "connection": "campus-mqtt",
            "profile": "demo-panic-button-mqtt",
        }
        for number in range(BUTTONS)
    ]
    reporters: list[dict[str, Any]] = [
        {
            "device": device_name(number),
            "name": text(device_name(number)),
            "family": "environment",
            "zone": "building",
            "edge": EDGE,
            "connection": "campus-mqtt",
            "profile": "demo-environment-mqtt",
        }
        for number in range(DEVICES)
    ]
    posts = [
        "security-room", "gate-guard", "patrol-guard", "duty-leader", "safety-vice-principal", "principal",
        "security-chief", "school-doctor", "canteen-manager", "electrician", "maintenance", "floor-warden",
    ]  # fmt: skip
    document = {
        "site": SITE,
        "name": text("bench"),
        "area": ["bench", "bench"],
        "time_zone": "Asia/Shanghai",
        "zones": [{"zone": "building", "name": text("building"), "class": "general", "kind": "building"}],
        "edges": [{"edge": EDGE, "name": text(EDGE), "connections": [connection]}],
        "devices": [*buttons, *reporters],
        "posts": [{"post": post, "name": text(post)} for post in posts],
        "persons": [{"person": "somebody", "name": "somebody", "contacts": []}],
        "shifts": [{"post": post, "person": "somebody", "begins": "00:00", "ends": "00:00"} for post in posts],
        "escalation": {"critical_s": [30, 60, 120], "other_s": [90, 180, 300], "posts": ["duty-leader"]},
    }
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
