"""The settings of an edge on the wire: compressed and cut into parts that fit a frame, put together again.

JSON of devices shrinks tenfold and more: 20 000 devices are 4.2 MB, 260 kB compressed, three parts. What the
parts make is bounded before it is unpacked, so that a small message cannot fill an edge's memory.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from adapters.contract.error import MalformedPayload
from adapters.contract.message import Settings, SettingsPart

PART_BYTES: Final = 128 * 1024
MAX_PARTS: Final = 64
MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024


def split_settings(settings: Settings) -> list[SettingsPart]:
    """The parts of settings, in their order. Raises ValueError for a document beyond all limits."""
    document = settings.document
    data = zlib.compress(document, 6)
    pieces = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
    if len(document) > MAX_DOCUMENT_BYTES or len(pieces) > MAX_PARTS:
        raise ValueError(f"a settings document of {len(document)} bytes is too large to be sent")
    digest = hashlib.sha256(document).digest()
    return [
        SettingsPart(settings.version, settings.key_number, number, len(pieces), digest, piece)
        for number, piece in enumerate(pieces, 1)
    ]


class SettingsPuzzle:
    """Parts being put together; those of one document in any order, repeated or not."""

    def __init__(self) -> None:
        self._key: tuple[int, int, int, bytes] | None = None
        self._pieces: dict[int, bytes] = {}

    def take(self, part: SettingsPart) -> Settings | None:
        """The whole, once its last part has come; a part of other settings begins anew.

        Raises MalformedPayload for parts that cannot be, or that do not make what they say.
        """
        if not (1 <= part.part <= part.parts <= MAX_PARTS and len(part.data) <= PART_BYTES):
            raise MalformedPayload(f"SettingsPart: {part.part} of {part.parts} with {len(part.data)} bytes")
        key = (part.version, part.key_number, part.parts, part.digest)
        if key != self._key:
            self._key, self._pieces = key, {}
        self._pieces[part.part] = part.data
        if len(self._pieces) < part.parts:
            return None
        data = b"".join(self._pieces[number] for number in range(1, part.parts + 1))
        self._key, self._pieces = None, {}
        document = _unpack(data)
        if hashlib.sha256(document).digest() != part.digest:
            raise MalformedPayload("SettingsPart: the parts do not make the document that they say")
        return Settings(part.version, part.key_number, document)


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        document = unpacker.decompress(data, MAX_DOCUMENT_BYTES)
    except zlib.error as error:
        raise MalformedPayload(f"SettingsPart: {error}") from None
    if not unpacker.eof:
        raise MalformedPayload(f"SettingsPart: cut off, or more than {MAX_DOCUMENT_BYTES} bytes")
    return document
