"""Certificates of the site's own authority, made and read. Pure: keys, names, times in; PEM out.

ECDSA on P-256 with SHA-256 throughout, so that Mosquitto, OpenSSL and browsers of the last ten years agree.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.contract.enrolment import REQUEST_BYTES
from hub.domain.error import InvalidAct

AUTHORITY_DAYS: Final = 3_653
BACKDATED: Final = timedelta(hours=1)
"""A certificate is good from a little before it was made: clocks of one campus differ."""
_HOST: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_NO_USAGE: Final = dict.fromkeys(
    (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ),
    False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """Both in one text, so that one rename puts both in place."""
        return write_key(self.key) + write_certificate(self.certificate)


def make_authority(name: str, now: datetime) -> Pair:
    """A new authority, good for ten years, that may sign no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**_NO_USAGE, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def make_server(authority: Pair, name: str, hosts: Iterable[str], days: int, now: datetime) -> Pair:
    """A certificate for a server that answers to these names and addresses. Raises InvalidAct."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([read_host(host) for host in dict.fromkeys(hosts)])
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return Pair(_sign(authority, key.public_key(), name, usage, days, now, names), key)


def make_client(authority: Pair, name: str, days: int, now: datetime) -> Pair:
    """A certificate by which a client, the hub itself, is known to the broker as `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return Pair(_sign(authority, key.public_key(), name, usage, days, now), key)


def certify(
    authority: Pair, request: x509.CertificateSigningRequest, name: str, days: int, now: datetime
) -> x509.Certificate:
    """A client's certificate for the key of a request. Of the request nothing but its key is believed."""
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return _sign(authority, key, name, ExtendedKeyUsageOID.CLIENT_AUTH, days, now)


def make_revocations(
    authority: Pair, revoked: Iterable[tuple[int, datetime]], number: int, now: datetime
) -> bytes:
    """The revocation list in PEM, of (serial, since when).

    It is good for as long as the authority: a broker refuses everybody when its list has run out, and a
    school must not fall silent because nobody wrote a new one.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(authority.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    for serial, at in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_request(text: str, field: str) -> x509.CertificateSigningRequest:
    """A request in PEM that proves that it has its key. Raises InvalidAct."""
    try:
        if len(text) > REQUEST_BYTES:
            raise ValueError
        request = x509.load_pem_x509_csr(text.encode())
        key = request.public_key()
        if request.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) and key.key_size == 256:
            return request
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise InvalidAct(f"{field}: is no certificate request in PEM with a P-256 key of its own")


def read_host(text: str) -> x509.GeneralName:
    """A server's name or address as a certificate holds it. Raises InvalidAct."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        if _HOST.fullmatch(text) is None:
            raise InvalidAct(
                f"host: {text!r} is neither a DNS name (a-z 0-9 . -) nor an IP address; write what edges and"
                " browsers call the server"
            ) from None
        return x509.DNSName(text.lower())


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a server's certificate holds."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate in hex: what a token carries of the authority."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def same_key(certificate: x509.Certificate, request: x509.CertificateSigningRequest) -> bool:
    """Whether a request asks for the key that a certificate has."""
    return certificate.public_key() == request.public_key()


def write_certificate(certificate: x509.Certificate) -> bytes:
    """A certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def write_key(key: ec.EllipticCurvePrivateKey, passphrase: str | None = None) -> bytes:
    """A private key in PEM, encrypted where there is a passphrase."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def _sign(
    authority: Pair,
    key: ec.EllipticCurvePublicKey,
    name: str,
    usage: x509.ObjectIdentifier,
    days: int,
    now: datetime,
    names: x509.SubjectAlternativeName | None = None,
) -> x509.Certificate:
    ends = min(now + timedelta(days=days), authority.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**_NO_USAGE, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
