"""The hub's key for secrets that it must be able to read again: with it TOTP secrets are sealed.

A file of 32 bytes, mode 0600, beside the hub's other data, made at first use. A copy of the database alone
makes no codes. A backup does not hold it: without the file, second factors are enrolled anew
(`sanfang account reset`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.domain.error import HubError

FILE: Final = "account.key"
_NONCE_BYTES: Final = 12


class VaultClosed(HubError):
    """The key that opens a second factor's secret is not there, or is another one."""

    status = 409
    code = "factor_unreadable"


class Vault:
    """Seals and opens with the key in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def seal(self, secret: bytes, owner: str) -> bytes:
        """The secret, to be kept; it opens for this owner alone."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key(make=True)).encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """The secret again. Raises VaultClosed."""
        try:
            cipher = AESGCM(self._key(make=False))
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):
            raise VaultClosed(
                f"the secret was sealed with another key than {self._file.name}; bring that file back, or reset"
                " the second factor (`sanfang account reset` on the hub's machine)"
            ) from None

    def _key(self, *, make: bool) -> bytes:
        try:
            if make and not self._file.exists():
                self._make()
            return self._file.read_bytes()
        except OSError as error:
            raise VaultClosed(
                f"{self._file.name} in the hub's data folder: {error.strerror}; bring it back, or reset the"
                " second factor (`sanfang account reset` on the hub's machine)"
            ) from None

    def _make(self) -> None:
        """Whole or not at all, and one for all who come at once: the first link to the name wins."""
        scratch = self._file.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(secrets.token_bytes(32))
                out.flush()
                os.fsync(out.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(scratch, self._file)
        finally:
            scratch.unlink(missing_ok=True)
