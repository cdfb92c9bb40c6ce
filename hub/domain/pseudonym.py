"""What a card's number becomes before anything keeps it: a keyed hash. Pure.

The number itself is low in variety: without the site's key, trying them all would find it. With another key the
same card is somebody else, so that no two sites can be compared.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

HOLDER: Final = "holder"
"""The attribute of an event that says whose card it was."""
_PREFIX: Final = "p-"
_LENGTH: Final = 20
_MADE: Final = re.compile(rf"{_PREFIX}[0-9a-v]{{{_LENGTH}}}")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"


def make_pseudonym(secret: bytes, number: str) -> str:
    """`p-` and 100 bits of HMAC-SHA-256 over the number as the device says it, spaces and case left out."""
    said = "".join(number.split()).lower()
    digest = int.from_bytes(hmac.new(secret, said.encode(), hashlib.sha256).digest()[:13], "big")
    return _PREFIX + "".join(_DIGITS[(digest >> 5 * each) & 31] for each in range(_LENGTH))


def is_pseudonym(text: str) -> bool:
    """Whether it looks like one of ours."""
    return _MADE.fullmatch(text) is not None
