"""Passwords: argon2 hashes, at most two computed at once, and the same time for names that do not exist."""

from __future__ import annotations

import functools
import threading
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200
# An argon2 hash takes tens of megabytes: a crowd at the door must not take the memory from the alarms.
_gate: Final = threading.BoundedSemaphore(2)
_hasher: Final = PasswordHash((Argon2Hasher(),))


def check_password(password: str, name: str) -> str | None:
    """What is wrong with a new password, with the cure; None: it may be used."""
    if len(password) < MIN_LENGTH:
        return f"has {len(password)} characters; use {MIN_LENGTH} or more"
    if len(set(password)) < 4:
        return "repeats the same few characters; use a sentence"
    if name and name.lower() in password.lower():
        return "contains the account's name; leave it out"
    return None


def hash_password(password: str) -> str:
    """A hash to keep."""
    with _gate:
        return _hasher.hash(password)


def verify_password(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    """Whether the password fits, and a new hash where the kept one is by older parameters.

    `password_hash` None stands for an account that does not exist: it takes as long, and never fits.
    """
    with _gate:
        fits, renewed = _hasher.verify_and_update(password, password_hash or _nobody())
    return fits and password_hash is not None, renewed if password_hash is not None else None


@functools.cache
def _nobody() -> str:
    return _hasher.hash("the password of nobody")
