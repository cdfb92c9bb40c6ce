"""Pictures out of a multipart/x-mixed-replace stream. Pure: bytes in, JPEGs out."""

from __future__ import annotations

import re
from typing import Final

MAX_PICTURE_BYTES: Final = 8_000_000
_MAX_HEAD_BYTES: Final = 8_192
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_LENGTH: Final = re.compile(rb"content-length:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)


class NotAStream(Exception):
    """What comes is no stream of JPEGs."""


class PictureSplitter:
    """Takes a stream apart as it arrives. Uses the parts' Content-Length where they give one."""

    def __init__(self, content_type: str) -> None:
        found = _BOUNDARY.search(content_type)
        if "multipart" not in content_type.lower() or not found:
            raise NotAStream(f"content type {content_type[:80]!r} is no multipart stream")
        # Some devices write the two dashes into the header too.
        self._mark = b"--" + found[1].removeprefix("--").encode("latin-1")
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pictures that a chunk completes. Raises NotAStream where no end of a part ever comes."""
        self._buffer += chunk
        pictures = []
        while (picture := self._take()) is not None:
            pictures.append(picture)
        if len(self._buffer) > MAX_PICTURE_BYTES:
            raise NotAStream(f"no picture within {MAX_PICTURE_BYTES} bytes")
        return pictures

    def _take(self) -> bytes | None:
        start = self._buffer.find(self._mark)
        if start < 0:
            return None
        head_end = self._buffer.find(b"\r\n\r\n", start)
        if head_end < 0:
            if len(self._buffer) - start > _MAX_HEAD_BYTES:
                raise NotAStream("a part's header does not end")
            return None
        begin = head_end + 4
        found = _LENGTH.search(bytes(self._buffer[start:head_end]).replace(b"\r", b""))
        if found:
            end = begin + int(found[1])
            if end - begin > MAX_PICTURE_BYTES:
                raise NotAStream(f"a picture of {end - begin} bytes")
            if len(self._buffer) < end:
                return None
        else:
            end = self._buffer.find(b"\r\n" + self._mark, begin)
            if end < 0:
                return None
        picture = bytes(self._buffer[begin:end])
        del self._buffer[:end]
        return picture
