"""TLS on the hub's side: to the broker as a client, to browsers and edges as a server.

Certificates are read from their files at each connection, or when the files change, so that a renewed one
is in use without a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt

from hub.domain.error import ConfigurationError
from hub.settings import BrokerSettings, ClientTls, HubSettings, ServerTls

WARN_DAYS: Final = 14
"""People are told when a certificate has so few days left; by then it should have been renewed."""
_BEGIN: Final = b"-----BEGIN CERTIFICATE"
_ISSUE: Final = "issue it with `sanfang ca issue`, or correct the path"


def secure_client(client: mqtt.Client, broker: BrokerSettings) -> None:
    """Let a paho client speak TLS to the broker as the settings say: only our CA is believed, the name is
    checked, TLS 1.2 at least. Does nothing where the settings have no TLS. Raises ConfigurationError.
    """
    if broker.tls is None:
        return
    tls, context = broker.tls, _load_authority(broker.tls)
    client.tls_set_context(context)
    client.on_pre_connect = lambda *_: _load_own(context, tls)


class ServerContext:
    """What the HTTPS server shows; `refresh` puts a renewed certificate in use."""

    def __init__(self, tls: ServerTls) -> None:
        """Raises ConfigurationError where the certificate or its key cannot be used."""
        self._tls = tls
        self._stamp = self._look()
        self.context = _load_server(tls)

    def refresh(self) -> bool:
        """Take the files anew where they have changed; whether that was so. Open connections stay as they are.

        Raises ConfigurationError for files that cannot be used; the certificate in use stays.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        _load_server(self._tls)  # a context that has failed is no longer whole: try on another
        self.context.load_cert_chain(self._tls.certificate, self._tls.key)
        return True

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(file) for file in (self._tls.certificate, self._tls.key) if file)


def certificate_files(settings: HubSettings) -> dict[str, Path]:
    """The certificates that hub and broker depend on, by what they are for."""
    files: dict[str, Path] = {}
    if settings.ca is not None and settings.broker.tls is not None:
        files["broker"] = settings.ca.directory / "issued" / "broker.pem"
    if settings.http.tls is not None:
        files["https"] = settings.http.tls.certificate
    if settings.broker.tls is not None:
        files["ca"] = settings.broker.tls.ca
        if settings.broker.tls.certificate is not None:
            files["hub"] = settings.broker.tls.certificate
    return files


def days_left(files: Mapping[str, Path], now: datetime) -> dict[str, float]:
    """How many days each certificate is still good, by what it is for; 0 where it cannot be read."""
    return {name: max(0.0, (_read_end(file) - now).total_seconds() / 86_400) for name, file in files.items()}


def _read_end(file: Path) -> datetime:
    from cryptography import x509  # 15 MB that a hub without TLS does not need

    try:
        text = file.read_bytes()
        return x509.load_pem_x509_certificate(text[max(text.find(_BEGIN), 0) :]).not_valid_after_utc
    except (OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def check_tls(settings: HubSettings) -> list[str]:
    """What is wrong with the certificates' files; empty where the hub can start with them."""
    return [*_faults(settings), *_exposed_keys(settings)]


def _exposed_keys(settings: HubSettings) -> Iterator[str]:
    """Keys that every account of this machine may read."""
    for place, tls in (("http", settings.http.tls), ("broker", settings.broker.tls)):
        file = None if tls is None else tls.key or tls.certificate
        if file is not None and file.is_file() and file.stat().st_mode & 0o007:
            yield f"{place}.tls: {file}: everybody may read this key; `chmod o= {file}`"


def _faults(settings: HubSettings) -> Iterator[str]:
    https, broker = settings.http.tls, settings.broker.tls
    try:
        if https is not None:
            _load_server(https)
    except ConfigurationError as error:
        yield from error.faults
    try:
        if broker is not None:
            _load_own(_load_authority(broker), broker)
    except ConfigurationError as error:
        yield from error.faults
    except OSError as error:
        assert broker is not None
        yield f"broker.tls.certificate: {broker.certificate}: {_reason(error)}; {_ISSUE}"


def _load_authority(tls: ClientTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca))
    except OSError as error:
        raise ConfigurationError([f"broker.tls.ca: {tls.ca}: {_reason(error)}; {_ISSUE}"]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_own(context: ssl.SSLContext, tls: ClientTls) -> None:
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)


def _load_server(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        raise ConfigurationError(
            [f"http.tls.certificate: {tls.certificate}: {_reason(error)}; {_ISSUE}"]
        ) from None
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return {"KEY_VALUES_MISMATCH": "the key is not the certificate's"}.get(
            error.reason or "", "is no certificate or key in PEM"
        )
    return f"cannot be read ({error.strerror})"


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
