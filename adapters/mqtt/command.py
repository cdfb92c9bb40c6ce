"""Commands out over MQTT: filling a profile's templates, recognising the device's feedback. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from adapters.contract.message import Command
from adapters.mqtt.topic import fill_address
from adapters.mqtt.value import Finder, Unreadable, compile_source, read_payload, take_code
from adapters.profile.model import canonical
from adapters.profile.mqtt import PLACEHOLDER, MqttCommand, MqttSection


class UnfitCommand(Exception):
    """A command lacks a parameter that the profile's template needs, or it fits no topic."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command ready to be published, and the message that will confirm it."""

    topic: str
    payload: bytes
    feedback_topic: str
    feedback_form: str
    expected: tuple[tuple[Finder, str], ...]

    def is_confirmed_by(self, topic: str, payload: bytes) -> bool:
        """Whether a message is the feedback: the right topic, every expected value in its place."""
        if not self.expected or topic != self.feedback_topic:
            return False
        try:
            document = read_payload(payload, self.feedback_form)
        except Unreadable:
            return False
        found = ((find(document, {}), text) for find, text in self.expected)
        return all(value is not None and take_code(value) == text for value, text in found)


def build_order(section: MqttSection, entry: MqttCommand, command: Command, address: str) -> Order:
    """The order for a device's topic address; raises UnfitCommand."""
    values = {"address": address, "channel": command.address, "command": command.command}
    for name, value in command.parameters.items():
        values[f"parameters.{name}"] = canonical(value) or ""
    topic = _fill(entry.topic, values)
    if any(wild in topic for wild in "+#\0"):
        raise UnfitCommand(f"{topic!r} is no topic to publish to")
    payload = _fill_all(entry.payload, values)
    feedback = entry.feedback
    return Order(
        topic=topic,
        payload=payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload),
        feedback_form=next(
            (m.payload for m in section.messages if feedback and m.topic == feedback.topic), "json"
        ),
        feedback_topic=fill_address(feedback.topic, address) if feedback else "",
        expected=tuple(
            (compile_source(source), _fill(text, values))
            for source, text in (feedback.expect.items() if feedback else ())
        ),
    )


def _fill_all(template: Any, values: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return _fill(template, values)
    if isinstance(template, dict):
        return {key: _fill_all(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [_fill_all(item, values) for item in template]
    return template


def _fill(template: str, values: Mapping[str, str]) -> str:
    for name in PLACEHOLDER.findall(template):
        if name not in values:
            raise UnfitCommand(f"the command has no {name}")
        template = template.replace("{" + name + "}", values[name])
    return template
