"""From one MQTT message to readings and events, as its profile says. Pure: no clock, no connection."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.base import Reading
from adapters.contract.message import MAX_RAW_BYTES, Attribute, Event
from adapters.contract.vocabulary import KINDS, Quality
from adapters.mqtt.value import (
    Finder,
    Unreadable,
    compile_source,
    read_payload,
    take_attribute,
    take_code,
    take_identity,
    take_number,
    take_time,
)
from adapters.profile.model import canonical
from adapters.profile.mqtt import MqttCondition, MqttEvents, MqttMessage, MqttReading, Truth

_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came, with what is known of it."""

    device: str
    topic: str
    captures: Mapping[str, str]
    payload: bytes
    retained: bool
    edge_at: int


@dataclass(slots=True)
class Normalised:
    """What a message said."""

    events: list[Event]
    readings: list[Reading]


@dataclass(slots=True)
class _Context:
    """One message while it is taken apart."""

    message: Received
    document: Any
    address: str
    identity: str
    observed_at: int | None
    out: Normalised

    def find(self, finder: Finder) -> Any:
        return finder(self.document, self.message.captures)

    def tell(
        self, kind: str, active: bool | None, attributes: dict[str, Attribute], identity: str = ""
    ) -> None:
        """Only what a code tells carries the message's id: a condition or a limit tells what is now,
        and is news only when it differs.
        """
        if active is None and self.message.retained:
            return  # a press or a motion is never replayed by a broker's memory
        self.out.events.append(
            Event(
                device=self.message.device,
                address=self.address,
                kind=kind,
                active=active,
                observed_at=self.observed_at,
                edge_at=self.message.edge_at,
                attributes=attributes,
                raw=self.message.payload[:MAX_RAW_BYTES],
                identity=identity,
                # A state out of the broker's memory is true since it was said; it proves no wrong clock.
                replayed=self.message.retained,
            )
        )

    def tell_unknown(self, code: str, reason: str) -> None:
        self.out.events.append(_unreadable(self.message, self.address, self.observed_at, code, reason))


class MessageReader:
    """A message entry of a profile, compiled. One instance serves all devices of the profile."""

    def __init__(self, message: MqttMessage) -> None:
        self._form = message.payload
        self._address = compile_source(message.address) if message.address else None
        self._identity = compile_source(message.identity) if message.identity else None
        self._observed_at = compile_source(message.observed_at.source) if message.observed_at else None
        self._time_form = message.observed_at.format if message.observed_at else ""
        self._readers: list[Callable[[_Context], None]] = [
            *(_compile_events(entry) for entry in message.events),
            *(_compile_condition(entry) for entry in message.conditions),
            *(_compile_reading(entry) for entry in message.readings),
        ]

    def read(self, message: Received) -> Normalised:
        """Readings and events of one message. What cannot be understood becomes an
        `intake.unreadable` event, at most one a minute for the same thing (by its identity).
        """
        out = Normalised([], [])
        try:
            document = read_payload(message.payload, self._form)
        except Unreadable as error:
            out.events.append(_unreadable(message, "", None, "", f"the payload {error}"))
            return out
        context = _Context(message, document, "", "", None, out)
        if self._address is not None and (value := context.find(self._address)) is not None:
            context.address = take_code(value)
        if self._identity is not None and (value := context.find(self._identity)) is not None:
            context.identity = take_identity(value)
        if self._observed_at is not None:
            context.observed_at = take_time(context.find(self._observed_at), self._time_form)
        for reader in self._readers:
            reader(context)
        return out


def _compile_events(entry: MqttEvents) -> Callable[[_Context], None]:
    find = compile_source(entry.source)
    judge = _compile_truth(entry.active) if entry.active else None
    attributes = _compile_attributes(entry.attributes)
    meanings = {
        code: (meaning.kind, meaning.active, KINDS[meaning.kind].condition)
        for code, meaning in entry.codes.items()
    }
    ignored = frozenset(entry.ignore)

    def read(context: _Context) -> None:
        value = context.find(find)
        if value is None:
            return
        code = take_code(value)
        meaning = meanings.get(code)
        if meaning is None:
            if code not in ignored:
                context.tell_unknown(code, f"{entry.source} has a code that the profile does not know")
            return
        kind, active, condition = meaning
        if condition and active is None:
            active = judge(context) if judge else None
            if active is None:
                context.tell_unknown(code, f"{kind} without a word whether it begins or ends")
                return
        context.tell(kind, active, attributes(context), context.identity)

    return read


def _compile_condition(entry: MqttCondition) -> Callable[[_Context], None]:
    find = compile_source(entry.source)
    states = dict.fromkeys(entry.active, True) | dict.fromkeys(entry.inactive, False)
    attributes = _compile_attributes(entry.attributes)

    def read(context: _Context) -> None:
        value = context.find(find)
        if value is None:
            return  # a partial message: a missing key says nothing, never false
        code = take_code(value)
        active = states.get(code)
        if active is None:
            context.tell_unknown(
                code, f"{entry.source} has a value that the profile does not know for {entry.kind}"
            )
            return
        context.tell(entry.kind, active, attributes(context))

    return read


def _compile_reading(entry: MqttReading) -> Callable[[_Context], None]:
    find = compile_source(entry.source)

    def read(context: _Context) -> None:
        value = context.find(find)
        if value is None:
            return
        number = take_number(value) * entry.scale + entry.offset
        quality = Quality.GOOD
        if not math.isfinite(number):
            number, quality = math.nan, Quality.BAD
        elif context.message.retained and context.observed_at is None:
            quality = Quality.UNCERTAIN  # out of a broker's memory, of unknown age
        context.out.readings.append(
            Reading(
                context.message.device,
                context.address,
                entry.point,
                number,
                quality,
                context.observed_at,
                context.message.retained,
            )
        )
        for limit in entry.limits:
            if quality is Quality.GOOD and (active := limit.judge(number)) is not None:
                context.tell(limit.kind, active, {"value": number, "limit": limit.active_from})

    return read


def _compile_truth(truth: Truth) -> Callable[[_Context], bool | None]:
    find = compile_source(truth.source)
    states = dict.fromkeys(truth.yes, True) | dict.fromkeys(truth.no, False)

    def judge(context: _Context) -> bool | None:
        text = canonical(context.find(find))
        return states.get(text) if text is not None else None

    return judge


def _compile_attributes(sources: Mapping[str, str]) -> Callable[[_Context], dict[str, Attribute]]:
    finders = [(name, compile_source(source)) for name, source in sources.items()]

    def read(context: _Context) -> dict[str, Attribute]:
        found = {}
        for name, find in finders:
            value = take_attribute(context.find(find))
            if value is not None:
                found[name] = value
        return found

    return read


def _unreadable(message: Received, address: str, observed_at: int | None, code: str, reason: str) -> Event:
    attributes: dict[str, Attribute] = {"reason": reason, "topic": message.topic[:200]}
    if code:
        attributes["raw_code"] = code
    key = f"{message.topic}\n{address}\n{reason}\n{code}\n{message.edge_at // _MINUTE_US}"
    return Event(
        device=message.device,
        address=address,
        kind="intake.unreadable",
        active=None,
        observed_at=observed_at,
        edge_at=message.edge_at,
        attributes=attributes,
        raw=message.payload[:MAX_RAW_BYTES],
        identity=hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32],
    )
