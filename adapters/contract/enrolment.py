"""What edge and hub prove to each other when an edge is taken in, and when it asks for a new certificate.

Nothing secret crosses the wire. Each proof is an HMAC-SHA256 over everything that was said, every part with its
length before it, so that neither a part nor the border between two can be changed on the way.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

import msgspec

NONCE_BYTES: Final = 32
REQUEST_BYTES: Final = 4_096
"""A certificate request in PEM is never longer."""
CA_PATH: Final = "/api/v1/ca"
ENROL_PATH: Final = "/api/v1/enrolment"
RENEW_PATH: Final = "/api/v1/enrolment/renewal"


class Ask(msgspec.Struct, frozen=True):
    """An edge asks to be taken in: `edge_nonce` base64 of 32 bytes, `request` a certificate request in PEM
    (empty where hub and broker have no TLS), `proof` hex.
    """

    site: str
    edge: str
    invite: str
    edge_nonce: str
    request: str
    proof: str = ""

    def prove(self, secret: bytes) -> str:
        """The proof of one who has the invitation's secret."""
        parts = (self.site, self.edge, self.invite, self.edge_nonce, self.request)
        return _prove(secret, "sanfang enrol edge", *parts)


class Grant(msgspec.Struct, frozen=True):
    """The hub takes the edge in: its broker, and certificate and authority in PEM (empty without TLS)."""

    hub_nonce: str
    key_number: int
    broker_host: str
    broker_port: int
    certificate: str
    ca: str
    proof: str = ""

    def prove(self, secret: bytes, ask: Ask) -> str:
        """The proof of one who has the invitation's secret and heard exactly this asking."""
        parts = (
            *(ask.site, ask.edge, ask.invite, ask.edge_nonce, ask.request),
            *(self.hub_nonce, str(self.key_number), self.broker_host, str(self.broker_port)),
            *(self.certificate, self.ca),
        )
        return _prove(secret, "sanfang enrol hub", *parts)

    def derive_root(self, secret: bytes, ask: Ask) -> bytes:
        """The root secret that both sides come to."""
        return hmac.digest(secret, _bind("sanfang root", ask.edge_nonce, self.hub_nonce), "sha256")


class RenewalAsk(msgspec.Struct, frozen=True):
    """An enrolled edge asks for a certificate for a new key, and proves itself by its root secret."""

    site: str
    edge: str
    nonce: str
    request: str
    proof: str = ""

    def prove(self, root_secret: bytes) -> str:
        return _prove(root_secret, "sanfang renew edge", self.site, self.edge, self.nonce, self.request)


class Renewal(msgspec.Struct, frozen=True):
    """A new certificate, and the authority as it is now; both in PEM."""

    certificate: str
    ca: str
    proof: str = ""

    def prove(self, root_secret: bytes, ask: RenewalAsk) -> str:
        parts = (ask.site, ask.edge, ask.nonce, ask.request, self.certificate, self.ca)
        return _prove(root_secret, "sanfang renew hub", *parts)


def is_nonce(text: str) -> bool:
    """Whether this is base64 of 32 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == NONCE_BYTES
    except (binascii.Error, ValueError):
        return False


def fits(wanted: str, proof: str) -> bool:
    """Whether a proof is the wanted one, told in constant time."""
    return hmac.compare_digest(wanted.encode(), proof.lower().encode())


def _prove(key: bytes, *parts: str) -> str:
    return hmac.digest(key, _bind(*parts), "sha256").hex()


def _bind(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
