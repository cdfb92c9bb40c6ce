"""Where the spool stands: on the disk; or in memory, for as long as the disk refuses.

A spool in memory is a fresh epoch of the same code. What it holds is not claimed as stored: the writer
settles it by the hub's receipt. When the disk takes writes again, a new epoch there adopts all of it in one
transaction.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge.clock import Clock, read_boot
from edge.error import SpoolError
from edge.quota import Budget
from edge.room import Room
from edge.schema import Memory, Place, open_readable
from edge.spool import Spool

_log = logging.getLogger(__name__)

MEMORY_BYTES: Final = 16 * 1024 * 1024
"""So much is held in memory while the disk refuses; telemetry is dropped first, as on a disk."""


class Shelter:
    """Opens spools for one edge."""

    def __init__(self, path: Path, budget: Budget, clock: Clock) -> None:
        self._path = path
        self._budget = budget
        self._clock = clock
        self._boot = read_boot()
        self.room = Room(path.with_name("spool.reserve"), budget.total_bytes)
        self.on_epoch: Callable[[Spool], None] = lambda spool: None
        """Called in the writer's thread when a spool with a new epoch takes the place of the one before."""

    def open_first(self) -> tuple[Spool, str]:
        """At start: the spool on the disk, else one in memory; and why the file before it was set aside, if
        it was.

        Raises SpoolError for a file that another version wrote.
        """
        try:
            spool, replaced = self.open_disk()
        except (sqlite3.Error, OSError) as error:
            _log.error("%s: the disk refuses, the edge begins without it: %s", self._path, error)
            memory = self.open_memory(None)
            self._look_back(memory)
            return memory, ""
        self.room.hold()
        return spool, replaced

    def open_disk(self, adopt: Spool | None = None) -> tuple[Spool, str]:
        """The spool on the disk with a new epoch; a damaged file is set aside, with the reason.

        Raises sqlite3.Error or OSError where the disk refuses, SpoolError for a file of another version.
        """
        try:
            return self._open(self._path, adopt), ""
        except (SpoolError, sqlite3.Error) as error:
            cause = error.__cause__ if isinstance(error, SpoolError) else error
            if cause is None:
                raise
            if isinstance(cause, (sqlite3.OperationalError, OSError)) or not isinstance(
                cause, sqlite3.DatabaseError
            ):
                raise cause from None
            reason = f"the spool file was damaged: {cause}"
            _log.error("%s; it is set aside", reason)
            set_aside(self._path, self._clock)
            return self._open(self._path, adopt), reason

    def open_memory(self, before: Spool | None) -> Spool:
        """A spool in memory that takes another's place."""
        spool = self._open(Memory(f"sanfang-{secrets.token_hex(8)}"), None)
        if before is not None:
            spool.begin()
            spool.known.stand_before(before.known)
            spool.commit()
        return spool

    def _look_back(self, memory: Spool) -> None:
        """At a start without the disk: take along what is known there and the alarms that wait there, if it
        can at least be read. It is closed again at once: who has a file open for reading only cannot write to
        it.
        """
        try:
            disk = open_readable(self._path)
            with closing(disk):
                memory.begin()
                memory.borrow(disk)
                memory.commit()
        except sqlite3.Error as error:
            memory.roll_back()
            _log.error("nor can it be read: %s", error)

    def _open(self, place: Place, adopt: Spool | None) -> Spool:
        budget = self._budget
        if isinstance(place, Memory):
            budget = replace(budget, total_bytes=min(MEMORY_BYTES, budget.total_bytes))
        return Spool(
            place,
            epoch=secrets.randbits(63) or 1,
            opened_at=self._clock.now_us(),
            budget=budget,
            mono_ms=self._clock.monotonic_ms(),
            boot=self._boot,
            adopt=adopt,
        )


def set_aside(path: Path, clock: Clock) -> None:
    """Keep a damaged spool for people to look at, out of the way. Raises OSError where the disk refuses."""
    mark = clock.now_us()
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{mark}{suffix}"))
