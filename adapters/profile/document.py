"""A whole profile: read, checked, every fault listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from adapters.contract.topic import NAME
from adapters.contract.vocabulary import KINDS
from adapters.profile.camera import CameraSection
from adapters.profile.modbus import ModbusSection
from adapters.profile.model import Capture, FamilyName, Fault, Name, Part
from adapters.profile.mqtt import MqttSection

_CAPTURE_RANK = {"edge": 0, "latched": 1, "sampled": 2}


class ProfileError(Exception):
    """A profile has faults; `faults` lists them all, one a line, with file, field, value and cure."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Profile(Part):
    """What one vendor's model says and takes. Exactly one of the protocol sections is given."""

    profile: Annotated[str, Field(pattern=NAME.pattern)]
    version: int = Field(default=1, ge=1)
    name: Name
    family: FamilyName
    mqtt: MqttSection | None = None
    modbus: ModbusSection | None = None
    camera: CameraSection | None = None

    @property
    def section(self) -> MqttSection | ModbusSection | CameraSection:
        """The section of its protocol."""
        section = self.mqtt or self.modbus or self.camera
        if section is None:  # load_profile refuses it; only a hand-made model gets here
            raise ProfileError([f"{self.profile}: no protocol section"])
        return section

    def captures(self) -> dict[str, Capture]:
        """Each event kind that the device can tell, with the weakest guarantee given for it."""
        weakest: dict[str, Capture] = {}
        for kind, capture in self.section.captures():
            known = weakest.get(kind)
            if known is None or _CAPTURE_RANK[capture] > _CAPTURE_RANK[known]:
                weakest[kind] = capture
        return weakest

    def points(self) -> frozenset[str]:
        """The points that the device can tell."""
        return frozenset(self.section.points())

    def commands(self) -> frozenset[str]:
        """The command kinds that the device takes."""
        section = self.section
        return (
            frozenset() if isinstance(section, CameraSection) else frozenset(c.kind for c in section.commands)
        )


def check_profile(document: Mapping[str, Any], file: str) -> list[str]:
    """Every fault of a profile as `file: field: value: cure`; none: []."""
    return _read(document, file)[1]


def load_profile(document: Mapping[str, Any], file: str) -> Profile:
    """A profile from its document (parsed YAML or JSON); raises ProfileError with every fault."""
    profile, faults = _read(document, file)
    if faults or profile is None:
        raise ProfileError(faults)
    return profile


def _read(document: Mapping[str, Any], file: str) -> tuple[Profile | None, list[str]]:
    if not isinstance(document, Mapping):
        return None, [f"{file}: {document!r}: a profile is a mapping of keys"]
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        faults = [Fault(_field(item["loc"]), item.get("input"), _cure(item)) for item in error.errors()]
        return None, [_line(file, fault) for fault in faults]
    return profile, [_line(file, fault) for fault in _faults(profile)]


def _faults(profile: Profile) -> list[Fault]:
    given = [name for name in ("mqtt", "modbus", "camera") if getattr(profile, name) is not None]
    if len(given) != 1:
        return [Fault("mqtt|modbus|camera", given, "give exactly one of the protocol sections")]
    faults = profile.section.faults(given[0])
    for kind, capture in profile.captures().items():
        if capture == "sampled" and KINDS[kind].life_safety and not KINDS[kind].condition:
            cure = "a life-safety event may not hang on a sampled point"
            if not any(kind in str(fault.cure) for fault in faults):
                faults.append(Fault(given[0], kind, cure))
    return faults


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(whole file)"


def _cure(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key; take it out or mend its spelling"
    if item["type"] == "missing":
        return "is missing; add it"
    return str(item["msg"]).removeprefix("Value error, ")


def _line(file: str, fault: Fault) -> str:
    value = repr(fault.value)
    return f"{file}: {fault.field}: {value if len(value) <= 80 else value[:77] + '...'}: {fault.cure}"
