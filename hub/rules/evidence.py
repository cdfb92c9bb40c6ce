"""Evidence: what a verdict rests on, made from an input, and as data for a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hub.domain.judgement import EventInput, Evidence, ReadingInput
from hub.domain.moment import microseconds, moment_of


def from_event(event: EventInput, **more: Any) -> Evidence:
    """The evidence that an event is."""
    values: dict[str, Any] = {}
    if event.active is not None:
        values["active"] = event.active
    for name, value in event.attributes.items():
        values[name] = _sound(value)
    values.update(more)
    return Evidence(
        id=event.id,
        observed_at=event.observed_at,
        recorded_at=event.recorded_at,
        device=event.device,
        address=event.address,
        zone=event.zone,
        kind=event.kind,
        values=values,
    )


def from_reading(reading: ReadingInput, kind: str, **more: Any) -> Evidence:
    """The evidence that a reading is, for the kind that the rule makes of it."""
    values: dict[str, Any] = {
        "point": reading.point,
        "value": _sound(reading.value),
        "quality": reading.quality.name.lower(),
        **more,
    }
    return Evidence(
        id=reading.id,
        observed_at=reading.observed_at,
        recorded_at=reading.recorded_at,
        device=reading.device,
        address=reading.address,
        zone=reading.zone,
        kind=kind,
        values=values,
    )


def pack(evidence: Evidence) -> dict[str, Any]:
    """Evidence as JSON data."""
    return {
        "id": evidence.id,
        "observed_at": microseconds(evidence.observed_at),
        "recorded_at": microseconds(evidence.recorded_at),
        "device": evidence.device,
        "address": evidence.address,
        "zone": evidence.zone,
        "kind": evidence.kind,
        "values": dict(evidence.values),
    }


def unpack(data: Mapping[str, Any], **more: Any) -> Evidence:
    """Evidence from its JSON data."""
    return Evidence(
        id=data["id"],
        observed_at=moment_of(data["observed_at"]),
        recorded_at=moment_of(data["recorded_at"]),
        device=data["device"],
        address=data["address"],
        zone=data["zone"],
        kind=data["kind"],
        values={**data["values"], **more},
    )


def _sound(value: Any) -> Any:
    # JSON has no NaN and the journal refuses it: the word says what was heard.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
