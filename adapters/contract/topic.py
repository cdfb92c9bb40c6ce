"""MQTT topics between edge and hub: `sanfang/<site>/<edge>/<up|down>/<what>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from adapters.contract.vocabulary import Lane

ROOT: Final = "sanfang"
NAME: Final = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,62}$")
"""What a site, edge, zone or device may be called; no MQTT wildcard can stand in it. To be used with
`fullmatch`: Python's `$` lets a line feed at the end through.
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message belongs to: one edge of one site."""

    site: str
    edge: str

    def __post_init__(self) -> None:
        for field, name in (("site", self.site), ("edge", self.edge)):
            if not NAME.fullmatch(name):
                raise ValueError(f"{field}: {name!r} is not a name; use a-z 0-9 _ . - (63 at most)")

    def __str__(self) -> str:
        return f"{self.site}/{self.edge}"


def lane_topic(sender: Sender, lane: Lane) -> str:
    """Where an edge publishes the items of a lane."""
    return f"{ROOT}/{sender.site}/{sender.edge}/up/{lane.name.lower()}"


def heartbeat_topic(sender: Sender) -> str:
    """Where an edge publishes its heartbeat and exchange."""
    return f"{ROOT}/{sender.site}/{sender.edge}/up/heartbeat"


def down_topic(sender: Sender, what: str) -> str:
    """Where the hub publishes to an edge: `receipt`, `gap`, `command` or `settings`."""
    return f"{ROOT}/{sender.site}/{sender.edge}/down/{what}"


def down_filter(sender: Sender) -> str:
    """What an edge subscribes to."""
    return f"{ROOT}/{sender.site}/{sender.edge}/down/+"


def up_filter(what: str, site: str = "+") -> str:
    """What a hub subscribes to: `alarm`, `telemetry`, `heartbeat`."""
    return f"{ROOT}/{site}/+/up/{what}"


def read_topic(topic: str) -> tuple[Sender, str, str] | None:
    """Split a topic into sender, direction and what; None where it is not one of ours."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[0] != ROOT or parts[3] not in ("up", "down"):
        return None
    try:
        return Sender(parts[1], parts[2]), parts[3], parts[4]
    except ValueError:
        return None
