"""The hub's own key for seals on journals: made once, kept beside its other data, never in the database.

Who can write in the database could make a whole new chain; without this key he cannot make its seals. The
public half stands in every seal; an auditor notes its fingerprint once (`sanfang journal key`) and compares.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.domain.chain import Seal
from hub.domain.error import ConfigurationError

FILE: Final = "journal.key"


class Sealer:
    """Signs with the key in a folder; the key is made where there is none. Raises ConfigurationError."""

    def __init__(self, folder: Path) -> None:
        self._key = _read_key(folder / FILE)

    @property
    def signer(self) -> str:
        """The public key, base64."""
        return _text(
            self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        )

    def seal(self, site: str, seq: int, row_hash: bytes, at: datetime) -> Seal:
        """Say that the site's row `seq` has this hash."""
        bare = Seal(site, seq, at, row_hash, self.signer)
        return replace(bare, signature=_text(self._key.sign(bare.statement)))


def is_signed(seal: Seal) -> bool:
    """Whether the signature is its signer's, over just what the seal says."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(seal.signer, validate=True))
        key.verify(base64.b64decode(seal.signature, validate=True), seal.statement)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def fingerprint(signer: str) -> str:
    """What people compare of a public key: SHA-256 in groups of four."""
    digest = hashlib.sha256(signer.encode()).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def _read_key(file: Path) -> Ed25519PrivateKey:
    try:
        if not file.exists():
            _make_key(file)
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(
            [f"{file}: {error.strerror}; the hub must be able to read and write it"]
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            [
                f"{file}: is no Ed25519 key; bring it back from a backup, or move it away: a new one is made"
                " then, and seals from then on have another fingerprint"
            ]
        )
    return key


def _make_key(file: Path) -> None:
    """Whole or not at all, and one for all who come at once: the first link to the name wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(file) as scratch:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(scratch, file)


@contextlib.contextmanager
def _scratch(file: Path) -> Iterator[Path]:
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
