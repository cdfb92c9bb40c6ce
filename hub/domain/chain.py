"""The journal's chain: what a row's hash is made of, what a seal says, and the check that both hold. Pure.

Each row's hash covers the row and the hash before it, so that nothing in between can be changed, taken out or
put in without every later hash changing. A seal is a signed statement "row `seq` of this site had this hash":
one stands where pruning ended (a check begins there), one at the end of an export.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

GENESIS: Final = b"\0" * 32
"""The hash before the first row."""
_LONG: Final = 1e16
"""From here on Python writes a float with an exponent; PostgreSQL gives it back with all its digits."""


def canonical(body: Mapping[str, Any]) -> str:
    """The text that is hashed: keys sorted, no spaces, UTF-8 as it is; the same before and after PostgreSQL's
    jsonb. Raises ValueError for NaN and infinities, which JSON does not have.
    """
    text = _write(body)
    # Rare enough that only what may hold such a float is looked through.
    return _write(_settle(body)) if "e+" in text or "-0.0" in text else text


_write: Final = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str
).encode


def hash_row(
    prev_hash: bytes, site: str, seq: int, at: datetime, actor: str, subject: str, kind: str, body: str
) -> bytes:
    """SHA-256 over the previous hash and this row, fields separated by U+001F."""
    fields = (site, str(seq), at.astimezone(UTC).isoformat(timespec="microseconds"), actor, subject, kind, body)
    return hashlib.sha256(prev_hash + "\x1f".join(fields).encode()).digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """Row `seq` of the site had this hash, as somebody with a key says at `at`; `signer` is the public key
    and `signature` over `statement`, both base64 and empty where nobody signed.
    """

    site: str
    seq: int
    at: datetime
    hash: bytes
    signer: str = ""
    signature: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return "\x1f".join(("sanfang journal seal 1", self.site, str(self.seq), at, self.hash.hex())).encode()


@dataclass(frozen=True, slots=True)
class Link:
    """A row as an export holds it."""

    seq: int
    at: datetime
    actor: str
    subject: str
    kind: str
    body: Mapping[str, Any]
    hash: bytes


class BrokenChain(Exception):
    """A row is not what its hash says, or is not the next one; `seq` is where."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"row {seq}: {reason}")
        self.seq = seq


class Chain:
    """A check from its beginning (a seal, or nothing) on, row by row."""

    def __init__(self, site: str, begin: Seal | None = None) -> None:
        self.site = site
        self.seq = begin.seq if begin else 0
        self.hash = begin.hash if begin else GENESIS

    def follow(self, row: Link) -> None:
        """Take the next row. Raises BrokenChain; a check ends there, what comes after proves nothing."""
        if row.seq != self.seq + 1:
            raise BrokenChain(row.seq, f"comes after row {self.seq}: what lies between is missing or doubled")
        text = canonical(row.body)
        made = hash_row(self.hash, self.site, row.seq, row.at, row.actor, row.subject, row.kind, text)
        if made != row.hash:
            raise BrokenChain(row.seq, "was changed: its hash is not of what it says")
        self.seq, self.hash = row.seq, row.hash

    def close(self, seal: Seal) -> None:
        """Compare the end with what was sealed. Raises BrokenChain."""
        if (seal.site, seal.seq, seal.hash) != (self.site, self.seq, self.hash):
            raise BrokenChain(self.seq, f"is the last, but the seal is on row {seal.seq} of {seal.site}")


def _settle(value: Any) -> Any:
    """Floats as jsonb gives them back: it knows neither exponents nor a zero below zero."""
    if isinstance(value, float):
        if value == 0:
            return 0.0
        return int(Decimal(repr(value))) if abs(value) >= _LONG else value
    if isinstance(value, Mapping):
        return {key: _settle(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_settle(each) for each in value]
    return value
