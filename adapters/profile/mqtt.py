"""The MQTT part of a profile: topics, where values stand in a payload, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from adapters.contract.vocabulary import KINDS
from adapters.profile.model import (
    CanonicalKeys,
    Capture,
    CommandKind,
    EventKind,
    Fault,
    Limit,
    Milliseconds,
    Part,
    PointName,
    Text,
    require_condition,
)

PLACEHOLDER: Final = re.compile(r"\{([a-z_.]+)\}")
_COMMAND_PLACEHOLDERS: Final = re.compile(r"^(address|channel|command|parameters\.[a-z_]+)$")

Source = Annotated[str, Field(min_length=1, max_length=200)]
"""Where a value stands: a path in the payload (`params.ts`, `events.0.id`), `.` for the whole
payload, or `{name}` for a part of the topic.
"""


def _spell_out_meaning(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _spell_out_truth(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


class Meaning(Part):
    """What one code of a device stands for. `active` where the code itself says begin or end."""

    kind: EventKind
    active: bool | None = None


class Truth(Part):
    """A value that means yes or no; any other value is unknown."""

    source: Source = Field(alias="from")
    yes: tuple[Text, ...] = ("true",)
    no: tuple[Text, ...] = ("false",)


class MqttEvents(Part):
    """Events told by a code. A code in neither list is kept raw and reported as unreadable."""

    source: Source = Field(alias="from")
    codes: Annotated[dict[str, Annotated[Meaning, BeforeValidator(_spell_out_meaning)]], CanonicalKeys]
    ignore: tuple[Text, ...] = ()
    active: Annotated[Truth | None, BeforeValidator(_spell_out_truth)] = None
    attributes: dict[str, Source] = Field(default_factory=dict)
    capture: Capture = "edge"


class MqttCondition(Part):
    """A condition told by a value; a missing or null value says nothing."""

    kind: EventKind
    source: Source = Field(alias="from")
    active: tuple[Text, ...] = ("true",)
    inactive: tuple[Text, ...] = ("false",)
    attributes: dict[str, Source] = Field(default_factory=dict)
    capture: Capture = "edge"


class MqttReading(Part):
    """A point told by a number; a missing or null value says nothing, one that is no number is bad."""

    point: PointName
    source: Source = Field(alias="from")
    scale: float = 1.0
    offset: float = 0.0
    limits: tuple[Limit, ...] = ()


class ObservedAt(Part):
    """The device's own time. A time without a zone is not guessed: it counts as absent."""

    source: Source = Field(alias="from")
    format: Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us"] = "iso8601"


class MqttMessage(Part):
    """One kind of message. `{address}` in the topic is the device's address, other `{names}` are
    captured. `address` gives the sub-address (door, channel) of everything in the message.
    """

    topic: str = Field(min_length=1, max_length=300)
    payload: Literal["json", "text"] = "json"
    address: Source | None = None
    identity: Source | None = None
    observed_at: ObservedAt | None = None
    events: tuple[MqttEvents, ...] = ()
    conditions: tuple[MqttCondition, ...] = ()
    readings: tuple[MqttReading, ...] = ()


class MqttFeedback(Part):
    """The message by which the device confirms: every path must hold its value."""

    topic: str
    expect: Annotated[dict[Source, Text], Field(min_length=1)]


class MqttCommand(Part):
    """A command out. Texts of topic, payload and feedback may hold `{address}`, `{channel}` (the
    command's sub-address), `{command}` (its id) and `{parameters.NAME}`.
    """

    kind: CommandKind
    topic: str
    payload: dict[str, Any] | str
    feedback: MqttFeedback | None = None
    within_ms: Milliseconds = 3_000


class MqttSection(Part):
    """Everything a device says and takes over MQTT."""

    messages: tuple[MqttMessage, ...] = Field(min_length=1)
    commands: tuple[MqttCommand, ...] = ()

    def captures(self) -> Iterator[tuple[str, Capture]]:
        """Each event kind with how surely it is caught."""
        for message in self.messages:
            for events in message.events:
                for meaning in events.codes.values():
                    yield meaning.kind, events.capture
            for condition in message.conditions:
                yield condition.kind, condition.capture
            for reading in message.readings:
                for limit in reading.limits:
                    yield limit.kind, "sampled"

    def points(self) -> Iterator[str]:
        for message in self.messages:
            for reading in message.readings:
                yield reading.point

    def faults(self, field: str) -> list[Fault]:
        """Every fault that a look at one field cannot show."""
        faults: list[Fault] = []
        topics = [message.topic for message in self.messages]
        used = {command.feedback.topic for command in self.commands if command.feedback}
        for n, message in enumerate(self.messages):
            here = f"{field}.messages.{n}"
            faults += _message_faults(message, here)
            if not (message.events or message.conditions or message.readings or message.topic in used):
                faults.append(
                    Fault(here, message.topic, "says nothing; give it events, conditions or readings")
                )
        for n, topic in enumerate(topics):
            if topic in topics[:n]:
                faults.append(
                    Fault(f"{field}.messages.{n}.topic", topic, "stands twice; join the two messages")
                )
        kinds = [command.kind for command in self.commands]
        for n, command in enumerate(self.commands):
            here = f"{field}.commands.{n}"
            if command.kind in kinds[:n]:
                faults.append(Fault(f"{here}.kind", command.kind, "stands twice; one command per kind"))
            faults += _command_faults(command, topics, here)
        return faults


def _message_faults(message: MqttMessage, field: str) -> list[Fault]:
    faults = _topic_faults(message.topic, f"{field}.topic")
    names = set(PLACEHOLDER.findall(message.topic))
    for at, source in _sources(message):
        if (found := PLACEHOLDER.fullmatch(source)) and found[1] not in names:
            faults.append(Fault(f"{field}.{at}", source, f"is not in the topic; it has {sorted(names)}"))
        if message.payload == "text" and source != "." and not found:
            faults.append(Fault(f"{field}.{at}", source, "a text payload has no paths; use '.'"))
    for n, events in enumerate(message.events):
        for code, meaning in events.codes.items():
            at = f"{field}.events.{n}.codes.{code}"
            condition = KINDS[meaning.kind].condition
            if condition and meaning.active is None and events.active is None:
                faults.append(
                    Fault(at, meaning.kind, "begins and ends; say when: active: true|false, or active: PATH")
                )
            if not condition and meaning.active is not None:
                faults.append(
                    Fault(f"{at}.active", meaning.active, f"{meaning.kind} is momentary; take active out")
                )
            if code in events.ignore:
                faults.append(Fault(at, code, "is ignored too; take it out of one list"))
    for n, entry in enumerate(message.conditions):
        faults += require_condition(f"{field}.conditions.{n}.kind", entry.kind)
        if both := set(entry.active) & set(entry.inactive):
            faults.append(Fault(f"{field}.conditions.{n}.inactive", sorted(both), "stands in active too"))
    for n, reading in enumerate(message.readings):
        for m, limit in enumerate(reading.limits):
            faults += limit.faults(f"{field}.readings.{n}.limits.{m}")
    return faults


def _topic_faults(topic: str, field: str) -> list[Fault]:
    faults = []
    if any(wild in topic for wild in "+#\0"):
        faults.append(Fault(field, topic, "wildcards are written as {name}"))
    if "{address}" not in topic:
        faults.append(Fault(field, topic, "needs {address}, or two devices would share it"))
    for level in topic.split("/"):
        if (
            "{" in level
            and level != "{address}"
            and "{address}" not in level
            and not PLACEHOLDER.fullmatch(level)
        ):
            faults.append(Fault(field, level, "a captured part is a whole level: {name}"))
    return faults


def _command_faults(command: MqttCommand, topics: list[str], field: str) -> list[Fault]:
    faults = []
    texts = [("topic", command.topic), *(("payload", text) for text in _texts(command.payload))]
    if command.feedback:
        texts += [("feedback.expect", text) for text in command.feedback.expect.values()]
        if command.feedback.topic not in topics:
            faults.append(Fault(f"{field}.feedback.topic", command.feedback.topic, f"must be one of {topics}"))
    for at, text in texts:
        for name in PLACEHOLDER.findall(text):
            if not _COMMAND_PLACEHOLDERS.match(name):
                cure = "use {address}, {channel}, {command} or {parameters.NAME}"
                faults.append(Fault(f"{field}.{at}", "{" + name + "}", cure))
    return faults


def _sources(message: MqttMessage) -> Iterator[tuple[str, str]]:
    if message.address:
        yield "address", message.address
    if message.identity:
        yield "identity", message.identity
    if message.observed_at:
        yield "observed_at.from", message.observed_at.source
    for n, events in enumerate(message.events):
        yield f"events.{n}.from", events.source
        if events.active:
            yield f"events.{n}.active", events.active.source
        for name, source in events.attributes.items():
            yield f"events.{n}.attributes.{name}", source
    for n, condition in enumerate(message.conditions):
        yield f"conditions.{n}.from", condition.source
        for name, source in condition.attributes.items():
            yield f"conditions.{n}.attributes.{name}", source
    for n, reading in enumerate(message.readings):
        yield f"readings.{n}.from", reading.source


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
