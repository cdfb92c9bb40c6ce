"""The edge's own configuration file and what enrolment gave it. Read once, at start; never written back."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretBytes, SecretStr, ValidationError

from adapters.contract.topic import NAME, Sender
from adapters.contract.vocabulary import COMMAND_KINDS
from edge.error import ConfigurationError

IDENTITY_FILE: Final = "identity.json"
SPOOL_FILE: Final = "spool.sqlite"
SETTINGS_FILE: Final = "settings.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _command_kind(kind: str) -> str:
    if kind not in COMMAND_KINDS:
        raise ValueError(f"{kind!r} is no command; use one of {', '.join(COMMAND_KINDS)}")
    return kind


CommandKind = Annotated[str, AfterValidator(_command_kind)]


class LocalOutput(_Strict):
    """A device of this edge that tells people on site that the hub is lost."""

    device: str
    address: str = ""
    lost: CommandKind = "siren.on"
    back: CommandKind = "siren.off"


class EdgeConfiguration(_Strict):
    """edge.yaml. Paths are relative to the file."""

    data_dir: Path
    run_dir: Path
    spool_bytes: int = Field(default=512 * 1024 * 1024, ge=1024 * 1024)
    """How many bytes of items the spool may hold before it drops; a tenth is kept for alarms."""
    telemetry_days: float = Field(default=7.0, gt=0, le=3_650)
    """How long telemetry is kept for the hub, in days that the machine was on; alarms are kept for ever."""
    hub_lost_output: LocalOutput | None = None


class BrokerTls(_Strict):
    """How the edge speaks TLS to the broker: the authorities that it believes, and its own credential."""

    ca: str
    """Certificates in PEM."""
    credential: Path
    """The edge's key and certificate in one file of PEM, in the data folder."""


class BrokerAddress(_Strict):
    """The broker between edge and hub."""

    host: str
    port: int = Field(ge=1, le=65_535)
    username: str | None = None
    password: SecretStr | None = None
    tls: BrokerTls | None = None


class Identity(_Strict):
    """Who this edge is: kept in `data_dir/identity.json`, readable by its owner only."""

    site: str = Field(pattern=NAME.pattern)
    edge: str = Field(pattern=NAME.pattern)
    root_secret: SecretBytes
    key_number: int = Field(ge=1, le=65_535)
    broker: BrokerAddress
    hub_url: str = ""
    """Where the hub is asked for a new certificate."""

    @property
    def sender(self) -> Sender:
        return Sender(self.site, self.edge)


def load_configuration(path: Path) -> EdgeConfiguration:
    """Read edge.yaml; raises ConfigurationError with every fault as `file: field: cure`."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError([f"{path}: is no YAML: {' '.join(str(error).split())}"]) from None
    if document is None:
        raise ConfigurationError([f"{path}: is empty; write at least data_dir and run_dir"])
    try:
        configuration = EdgeConfiguration.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(list_faults(str(path), error)) from None
    home = path.absolute().parent
    return configuration.model_copy(
        update={"data_dir": home / configuration.data_dir, "run_dir": home / configuration.run_dir}
    )


def load_identity(data_dir: Path) -> Identity:
    """Read what enrolment wrote; raises ConfigurationError where the edge is not enrolled."""
    path = data_dir / IDENTITY_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        cure = "ask the hub for a token (`sanfang edge invite NAME`) and run `sanfang edge enrol TOKEN`"
        raise ConfigurationError([f"{path}: this edge is not enrolled; {cure}"]) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        identity = Identity.model_validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(list_faults(str(path), error)) from None
    secret = base64.b64decode(identity.root_secret.get_secret_value())
    return identity.model_copy(
        update={"root_secret": SecretBytes(secret), "broker": _find_credential(identity.broker, data_dir)}
    )


def _find_credential(broker: BrokerAddress, data_dir: Path) -> BrokerAddress:
    if broker.tls is None:
        return broker
    tls = broker.tls.model_copy(update={"credential": data_dir / broker.tls.credential.name})
    return broker.model_copy(update={"tls": tls})


def save_identity(data_dir: Path, identity: Identity) -> None:
    """Write the identity so that only its owner can read it, all or nothing."""
    document = identity.model_dump(mode="json")
    document["root_secret"] = base64.b64encode(identity.root_secret.get_secret_value()).decode()
    password = identity.broker.password
    document["broker"]["password"] = None if password is None else password.get_secret_value()
    if identity.broker.tls is not None:
        document["broker"]["tls"]["credential"] = identity.broker.tls.credential.name
    replace_file(data_dir / IDENTITY_FILE, json.dumps(document, indent=1).encode())


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place so that after a crash there is the old one or the new one, whole. Mode 0600."""
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def list_faults(file: str, error: ValidationError) -> list[str]:
    """Every fault of a document, one line each: file, field, cure."""
    faults = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        cure = _CURES.get(item["type"], item["msg"].removeprefix("Value error, "))
        faults.append(f"{file}: {field}: {cure}")
    return faults


_CURES: Final = {
    "extra_forbidden": "unknown key; take it out or mend its spelling",
    "missing": "is missing; add it",
    "path_type": "is no path; write one in quotes",
}
