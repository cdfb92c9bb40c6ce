"""The file of a backup: a tar that is written once from front to back, in constant memory.

`header.json` says what it is, `data/TABLE.NNNNNN.gz` are the pieces of each table's COPY text in order, and
`manifest.json`, last, has the rows, bytes and SHA-256 of each table and of the header: a file that was cut
off has none and is refused. It is written beside its name and renamed when all of it is on the disk. Whoever
can read it has the edges' secrets and the password hashes: it is made for its owner alone (mode 0600).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hub.domain.error import HubError

FORMAT: Final = 1
PIECE_BYTES: Final = 4 * 1024 * 1024
"""So much of a table is held in memory, and makes one member of the tar."""
_HEADER: Final = "header.json"
_MANIFEST: Final = "manifest.json"
_MOST_TEXT: Final = 64 * 1024 * 1024


class ArchiveUnreadable(HubError):
    """The file is no backup, or not all of one."""

    code = "archive_unreadable"


@dataclass(frozen=True, slots=True)
class Content:
    """What of a table is in the file; `digest` is the SHA-256 of its text."""

    rows: int
    size_bytes: int
    digest: str


class ArchiveWriter:
    """Takes the header, then table after table. Made by `write_archive`."""

    def __init__(self, file: IO[bytes], header: Mapping[str, Any]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed in `finish`
        text = _json({"format": FORMAT, **header})
        self._manifest: dict[str, Any] = {"header": hashlib.sha256(text).hexdigest(), "tables": {}}
        self._add(_HEADER, text)

    def add_table(self, table: str, pieces: Iterable[bytes | bytearray | memoryview]) -> Content:
        """Write a table's COPY text, which ends each row with a line feed."""
        digest, size, rows, number = hashlib.sha256(), 0, 0, 0
        buffer = bytearray()

        def flush() -> None:
            nonlocal number
            number += 1
            self._add(f"data/{table}.{number:06}.gz", gzip.compress(bytes(buffer), compresslevel=1, mtime=0))
            buffer.clear()

        for piece in pieces:
            buffer += piece
            digest.update(piece)
            size += len(piece)
            rows += bytes(piece).count(b"\n")
            if len(buffer) >= PIECE_BYTES:
                flush()
        if buffer:
            flush()
        content = Content(rows, size, digest.hexdigest())
        self._manifest["tables"][table] = [content.rows, content.size_bytes, content.digest]
        return content

    def finish(self) -> None:
        """Write what proves that all of it is there."""
        self._add(_MANIFEST, _json(self._manifest))
        self._tar.close()

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._tar.addfile(member, io.BytesIO(data))


@contextmanager
def write_archive(file: Path, header: Mapping[str, Any]) -> Iterator[ArchiveWriter]:
    """A writer whose file has its name only once everything is in it and on the disk; after an error nothing is
    left. Raises OSError, FileExistsError where there is such a file already.
    """
    if file.exists():
        raise FileExistsError(17, "exists already", str(file))
    part = file.with_name(file.name + ".part")
    # One that a killed backup left behind gives way.
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            writer = ArchiveWriter(raw, header)
            yield writer
            writer.finish()
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_archive(file: Path) -> tuple[dict[str, Any], dict[str, Content]]:
    """Read all of it once, against its own sums: the header and what each table has.

    Raises ArchiveUnreadable.
    """
    header: dict[str, Any] | None = None
    manifest: dict[str, Any] | None = None
    header_digest = ""
    found: dict[str, tuple[Any, int, int]] = {}
    for name, data in _members(file):
        if manifest is not None:
            raise ArchiveUnreadable(f"{file}: goes on after its end ({name}); take another copy")
        if name == _HEADER and header is None:
            header, header_digest = _parse(file, data), hashlib.sha256(data).hexdigest()
            if header.get("format") != FORMAT:
                raise ArchiveUnreadable(
                    f"{file}: has format {header.get('format')!r}, this program reads {FORMAT}:"
                    " restore it with the Sanfang that made it"
                )
        elif header is None:
            break
        elif name == _MANIFEST:
            manifest = _parse(file, data)
        else:
            table, text = _table_of(name), _unpack(file, name, data)
            digest, size, rows = found.get(table) or (hashlib.sha256(), 0, 0)
            digest.update(text)
            found[table] = (digest, size + len(text), rows + text.count(b"\n"))
    if header is None:
        raise ArchiveUnreadable(f"{file}: is no backup of Sanfang; give a file that `sanfang db backup` wrote")
    if manifest is None:
        raise ArchiveUnreadable(f"{file}: is cut off; take another copy")
    contents = {table: Content(*facts) for table, facts in manifest["tables"].items()}
    for table, content in contents.items():
        digest, size, rows = found.pop(table, (hashlib.sha256(), 0, 0))
        if Content(rows, size, digest.hexdigest()) != content:
            raise ArchiveUnreadable(f"{file}: table {table} is not as it was written; take another copy")
    if found or manifest["header"] != header_digest:
        raise ArchiveUnreadable(f"{file}: does not agree with its own manifest; take another copy")
    return header, contents


def read_tables(file: Path) -> Iterator[tuple[str, bytes]]:
    """(table, piece of its text), in the order of writing. Raises ArchiveUnreadable."""
    for name, data in _members(file):
        if name not in (_HEADER, _MANIFEST):
            yield _table_of(name), _unpack(file, name, data)


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(file, "r|") as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is None or member.size > _MOST_TEXT:
                    raise ArchiveUnreadable(f"{file}: {member.name} does not belong into a backup")
                yield member.name, stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveUnreadable(
            f"{file}: is no backup, or a damaged one ({error}); take another copy"
        ) from None
    except OSError as error:
        raise ArchiveUnreadable(f"{file}: cannot be read ({error.strerror or error})") from None


def _unpack(file: Path, name: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveUnreadable(f"{file}: {name} is damaged ({error}); take another copy") from None


def _parse(file: Path, data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ArchiveUnreadable(f"{file}: its header or manifest is damaged; take another copy")
    return parsed


def _table_of(name: str) -> str:
    return name.removeprefix("data/").split(".", 1)[0]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
