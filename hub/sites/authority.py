"""The site's own certificate authority as a folder: its key, its ledger, its revocation list.

    ca.crt        the authority's certificate, for everybody
    ca.key        its key, 0600, encrypted where a passphrase was given
    ledger.json   every certificate: serial, name, role, from when until when, revoked since when
    crl.pem       the revocation list, for the broker
    issued/       broker.pem https.pem hub.pem: key and certificate together, 0600
    edges/        SITE/EDGE.crt: the newest certificate of each edge; their keys never come here

Every file is replaced whole and synced; two programs at once wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.contract.topic import Sender
from hub.domain.error import ConfigurationError
from hub.settings import PASSPHRASE
from hub.sites.broker import HUB, credential_name
from hub.sites.certificate import (
    Pair,
    certify,
    fingerprint,
    hosts_of,
    make_authority,
    make_client,
    make_revocations,
    make_server,
    read_request,
    same_key,
    write_certificate,
    write_key,
)

_KEPT: Final = timedelta(days=366)
_RENEW_AT: Final = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate in the ledger. `role`: server, hub, edge."""

    serial: str
    name: str
    role: str
    issued_at: str
    expires_at: str
    revoked_at: str | None = None

    @property
    def expires(self) -> datetime:
        return datetime.fromisoformat(self.expires_at)

    def is_due(self, now: datetime) -> bool:
        """Whether a third of its life, or less, is left."""
        life = self.expires - datetime.fromisoformat(self.issued_at)
        return now >= self.expires - life / _RENEW_AT


class Authority:
    """An opened authority."""

    def __init__(self, directory: Path, passphrase: str | None = None) -> None:
        """Raises ConfigurationError where there is none in the folder. The key is read when it is needed."""
        self._directory = directory
        self._passphrase = passphrase
        self._certificate = _read_certificate(directory / "ca.crt")

    @property
    def certificate(self) -> str:
        """The authority's certificate in PEM."""
        return write_certificate(self._certificate).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of it, in hex."""
        return fingerprint(self._certificate)

    @property
    def expires_at(self) -> datetime:
        return self._certificate.not_valid_after_utc

    def entries(self) -> list[Entry]:
        """The ledger, oldest first."""
        return _read_ledger(self._directory / "ledger.json")

    def newest(self, name: str) -> Entry | None:
        """The certificate that was issued last to this name."""
        return next((entry for entry in reversed(self.entries()) if entry.name == name), None)

    def issued(self, name: str) -> Path:
        """Where the key and certificate of `broker`, `https` or `hub` are."""
        return self._directory / "issued" / f"{name}.pem"

    def issue_server(self, name: str, hosts: Sequence[str], days: int, now: datetime) -> Path:
        """A new key and certificate for a server; replaces the one of that name. Raises InvalidAct."""
        return self._issue(name, "server", now, lambda ca: make_server(ca, name, hosts, days, now))

    def issue_hub(self, days: int, now: datetime) -> Path:
        """A new key and certificate by which the hub is known to the broker."""
        return self._issue(HUB, "hub", now, lambda ca: make_client(ca, HUB, days, now))

    def hosts(self, name: str) -> list[str]:
        """The names and addresses in the server's certificate that was issued last."""
        file = self.issued(name)
        return hosts_of(_read_certificate(file)) if file.exists() else []

    def certify_edge(self, sender: Sender, request: str, days: int, now: datetime) -> str:
        """A certificate in PEM for the key that an edge asks for. The same request gets the same answer
        while that is fresh, so that an answer may be lost. Raises InvalidAct.
        """
        wanted = read_request(request, "request")
        name = credential_name(sender)
        file = self._directory / "edges" / sender.site / f"{sender.edge}.crt"
        with self._locked():
            last = self.newest(name)
            if file.exists() and last is not None and last.revoked_at is None and not last.is_due(now):
                present = _read_certificate(file)
                if same_key(present, wanted) and f"{present.serial_number:x}" == last.serial:
                    return write_certificate(present).decode()
            certificate = certify(self._open_key(), wanted, name, days, now)
            self._enter(certificate, name, "edge", now)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            text = write_certificate(certificate)
            replace_file(file, text)
        return text.decode()

    def revoke(self, name: str, now: datetime) -> int:
        """Revoke every certificate of this name that is still good, and write the list; how many it were.
        Raises ConfigurationError where the name has none.
        """
        with self._locked():
            entries = self.entries()
            chosen = [entry for entry in entries if entry.name == name]
            if not chosen:
                known = ", ".join(sorted({entry.name for entry in entries})) or "none"
                raise ConfigurationError([f"NAME: no certificate was issued to {name!r}; there are: {known}"])
            ended = [
                replace(entry, revoked_at=now.isoformat())
                if entry.name == name and entry.revoked_at is None and entry.expires > now
                else entry
                for entry in entries
            ]
            count = sum(before != after for before, after in zip(entries, ended, strict=True))
            if count:
                self._write_revocations(ended, now)
                self._write_ledger(ended)
        return count

    def _issue(self, name: str, role: str, now: datetime, make: Callable[[Pair], Pair]) -> Path:
        with self._locked():
            pair = make(self._open_key())
            self._enter(pair.certificate, name, role, now)
            replace_file(self.issued(name), pair.pem())
        return self.issued(name)

    def _enter(self, certificate: x509.Certificate, name: str, role: str, now: datetime) -> None:
        """Into the ledger before anything else: what is not there could not be revoked."""
        entry = Entry(
            f"{certificate.serial_number:x}",
            name,
            role,
            now.isoformat(),
            certificate.not_valid_after_utc.isoformat(),
        )
        self._write_ledger([each for each in self.entries() if each.expires > now - _KEPT] + [entry])

    def _write_ledger(self, entries: Sequence[Entry]) -> None:
        text = json.dumps([asdict(entry) for entry in entries], indent=0)
        replace_file(self._directory / "ledger.json", text.encode())

    def _write_revocations(self, entries: Sequence[Entry], now: datetime) -> None:
        revoked = [
            (int(entry.serial, 16), datetime.fromisoformat(entry.revoked_at))
            for entry in entries
            if entry.revoked_at is not None
        ]
        number = int(now.timestamp())
        replace_file(self._directory / "crl.pem", make_revocations(self._open_key(), revoked, number, now))

    def _open_key(self) -> Pair:
        file = self._directory / "ca.key"
        try:
            text = file.read_bytes()
            locked = b"ENCRYPTED" in text
            if locked and not self._passphrase:
                raise ConfigurationError([f"{file}: is encrypted; give its passphrase in {PASSPHRASE}"])
            passphrase = self._passphrase.encode() if locked and self._passphrase else None
            key = serialization.load_pem_private_key(text, passphrase)
        except OSError as error:
            raise ConfigurationError(
                [f"{file}: cannot be read ({error.strerror}); restore it from the backup"]
            ) from None
        except ValueError:
            raise ConfigurationError(
                [f"{file}: cannot be opened; check {PASSPHRASE}, or restore the file from the backup"]
            ) from None
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or key.public_key() != self._certificate.public_key()
        ):
            raise ConfigurationError([f"{file}: is not the key of ca.crt; restore both from one backup"])
        return Pair(self._certificate, key)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with _lock(self._directory):
            yield


def init_authority(directory: Path, name: str, passphrase: str | None, now: datetime) -> tuple[Authority, bool]:
    """The authority in a folder, made there unless one is; and whether it was made.

    Raises ConfigurationError where the folder cannot be written, or holds half of one.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        with _lock(directory):
            if (directory / "ca.crt").exists():
                return Authority(directory, passphrase), False
            if (directory / "ledger.json").exists():
                raise ConfigurationError(
                    [f"{directory}/ca.crt: is missing beside a ledger; restore it, or choose an empty folder"]
                )
            pair = make_authority(name, now)
            # The certificate comes last: without it there is no authority yet, and this is done anew.
            replace_file(directory / "ca.key", write_key(pair.key, passphrase))
            replace_file(directory / "crl.pem", make_revocations(pair, [], 0, now))
            replace_file(directory / "ca.crt", write_certificate(pair.certificate), mode=0o644)
    except OSError as error:
        raise ConfigurationError(
            [f"{directory}: cannot be written ({error.strerror}); choose another folder in ca.directory"]
        ) from None
    return Authority(directory, passphrase), True


def is_encrypted(directory: Path) -> bool:
    """Whether the authority's key needs a passphrase."""
    try:
        return b"ENCRYPTED" in (directory / "ca.key").read_bytes()
    except OSError:
        return False


def replace_file(file: Path, data: bytes, *, mode: int = 0o600, owner: str | None = None) -> None:
    """Put a file in place so that after a crash there is the old one or the new one, whole.

    Raises OSError, LookupError for an owner that is not there.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        os.fchmod(opened.fileno(), mode)
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    if owner is not None:
        shutil.chown(draft, owner)
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _lock(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read_certificate(file: Path) -> x509.Certificate:
    try:
        text = file.read_bytes()
        return x509.load_pem_x509_certificate(text[max(text.find(b"-----BEGIN CERTIFICATE"), 0) :])
    except OSError as error:
        cure = "make an authority with `sanfang ca init`, or correct ca.directory"
        raise ConfigurationError([f"{file}: cannot be read ({error.strerror}); {cure}"]) from None
    except ValueError:
        raise ConfigurationError([f"{file}: holds no certificate in PEM; restore it from the backup"]) from None


def _read_ledger(file: Path) -> list[Entry]:
    try:
        return [Entry(**row) for row in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read ({error.strerror}); check its rights"]) from None
    except (ValueError, TypeError):
        raise ConfigurationError([f"{file}: is no ledger; restore it from the backup"]) from None
