"""campus.yaml: which devices the simulated campus has and what happens there, and every fault in it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from simulators.bus import ModbusBus
from simulators.catalogue import family_names, find_family
from simulators.connection import BrokerAddress
from simulators.device import Device, DeviceSettings, Name, OrderRefused, Surroundings
from simulators.media import Media
from simulators.modbus import ModbusSettings
from simulators.mqtt import MqttSettings
from simulators.order import check_order
from simulators.stream import StreamServer

_PLACEHOLDER: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class _UniqueLoader(yaml.SafeLoader):
    """A safe loader to which the same key twice is an error; plain YAML lets the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


class CampusError(Exception):
    """The campus cannot be simulated as it is described; `faults` names every reason, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone; write one of the IANA names, as Asia/Shanghai") from None
    return value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Port = Annotated[int, Field(ge=1, le=65_535)]


class BrokerSettings(_Model):
    host: str = "127.0.0.1"
    port: Port = 1883


class Step(_Model):
    """One order of an incident, so many seconds after the incident began."""

    after_s: float = Field(default=0.0, ge=0.0, le=86_400.0)
    order: Annotated[str, Field(min_length=1, max_length=200)]


class Incident(_Model):
    incident: Name
    says: str = ""
    steps: tuple[Step, ...] = Field(min_length=1)


class Script(_Model):
    """Incidents one after the other: first in the order they stand here, then shuffled by the seed."""

    first_after_s: float = Field(default=20.0, ge=0.0, le=86_400.0)
    """From the moment when somebody listens to the campus."""
    every_s: tuple[float, float] = (120.0, 240.0)
    """Shortest and longest pause between the beginnings of two incidents."""
    incidents: tuple[Incident, ...] = ()


class Campus(_Model):
    """A checked campus.yaml."""

    campus: Name
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "Asia/Shanghai"
    listen: str = "127.0.0.1"
    """Where buses and streams listen."""
    broker: BrokerSettings = BrokerSettings()
    buses: dict[str, Port] = Field(default_factory=dict)
    """Modbus TCP ports by name."""
    streams: dict[str, Port] = Field(default_factory=dict)
    """Camera servers' ports by name."""
    devices: tuple[dict[str, Any], ...] = Field(min_length=1)
    script: Script = Script()

    def settings(self) -> list[DeviceSettings]:
        """The devices' own settings. Only for a campus without faults."""
        return [find_family(entry["type"]).Settings.model_validate(entry) for entry in self.devices]

    def open_media(self, hear: Callable[[], None] = lambda: None) -> Media:
        """The media, not yet started. `hear` is called whenever somebody asks a bus or opens a stream."""
        return Media(
            broker=BrokerAddress(self.broker.host, self.broker.port),
            buses={name: ModbusBus(self.listen, port, hear) for name, port in self.buses.items()},
            streams={name: StreamServer(self.listen, port, hear) for name, port in self.streams.items()},
        )

    def build_devices(self, surroundings: Surroundings, media: Media) -> dict[str, Device]:
        """All devices by name, not yet running."""
        return {
            settings.device: find_family(settings.type).build(settings, surroundings, media)
            for settings in self.settings()
        }


def read_campus(file: Path, environment: Mapping[str, str] = os.environ) -> Campus:
    """A campus.yaml. Raises CampusError with every fault."""
    try:
        document = yaml.load(file.read_bytes(), Loader=_UniqueLoader)
    except OSError as error:
        raise CampusError([f"{file}: cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CampusError([f"{file}: is not YAML: {' '.join(str(error).split())}"]) from None
    campus, faults = _parse(document, str(file), environment)
    if campus is None or faults:
        raise CampusError(faults)
    return campus


def check_campus(document: Any, file: Path | str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Every fault of a campus.yaml document, each with file, field, value and cure; empty: none."""
    return _parse(document, str(file), environment)[1]


def _parse(document: Any, file: str, environment: Mapping[str, str]) -> tuple[Campus | None, list[str]]:
    faults: list[str] = []
    filled = _fill_placeholders(document, "", environment, faults)
    faults = [f"{file}: {fault}" for fault in faults]
    try:
        campus = Campus.model_validate(filled)
    except ValidationError as error:
        found = _list_faults(error, "") + _check_sound(
            filled, {str(each["loc"][0]) for each in error.errors() if each["loc"]}
        )
        return None, faults + [f"{file}: {fault}" for fault in found]
    found = _check_devices(campus)
    if not found:
        found = _check_orders(campus)
    faults += [f"{file}: {fault}" for fault in found]
    return campus, faults


def _check_sound(document: Any, faulty: set[str]) -> list[str]:
    """The devices' faults in a document whose other top keys are faulty; where the media are, nothing, for
    then every device on them would look wrong.
    """
    if not isinstance(document, dict) or faulty & {"devices", "buses", "streams"}:
        return []
    sound = {key: value for key, value in document.items() if key not in faulty}
    return _check_devices(Campus.model_validate({"campus": "x", **sound}))


def _fill_placeholders(value: Any, where: str, environment: Mapping[str, str], faults: list[str]) -> Any:
    """`${NAME}` and `${NAME:-default}` in every text of a document, from the environment."""
    if isinstance(value, dict):
        return {
            key: _fill_placeholders(each, f"{where}.{key}" if where else str(key), environment, faults)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [
            _fill_placeholders(each, f"{where}[{place}]", environment, faults)
            for place, each in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        found = environment.get(name, default)
        if found is None:
            faults.append(f"{where}: {match[0]}: {name} is not set; set it, or write ${{{name}:-default}}")
            return "0"
        return found

    return _PLACEHOLDER.sub(fill, value)


def _check_devices(campus: Campus) -> list[str]:
    faults: list[str] = []
    known: list[DeviceSettings] = []
    for place, entry in enumerate(campus.devices):
        where = f"devices[{place}]"
        if entry.get("type") not in family_names():
            faults.append(
                f"{where}.type: {entry.get('type')!r} is no family; use one of {', '.join(family_names())}"
            )
            continue
        try:
            settings = find_family(entry["type"]).Settings.model_validate(entry)
        except ValidationError as error:
            faults += _list_faults(error, where)
            continue
        known.append(settings)
        faults += _check_media(campus, settings, where)
    faults += _find_doubles("device", (settings.device for settings in known))
    faults += _find_doubles(
        "address", (settings.topic_address for settings in known if isinstance(settings, MqttSettings))
    )
    faults += _find_doubles(
        "bus and unit",
        (f"{settings.bus} {settings.unit}" for settings in known if isinstance(settings, ModbusSettings)),
    )
    ports = [*campus.buses.values(), *campus.streams.values()]
    return faults + _find_doubles("port", map(str, ports))


def _check_media(campus: Campus, settings: DeviceSettings, where: str) -> list[str]:
    for field, table, names in (("bus", "buses", campus.buses), ("stream", "streams", campus.streams)):
        name = getattr(settings, field, None)
        if name is not None and name not in names:
            return [f"{where}.{field}: {name!r} is not among {table}; add it there with its port"]
    return []


def _find_doubles(what: str, names: Iterable[str]) -> list[str]:
    return [
        f"devices: {what} {name!r} stands {count} times; every device has its own"
        for name, count in Counter(names).items()
        if count > 1
    ]


def _check_orders(campus: Campus) -> list[str]:
    # The devices themselves know what can be done to them; built without running, they cost nothing.
    devices = campus.build_devices(Surroundings(), campus.open_media())
    faults = _find_doubles("incident", (incident.incident for incident in campus.script.incidents))
    for place, incident in enumerate(campus.script.incidents):
        for number, step in enumerate(incident.steps):
            try:
                check_order(devices, step.order)
            except OrderRefused as refusal:
                where = f"script.incidents[{place}].steps[{number}].order"
                faults.append(f"{where}: {step.order!r}: {refusal}")
    shortest, longest = campus.script.every_s
    if not 0 < shortest <= longest:
        faults.append(f"script.every_s: {list(campus.script.every_s)}: give [shortest, longest], above 0")
    return faults


def _list_faults(error: ValidationError, where: str) -> list[str]:
    faults = []
    for each in error.errors():
        field = where
        for part in each["loc"]:
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
        value = f" {each['input']!r:.80}" if each["type"] != "missing" else ""
        faults.append(f"{field}:{value}: {each['msg'].removeprefix('Value error, ')}")
    return faults
