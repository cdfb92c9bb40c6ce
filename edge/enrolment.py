"""How an edge becomes the hub's: an invitation token, a proof each way, one root secret derived on both sides.

Nothing secret crosses the wire.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretBytes, ValidationError

from adapters.contract.topic import NAME
from edge.configuration import BrokerAddress, Identity, list_faults, save_identity
from edge.error import ConfigurationError, EnrolmentError

NONCE_BYTES: Final = 32
ANSWER_S: Final = 10.0
_ANSWER_BYTES: Final = 65_536


class Invitation(BaseModel):
    """What a token says: base64url of this as JSON."""

    v: int = Field(ge=1, le=1)
    url: str
    site: str = Field(pattern=NAME.pattern)
    edge: str = Field(pattern=NAME.pattern)
    invite: str
    secret: SecretBytes
    ca: str = ""


class _Answer(BaseModel):
    hub_nonce: str
    proof: str
    key_number: int = Field(ge=1, le=65_535)
    broker: BrokerAddress


def read_token(token: str) -> Invitation:
    """An invitation from its token; raises EnrolmentError for what is none."""
    try:
        document = json.loads(base64.urlsafe_b64decode(token.strip() + "=" * (-len(token.strip()) % 4)))
        document["secret"] = base64.b64decode(document["secret"], validate=True)
        return Invitation.model_validate(document)
    except ValidationError as error:
        raise EnrolmentError("; ".join(list_faults("token", error))) from None
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise EnrolmentError("this is no invitation token; was it copied whole?") from None


def enrol_edge(token: str, data_dir: Path) -> Identity:
    """Enrol with the hub that the token names and keep the identity in `data_dir`.

    Raises EnrolmentError where the hub refuses or cannot prove that it knows the invitation's secret;
    ConfigurationError where the folder cannot be written.
    """
    invitation = read_token(token)
    url = _check_url(invitation.url)
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError([f"{data_dir}: cannot be made: {error.strerror}"]) from None
    secret = invitation.secret.get_secret_value()
    edge_nonce = secrets.token_bytes(NONCE_BYTES)
    answer = _ask(
        f"{url}/api/v1/enrolment",
        {
            "invite": invitation.invite,
            "site": invitation.site,
            "edge": invitation.edge,
            "edge_nonce": base64.b64encode(edge_nonce).decode(),
            "proof": hmac.digest(secret, b"edge" + edge_nonce, "sha256").hex(),
        },
    )
    try:
        hub_nonce = base64.b64decode(answer.hub_nonce, validate=True)
    except (binascii.Error, ValueError):
        raise EnrolmentError("the hub's nonce is no base64") from None
    wanted = hmac.digest(secret, b"hub" + edge_nonce + hub_nonce, "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), answer.proof.lower().encode()):
        raise EnrolmentError("whoever answered is not the hub of this invitation")
    identity = Identity(
        site=invitation.site,
        edge=invitation.edge,
        root_secret=SecretBytes(hmac.digest(secret, b"sanfang root" + edge_nonce + hub_nonce, "sha256")),
        key_number=answer.key_number,
        broker=answer.broker,
    )
    try:
        save_identity(data_dir, identity)
    except OSError as error:
        raise ConfigurationError([f"{data_dir}: cannot be written: {error.strerror}"]) from None
    return identity


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise EnrolmentError(f"{url}: enrolment goes over plain HTTP on this machine only, until TLS is there")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ask(url: str, body: dict[str, Any]) -> _Answer:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "X-Sanfang": "1"}, method="POST"
    )
    # No proxy: what is asked stands on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_S) as response:
            return _Answer.model_validate_json(response.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise EnrolmentError(f"the hub refuses: {_read_message(error.read(_ANSWER_BYTES))}") from None
    except OSError as error:
        raise EnrolmentError(f"the hub at {url} cannot be reached: {error}") from None
    except ValidationError as error:
        raise EnrolmentError("; ".join(list_faults("the hub's answer", error))) from None


def _read_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
