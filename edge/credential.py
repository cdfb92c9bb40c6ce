"""The edge's own key and certificate: made here, kept in one file, shown to the broker. The key never leaves.

`cryptography` is imported only where a key is made or a certificate read: an edge without TLS does without
its 15 MB.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paho.mqtt.client import Client

from edge.clock import SystemClock
from edge.configuration import BrokerAddress, replace_file
from edge.error import CredentialError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

RENEW_AT: Final = 3
"""A certificate is renewed when one part in this many of its life is left."""
WARN_US: Final = 14 * 86_400_000_000
_PREFIX: Final = "credential-"
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python's ssl does not name


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is good, in µs since 1970."""

    begins_us: int
    ends_us: int

    def is_due(self, now_us: int) -> bool:
        """Whether it is time to renew."""
        return now_us >= self.ends_us - (self.ends_us - self.begins_us) // RENEW_AT

    def is_expiring(self, now_us: int) -> bool:
        """Whether people must know that renewing has failed until now."""
        return now_us >= self.ends_us - WARN_US


def make_request() -> tuple[bytes, bytes]:
    """A new private key, and a request to certify it; both in PEM. Whose it is, the hub knows by the proof."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    key_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_text, request.public_bytes(serialization.Encoding.PEM)


def new_credential_file(data_dir: Path) -> Path:
    """A name for the next credential: the present one stays until the hub was reached with the new one."""
    return data_dir / f"{_PREFIX}{secrets.token_hex(4)}.pem"


def remove_others(data_dir: Path, present: Path) -> None:
    """Take away every credential but the present one."""
    for file in data_dir.glob(f"{_PREFIX}*.pem*"):
        if file.name != present.name:
            file.unlink(missing_ok=True)


def save_credential(file: Path, key: bytes, certificate: str) -> None:
    """Keep key and certificate together, all or nothing, readable by the owner only.

    Raises CredentialError where the certificate is not for this key; the file stays as it was.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = certificate.encode()
    if _read_certificate(text, "the hub's answer").public_key() != load_pem_private_key(key, None).public_key():
        raise CredentialError("the hub's certificate is for another key; ask the hub's administrator")
    replace_file(file, key + text)


def read_validity(file: Path) -> Validity:
    """How long the credential in a file is good. Raises CredentialError."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise CredentialError(f"{file}: cannot be read ({error.strerror}); enrol this edge anew") from None
    certificate = _read_certificate(text, str(file))
    return Validity(
        int(certificate.not_valid_before_utc.timestamp()) * 1_000_000,
        int(certificate.not_valid_after_utc.timestamp()) * 1_000_000,
    )


def make_context(ca: str, validity: Validity | None, now_us: int) -> ssl.SSLContext:
    """What the edge demands of a server: signed by our authority, of the right name, TLS 1.2 at least.

    An edge whose clock stands before its own certificate's beginning has a wrong clock (an empty battery);
    it cannot judge dates, and an alarm does not wait for a clock: then they are not judged.
    Raises CredentialError.
    """
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise CredentialError(f"the authority's certificate cannot be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if validity is not None and now_us < validity.begins_us:
        context.verify_flags |= _NO_CHECK_TIME
    return context


def secure_client(client: Client, broker: BrokerAddress) -> None:
    """Let a paho client speak TLS to the broker where its address says so, with the credential as it is on
    the disk at the moment of connecting. What is wrong with it is an OSError of `connect`.
    """
    tls = broker.tls
    if tls is None:
        return

    def prepare(client: Client, _: object) -> None:
        try:
            context = make_context(tls.ca, read_validity(tls.credential), SystemClock().now_us())
        except CredentialError as error:
            raise OSError(str(error)) from None
        context.load_cert_chain(tls.credential)
        client.tls_set_context(context)

    client.on_pre_connect = prepare


def _read_certificate(text: bytes, place: str) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(text[max(text.find(b"-----BEGIN CERTIFICATE-----"), 0) :])
    except ValueError:
        raise CredentialError(f"{place}: holds no certificate; enrol this edge anew") from None
