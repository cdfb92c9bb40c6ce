"""The pieces that profiles of every protocol are made of."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES, KINDS, POINTS

Capture = Literal["edge", "latched", "sampled"]
"""How surely a short happening is caught: `edge` the device reports each one itself, `latched` the
device holds it until it is read, `sampled` it is seen only if it lasts until the next poll.
"""


class Part(BaseModel):
    """Base of all models: frozen, unknown keys refused, `from` and the like by alias."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Fault(NamedTuple):
    """One thing wrong with a profile: where, what stands there, what to do."""

    field: str
    value: Any
    cure: str


def canonical(value: object) -> str | None:
    """The text by which a device's value is compared with a profile's: true, 5, 0.5, open.

    None for what is no plain value. JSON carries keys as texts, so `true` and "true" are one.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else repr(value)
    return None


def _canonical_text(value: object) -> str:
    text = canonical(value)
    if text is None:
        raise ValueError("must be a text, a number, true or false")
    return text


def _canonical_keys(value: object) -> object:
    if isinstance(value, dict):
        return {_canonical_text(key): item for key, item in value.items()}
    return value


def _one_of(names: dict[str, Any], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            near = [known for known in names if known.split(".")[0] == name.split(".")[0]]
            raise ValueError(f"is no {what}; use one of {', '.join(near or sorted(names))}")
        return name

    return AfterValidator(check)


EventKind = Annotated[str, _one_of(KINDS, "event kind of the vocabulary")]
PointName = Annotated[str, _one_of(POINTS, "point of the vocabulary")]
FamilyName = Annotated[str, _one_of(FAMILIES, "family of the vocabulary")]
CommandKind = Annotated[str, _one_of(COMMAND_KINDS, "command kind of the vocabulary")]
Text = Annotated[str, BeforeValidator(_canonical_text)]
CanonicalKeys = BeforeValidator(_canonical_keys)
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]


class Name(Part):
    """A name in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Limit(Part):
    """An alarm limit of a reading, with hysteresis: the condition begins at `active_from` and ends
    at `clear_to`; between the two nothing is said. A high limit has `active_from` above `clear_to`.
    """

    kind: EventKind
    active_from: float
    clear_to: float

    def judge(self, value: float) -> bool | None:
        """Whether the condition holds; None between the two limits and for NaN."""
        high = self.active_from > self.clear_to
        if value >= self.active_from if high else value <= self.active_from:
            return True
        if value <= self.clear_to if high else value >= self.clear_to:
            return False
        return None

    def faults(self, field: str) -> list[Fault]:
        faults = require_condition(f"{field}.kind", self.kind)
        if self.active_from == self.clear_to:
            faults.append(Fault(f"{field}.clear_to", self.clear_to, "must differ from active_from"))
        return faults


def require_condition(field: str, kind: str) -> list[Fault]:
    """A fault where a kind that begins and ends is needed and `kind` is momentary."""
    if KINDS[kind].condition:
        return []
    return [Fault(field, kind, "is momentary; a kind that begins and ends is needed here")]


def require_momentary(field: str, kind: str) -> list[Fault]:
    """A fault where a momentary kind is needed and `kind` begins and ends."""
    if not KINDS[kind].condition:
        return []
    return [Fault(field, kind, "begins and ends; a momentary kind is needed here")]
