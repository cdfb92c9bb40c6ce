"""Room on the disk: a reserve taken while there is plenty, given free when other programs have filled the disk.

While it is tight the spool's file may not grow as it likes: telemetry within a quarter of the reserve, alarms
within half; the rest is for SQLite's log. What is older and less urgent makes way inside the file
(`Spool.squeeze`).
"""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
from pathlib import Path
from typing import Final

from edge.spool import Spool

_log = logging.getLogger(__name__)

MOST_RESERVE: Final = 8 * 1024 * 1024
UNLIMITED_PAGES: Final = 1_073_741_823
PAGE_BYTES: Final = 4_096
LOG_PAGES: Final = 1_000
TIGHT_LOG_PAGES: Final = 64
"""The log is brought into the file when it has so many pages, so that it needs little room itself."""


class Room:
    """The reserve beside a spool's file, and how far the file may grow."""

    def __init__(self, path: Path, spool_bytes: int) -> None:
        self._path = path
        self._size = min(MOST_RESERVE, spool_bytes // 8)
        self._telemetry_pages = self._alarm_pages = UNLIMITED_PAGES
        self._bound: tuple[Spool, int] | None = None
        self.tight = False
        """Whether the disk was found full and has no room for the reserve since."""

    def hold(self) -> bool:
        """Have the reserve on the disk; False where there is no room for it."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            _log.debug("no room for the reserve %s: %s", self._path, error)
            self._release()
            return False
        return True

    def tighten(self, spool: Spool) -> bool:
        """The disk is full: give the reserve free and bound the file's growth. False where it was given
        before.
        """
        released = False
        if not self.tight:
            self.tight = released = True
            freed = self._release()
            pages = spool.count_pages()
            self._telemetry_pages = pages + freed // 4 // PAGE_BYTES
            self._alarm_pages = pages + freed // 2 // PAGE_BYTES
        try:
            spool.reuse_log()
        except sqlite3.OperationalError as error:
            _log.debug("the log cannot be brought into the file: %s", error)
        return released

    def bound(self, spool: Spool, *, urgent: bool) -> None:
        """Before a transaction: how far the file may grow in it. Never beyond what the system lets a file
        have.
        """
        pages = UNLIMITED_PAGES
        if self.tight:
            pages = self._alarm_pages if urgent else self._telemetry_pages
        most_bytes = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if most_bytes != resource.RLIM_INFINITY:
            pages = min(pages, max(1, most_bytes // PAGE_BYTES))
        if self._bound != (spool, pages):
            spool.limit_pages(pages, LOG_PAGES if pages == UNLIMITED_PAGES else TIGHT_LOG_PAGES)
            self._bound = (spool, pages)

    def relax(self) -> bool:
        """Whether the disk has room again; then the reserve is held and the file may grow."""
        if self.tight and self.hold():
            self.tight = False
            return True
        return False

    def _release(self) -> int:
        """Give the reserve free; returns how many bytes that were."""
        try:
            size = self._path.stat().st_blocks * 512
            self._path.unlink()
        except OSError:
            return 0
        return min(size, self._size)
