"""hub.yaml: where the hub's database, broker, console and configuration are.

The environment overrides the file: `SANFANG_DATABASE`, `SANFANG_BROKER_HOST` and so on (`OVERRIDES`).
Paths are relative to the file. Secrets are typed as secrets and stay out of `repr`.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr

from hub.document import StrictModel, fault, fill_placeholders, parse_document, read_document
from hub.domain.error import ConfigurationError

Port = Annotated[int, Field(ge=1, le=65535)]


def _conninfo(value: str) -> str:
    if not (value.startswith(("postgresql://", "postgres://")) or "=" in value):
        raise ValueError("is no connection; write postgresql://user@host:port/name")
    return value


class BrokerSettings(StrictModel):
    """The MQTT broker between edges and hub."""

    host: str = Field(min_length=1)
    port: Port = 1883
    username: str | None = None
    password: SecretStr | None = None


class HttpSettings(StrictModel):
    """Where the API and the console listen."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8080


class HubSettings(StrictModel):
    """Everything the hub's processes are told."""

    database: Annotated[str, Field(repr=False), AfterValidator(_conninfo)]
    broker: BrokerSettings
    http: HttpSettings = HttpSettings()
    sites: tuple[Path, ...] = Field(min_length=1)
    profiles: Path
    rules: Path
    plans: Path
    run_dir: Path = Path("run")
    data_dir: Path = Path("data")


OVERRIDES: Final[dict[str, tuple[str, ...]]] = {
    "SANFANG_DATABASE": ("database",),
    "SANFANG_BROKER_HOST": ("broker", "host"),
    "SANFANG_BROKER_PORT": ("broker", "port"),
    "SANFANG_BROKER_USERNAME": ("broker", "username"),
    "SANFANG_BROKER_PASSWORD": ("broker", "password"),
    "SANFANG_HTTP_HOST": ("http", "host"),
    "SANFANG_HTTP_PORT": ("http", "port"),
    "SANFANG_RUN_DIR": ("run_dir",),
    "SANFANG_DATA_DIR": ("data_dir",),
}
"""Environment variable -> the field that it overrides."""


def load_settings(file: Path) -> HubSettings:
    """The settings in hub.yaml with the environment's overrides; raises ConfigurationError with every fault."""
    settings, faults = _parse(read_document(file), file, os.environ)
    if settings is None or faults:
        raise ConfigurationError(faults)
    return settings


def check_hub(document: Any, file: Path) -> list[str]:
    """Every fault of a hub.yaml document; empty when there is none."""
    settings, faults = _parse(document, file, os.environ)
    return faults + [f"{file}: {line}" for line in (check_http(settings.http) if settings else [])]


def check_http(http: HttpSettings) -> list[str]:
    """Plain HTTP stays on this machine until there is TLS."""
    if is_loopback(http.host):
        return []
    return [
        f"http.host: {http.host!r} can be reached from other machines, and there is no TLS yet: passwords would"
        " cross the network in the clear; use 127.0.0.1"
    ]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse(document: Any, file: Path, environment: Mapping[str, str]) -> tuple[HubSettings | None, list[str]]:
    if isinstance(document, dict):
        document = _override(document, environment)
    document, faults = fill_placeholders(document, file, environment)
    if faults:
        return None, faults
    settings, faults = parse_document(document, HubSettings, file)
    if settings is None:
        return None, faults
    settings = _resolve(settings, file.resolve().parent)
    return settings, _check_paths(settings, file)


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    result = dict(document)
    for name, path in OVERRIDES.items():
        if name not in environment:
            continue
        if len(path) == 1:
            result[path[0]] = environment[name]
        elif isinstance(result.get(path[0], {}), dict):
            result[path[0]] = {**result.get(path[0], {}), path[1]: environment[name]}
    return result


def _resolve(settings: HubSettings, base: Path) -> HubSettings:
    return settings.model_copy(
        update={
            "sites": tuple(base / site for site in settings.sites),
            **{
                name: base / getattr(settings, name)
                for name in ("profiles", "rules", "plans", "run_dir", "data_dir")
            },
        }
    )


def _check_paths(settings: HubSettings, file: Path) -> list[str]:
    faults = [
        fault(file, f"sites[{number}]", "is not a file; give the path of a site.yaml", str(site))
        for number, site in enumerate(settings.sites)
        if not site.is_file()
    ]
    for name in ("profiles", "rules", "plans"):
        path: Path = getattr(settings, name)
        if not path.is_dir():
            faults.append(fault(file, name, "is not a directory; give the path of one", str(path)))
    return faults
