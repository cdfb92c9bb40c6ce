"""Codes that change every 30 s (RFC 6238: SHA-1, 6 digits, what every authenticator app makes). Pure."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import pyotp

STEP_S: Final = 30
_DRIFT_STEPS: Final = 1
"""A phone's clock may be off by so many steps to either side."""
CODE_DIGITS: Final = 6
RECOVERY_CODES: Final = 10
_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_RECOVERY_LENGTH: Final = 16


def make_secret() -> str:
    """A new secret, base32, 160 bits."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, name: str, hub: str) -> str:
    """What an authenticator app reads as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Sanfang {hub}")


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, among the present one and its neighbours; None: it is none's.

    Who takes a code notes its step and never takes that one or an older one again.
    """
    present = int(now.timestamp()) // STEP_S
    generator = pyotp.TOTP(secret)
    digits = code.replace(" ", "")
    found = [
        step
        for step in range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1)
        if secrets.compare_digest(generator.generate_otp(step).encode(), digits.encode())
    ]
    return max(found, default=None)


def make_recovery_codes() -> list[str]:
    """Codes for the day the phone is lost, each good once: 78 random bits in groups of four."""
    return [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(_RECOVERY_LENGTH // 4))
        for _ in range(RECOVERY_CODES)
    ]


def normal_code(code: str) -> str:
    """A recovery code as it is hashed, however it was typed."""
    return "".join(letter for letter in code.upper() if letter.isalnum())
