"""hub.yaml: where the hub's database, broker, console, certificates and configuration are.

The environment overrides the file: `SANFANG_DATABASE`, `SANFANG_BROKER_HOST` and so on (`OVERRIDES`).
Paths are relative to the file. Secrets are typed as secrets and stay out of `repr`.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, model_validator

from hub.document import StrictModel, fault, fill_placeholders, parse_document, read_document
from hub.domain.error import ConfigurationError
from hub.domain.retention import DEFAULT, Kept, read_days

PASSPHRASE: Final = "SANFANG_CA_PASSPHRASE"
"""Environment variable: what opens the certificate authority's key, where that is encrypted."""
Port = Annotated[int, Field(ge=1, le=65535)]
_Part = TypeVar("_Part", bound=StrictModel)


def _conninfo(value: str) -> str:
    if not (value.startswith(("postgresql://", "postgres://")) or "=" in value):
        raise ValueError("is no connection; write postgresql://user@host:port/name")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"is no network ({error}); write 10.0.0.7 or 10.0.0.0/24") from None
    if network.prefixlen < (8 if network.version == 4 else 32):
        raise ValueError("is nearly everybody, who could then choose his address; name your proxies alone")
    return network


class ClientTls(StrictModel):
    """How the hub speaks TLS to the broker: whose certificates it believes, and its own."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    """Where it is not in the certificate's file."""


class ServerTls(StrictModel):
    """The certificate of the API and the console."""

    certificate: Path
    key: Path | None = None
    """Where it is not in the certificate's file."""


class BrokerSettings(StrictModel):
    """The MQTT broker between edges and hub."""

    host: str = Field(min_length=1)
    port: Port = 1883
    name: str | None = Field(default=None, min_length=1)
    """What edges call the broker, where it is not `host`."""
    username: str | None = None
    password: SecretStr | None = None
    tls: ClientTls | None = None

    @property
    def edges_host(self) -> str:
        """The broker's name or address as edges reach it."""
        return self.name or self.host


class HttpSettings(StrictModel):
    """Where the API and the console listen."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8080
    name: str | None = Field(default=None, min_length=1)
    """What edges and browsers call the hub, where it is not `host`."""
    tls: ServerTls | None = None
    proxies: tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...] = ()
    """The reverse proxies that stand before the hub: addresses or networks; from these alone is believed what
    X-Forwarded-For and X-Forwarded-Proto say.
    """

    @property
    def url(self) -> str:
        """The hub's address as edges and browsers write it."""
        host = self.name or self.host
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class AuthoritySettings(StrictModel):
    """The site's own certificate authority (`sanfang ca`)."""

    directory: Path
    edge_days: int = Field(default=180, ge=90, le=397)
    """How long an edge's certificate is good; it renews it by itself when a third is left."""
    server_days: int = Field(default=397, ge=30, le=397)


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("is no issuer; write https://host/path as the provider calls itself")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("is not https, and whoever is between could be anybody; use https")
    return value


class OidcSettings(StrictModel):
    """The identity provider by which people may log in instead of a password (OpenID Connect)."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    """As the provider writes itself, to the letter."""
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    claim: Literal["preferred_username", "email", "sub"] = "preferred_username"
    """What of the ID token is the account's log-in name here: by it the provider says whose account it is."""
    ca: Path | None = None
    """Whose certificates are believed, where the provider's is not from a public authority."""
    hub_url: str | None = Field(default=None, pattern=r"^https?://[^/]+/?$")
    """The hub as browsers call it, where a proxy stands before it."""


def _hook_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no address; write https://host/path")
    if parts.username is not None or parts.fragment:
        raise ValueError("holds a user or a fragment; the secret proves who we are, leave them out")
    _ = parts.port  # raises ValueError where it is none
    return value


class WebhookSettings(StrictModel):
    """Where the hub posts what is journaled (`hub/notify/channels/webhook.py`)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
    """Under which the hub remembers how far it has told; another name begins anew."""
    url: Annotated[str, AfterValidator(_hook_url)]
    secret: Annotated[SecretStr, Field(min_length=16)]
    """What each message is signed with."""
    sites: tuple[str, ...] = ()
    """Only these; none: all."""
    kinds: tuple[Annotated[str, Field(pattern=r"^[a-z_]+\.([a-z_]+|\*)$")], ...] = (
        "alarm.*",
        "hazard.*",
        "incident.*",
    )
    allow_private: bool = False
    """The receiver is on the school's own network, or on this machine."""

    @model_validator(mode="after")
    def _in_the_clear_only_at_home(self) -> Self:
        if self.url.startswith("http:") and not self.allow_private:
            raise ValueError(
                "url: is plain http, and what happens at the school would cross the network in the clear; use"
                " https, or allow_private: true for a receiver on this network"
            )
        return self


def _once_each(hooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    twice = sorted({hook.name for hook in hooks if sum(each.name == hook.name for each in hooks) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice; give each hook a name of its own")
    return hooks


def _days(name: str) -> PlainValidator:
    return PlainValidator(lambda value: read_days(name, value))


class RetentionSettings(StrictModel):
    """How many days each class is kept, or `forever`; hub/domain/retention.py has the defaults and floors."""

    readings: Annotated[int | None, _days("readings")] = DEFAULT["readings"]
    rollup_minute: Annotated[int | None, _days("rollup_minute")] = DEFAULT["rollup_minute"]
    rollup_quarter: Annotated[int | None, _days("rollup_quarter")] = DEFAULT["rollup_quarter"]
    rollup_hour: Annotated[int | None, _days("rollup_hour")] = DEFAULT["rollup_hour"]
    events: Annotated[int | None, _days("events")] = DEFAULT["events"]
    journal: Annotated[int | None, _days("journal")] = DEFAULT["journal"]
    alarms: Annotated[int | None, _days("alarms")] = DEFAULT["alarms"]
    hazards: Annotated[int | None, _days("hazards")] = DEFAULT["hazards"]
    incidents: Annotated[int | None, _days("incidents")] = DEFAULT["incidents"]
    commands: Annotated[int | None, _days("commands")] = DEFAULT["commands"]
    history: Annotated[int | None, _days("history")] = DEFAULT["history"]
    quarantine: Annotated[int | None, _days("quarantine")] = DEFAULT["quarantine"]
    tombstones: Annotated[int | None, _days("tombstones")] = DEFAULT["tombstones"]
    sessions: Annotated[int | None, _days("sessions")] = DEFAULT["sessions"]

    @property
    def kept(self) -> Kept:
        """Class -> days; None: for ever."""
        return {name: getattr(self, name) for name in DEFAULT}


class HubSettings(StrictModel):
    """Everything the hub's processes are told."""

    database: Annotated[str, Field(repr=False), AfterValidator(_conninfo)]
    broker: BrokerSettings
    former_broker: BrokerSettings | None = None
    """While edges move to another broker: the hub listens and speaks there, too, so that they hear of it."""
    http: HttpSettings = HttpSettings()
    ca: AuthoritySettings | None = None
    oidc: OidcSettings | None = None
    sites: tuple[Path, ...] = Field(min_length=1)
    profiles: Path
    rules: Path
    plans: Path
    webhooks: Annotated[tuple[WebhookSettings, ...], AfterValidator(_once_each)] = ()
    retention: RetentionSettings = RetentionSettings()
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
    return faults + [f"{file}: {line}" for line in (check_exposure(settings) if settings else [])]


def check_exposure(settings: HubSettings) -> list[str]:
    """What leaves this machine goes over TLS: neither passwords nor events cross a network in the clear."""
    former = [] if settings.former_broker is None else check_broker(settings.former_broker, "former_broker")
    return check_http(settings.http) + check_broker(settings.broker) + former


def check_http(http: HttpSettings) -> list[str]:
    """Plain HTTP stays on this machine; a name is needed where the address is everybody's."""
    if is_loopback(http.host):
        return []
    if http.tls is None:
        return [
            f"http.host: {http.host!r} can be reached from other machines, and passwords would cross the"
            " network in the clear; add http.tls (`sanfang ca issue`), or use 127.0.0.1"
        ]
    if http.name is None and http.host in ("0.0.0.0", "::"):
        return [f"http.name: is missing and {http.host} is nobody's address; write what edges call this hub"]
    return []


def check_broker(broker: BrokerSettings, section: str = "broker") -> list[str]:
    """Plain MQTT stays on this machine."""
    if broker.tls is not None:
        return []
    return [
        f"broker.{field}: {host!r} is another machine, and what the edges say would cross the network in the"
        " clear; add broker.tls (`sanfang ca issue`), or use 127.0.0.1"
        for field, host in (("host", broker.host), ("name", broker.edges_host))
        if not is_loopback(host)
    ][:1]


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
    broker, http, authority = settings.broker, settings.http, settings.ca
    former = settings.former_broker
    return settings.model_copy(
        update={
            "sites": tuple(base / site for site in settings.sites),
            "broker": broker.model_copy(update={"tls": _resolve_model(broker.tls, base)}),
            "former_broker": former and former.model_copy(update={"tls": _resolve_model(former.tls, base)}),
            "http": http.model_copy(update={"tls": _resolve_model(http.tls, base)}),
            "ca": _resolve_model(authority, base),
            "oidc": _resolve_model(settings.oidc, base),
            **{
                name: base / getattr(settings, name)
                for name in ("profiles", "rules", "plans", "run_dir", "data_dir")
            },
        }
    )


def _resolve_model(model: _Part | None, base: Path) -> _Part | None:
    """The same with every path that it names made absolute."""
    if model is None:
        return None
    paths = {name: base / value for name, value in model if isinstance(value, Path)}
    return model.model_copy(update=paths)


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
