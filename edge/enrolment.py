"""How an edge becomes the hub's: an invitation token, a proof each way, one root secret derived on both sides.

Nothing secret crosses the wire. With TLS the edge makes its own key here, and gets its certificate in the same
answer; later it renews that by itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import ssl
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from pydantic import BaseModel, Field, SecretBytes, ValidationError

from adapters.contract.enrolment import (
    ENROL_PATH,
    NONCE_BYTES,
    RENEW_PATH,
    Ask,
    Grant,
    Renewal,
    RenewalAsk,
    fits,
    is_nonce,
)
from adapters.contract.topic import NAME
from edge.clock import SystemClock
from edge.configuration import BrokerAddress, BrokerTls, Identity, list_faults, save_identity
from edge.credential import make_context, make_request, new_credential_file, read_validity, save_credential
from edge.errand import ask_hub, check_authority, check_url, fetch_authority
from edge.error import ConfigurationError, CredentialError, EnrolmentError

_FINGERPRINT: Final = "^([0-9a-fA-F]{64})?$"


class Invitation(BaseModel):
    """What a token says: base64url of this as JSON. `ca`: SHA-256 of the authority's certificate, in hex;
    empty where hub and broker speak without TLS, on this machine.
    """

    v: int = Field(ge=1, le=1)
    url: str
    site: str = Field(pattern=NAME.pattern)
    edge: str = Field(pattern=NAME.pattern)
    invite: str
    secret: SecretBytes
    ca: str = Field(default="", pattern=_FINGERPRINT)


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

    Raises EnrolmentError where the hub refuses, or cannot prove that it knows the invitation's secret, or has
    another authority than the token says; ConfigurationError where the folder cannot be written.
    """
    invitation = read_token(token)
    url = check_url(invitation.url, pinned=bool(invitation.ca))
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError([f"{data_dir}: cannot be made: {error.strerror}"]) from None
    secret = invitation.secret.get_secret_value()
    context = _pin(url, invitation.ca)
    key, request = make_request() if invitation.ca else (b"", b"")
    ask = Ask(invitation.site, invitation.edge, invitation.invite, _make_nonce(), request.decode())
    ask = replace(ask, proof=ask.prove(secret))
    grant = ask_hub(f"{url}{ENROL_PATH}", ask, Grant, context)
    if not is_nonce(grant.hub_nonce):
        raise EnrolmentError(f"the hub's nonce is not base64 of {NONCE_BYTES} bytes")
    if not fits(grant.prove(secret, ask), grant.proof):
        raise EnrolmentError("whoever answered is not the hub of this invitation")
    tls = None
    try:
        if grant.certificate:
            check_authority(grant.ca, invitation.ca)
            tls = BrokerTls(ca=grant.ca, credential=new_credential_file(data_dir))
            save_credential(tls.credential, key, grant.certificate)
        identity = Identity(
            site=invitation.site,
            edge=invitation.edge,
            root_secret=SecretBytes(grant.derive_root(secret, ask)),
            key_number=grant.key_number,
            broker=BrokerAddress(host=grant.broker_host, port=grant.broker_port, tls=tls),
            hub_url=url,
        )
        save_identity(data_dir, identity)
    except CredentialError as error:
        raise EnrolmentError(str(error)) from None
    except ValidationError as error:
        raise EnrolmentError("; ".join(list_faults("the hub's answer", error))) from None
    except OSError as error:
        raise ConfigurationError([f"{data_dir}: cannot be written: {error.strerror}"]) from None
    return identity


def renew_credential(identity: Identity, data_dir: Path) -> BrokerTls:
    """A new key and certificate from the hub, in a file beside the present one, which stays as it is.

    Raises EnrolmentError where the hub refuses or is not ours, CredentialError, OSError.
    """
    present = identity.broker.tls
    if present is None or not identity.hub_url:
        raise CredentialError("this edge was enrolled without TLS; enrol it anew")
    url = check_url(identity.hub_url, pinned=True)
    root_secret = identity.root_secret.get_secret_value()
    key, request = make_request()
    ask = RenewalAsk(identity.site, identity.edge, _make_nonce(), request.decode())
    ask = replace(ask, proof=ask.prove(root_secret))
    try:
        validity = read_validity(present.credential)
    except CredentialError:
        validity = None  # lost: the root secret proves who asks all the same
    context = make_context(present.ca, validity, SystemClock().now_us())
    renewal = ask_hub(f"{url}{RENEW_PATH}", ask, Renewal, context)
    if not fits(renewal.prove(root_secret, ask), renewal.proof):
        raise EnrolmentError("whoever answered is not this edge's hub")
    tls = BrokerTls(ca=renewal.ca, credential=new_credential_file(data_dir))
    save_credential(tls.credential, key, renewal.certificate)
    return tls


def _pin(url: str, fingerprint: str) -> ssl.SSLContext | None:
    if not url.startswith("https:"):
        return None
    try:
        return make_context(fetch_authority(url, fingerprint), None, SystemClock().now_us())
    except CredentialError as error:
        raise EnrolmentError(str(error)) from None


def _make_nonce() -> str:
    return base64.b64encode(secrets.token_bytes(NONCE_BYTES)).decode()
