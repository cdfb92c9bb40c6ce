"""A site's document as it is configured: its places, edges, devices, posts, and whom it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES
from hub.document import StrictModel
from hub.domain.place import KEY_LOCATIONS
from hub.sites.people import Name, PeopleConfiguration, Words


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone; write one of the IANA names, as Asia/Shanghai") from None
    return value


def _text_keys(value: Any) -> Any:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value


def _text_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _among(words: Mapping[str, Any], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"is not {what}; use one of {', '.join(sorted(words))}")
        return value

    return AfterValidator(check)


class LocalText(StrictModel):
    """A text for people in Chinese and, where it differs, English."""

    zh: Words
    en: Words

    @model_validator(mode="before")
    @classmethod
    def _fill_english(cls, value: Any) -> Any:
        return (
            {**value, "en": value["zh"]}
            if isinstance(value, dict) and "zh" in value and "en" not in value
            else value
        )


class ZoneConfiguration(StrictModel):
    zone: Name
    parent: Name | None = None
    name: LocalText
    class_: Literal["key", "sensitive", "general"] = Field(default="general", alias="class")
    kind: Literal["building", "floor", "room", "outdoor"]
    key_location: Annotated[str, _among(KEY_LOCATIONS, "a key location")] | None = None


class ConnectionConfiguration(StrictModel):
    """How an edge reaches devices; what the driver takes besides is checked by the edge."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)
    connection: Name
    driver: Name


class EdgeConfiguration(StrictModel):
    edge: Name
    name: LocalText
    connections: tuple[ConnectionConfiguration, ...] = ()


class AddressConfiguration(StrictModel):
    """A detector of a panel, a door of a controller."""

    zone: Name | None = None
    name: LocalText | None = None


class DeviceConfiguration(StrictModel):
    device: Name
    name: LocalText
    family: Annotated[str, _among(FAMILIES, "a family")]
    zone: Name
    edge: Name
    connection: Name
    profile: Name
    address: Annotated[str, BeforeValidator(_text_number), Field(min_length=1, max_length=120)] | None = None
    addresses: Annotated[dict[str, AddressConfiguration], BeforeValidator(_text_keys)] = Field(default={})
    parameters: dict[str, bool | int | float | str] = Field(default={})
    writes: tuple[Annotated[str, _among(COMMAND_KINDS, "a command")], ...] = ()
    notes: Annotated[str, Field(max_length=2000)] = ""


class PostConfiguration(StrictModel):
    post: Name
    name: LocalText


class EscalationConfiguration(StrictModel):
    """After how many seconds an alarm that nobody acknowledged goes to the next post."""

    critical_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = (30, 60, 120)
    other_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = (90, 180, 300)
    posts: tuple[Name, ...] = ()


class SiteConfiguration(PeopleConfiguration):
    site: Name
    name: LocalText
    area: tuple[Words, ...] = ()
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "Asia/Shanghai"
    zones: tuple[ZoneConfiguration, ...] = Field(min_length=1)
    edges: tuple[EdgeConfiguration, ...] = ()
    devices: tuple[DeviceConfiguration, ...] = ()
    posts: tuple[PostConfiguration, ...] = ()
    escalation: EscalationConfiguration = EscalationConfiguration()

    @property
    def profiles_by_device(self) -> dict[str, str]:
        return {device.device: device.profile for device in self.devices}
