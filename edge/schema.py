"""The spool's file: tables, pragmas, how it is opened."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.error import SpoolError

SCHEMA_VERSION: Final = 2
BUSY_S: Final = 0.5
"""So long a file that another program holds is waited for."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A database of this process, by name: gone with the last connection to it."""

    name: str

    @property
    def uri(self) -> str:
        return f"file:{self.name}?mode=memory&cache=shared"


Place = Path | Memory
"""Where a spool is kept."""

_TABLES: Final = """
CREATE TABLE epoch (                -- one row per start of the edge that still holds something
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL,
    began_mono_ms INTEGER NOT NULL, -- its monotonic clock when it began
    began_aged_ms INTEGER NOT NULL  -- and the age clock then (age.py)
);
CREATE TABLE lane (                 -- what was assigned, receipted and held, per epoch and lane
    epoch INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    assigned INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    held_bytes INTEGER NOT NULL,
    sheddable_bytes INTEGER NOT NULL,
    PRIMARY KEY (epoch, lane)
) WITHOUT ROWID;
CREATE TABLE item (
    epoch INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,       -- the monotonic clock of its own epoch
    rank INTEGER NOT NULL,          -- urgency of its most urgent event, 0 critical
    bytes BLOB NOT NULL,
    PRIMARY KEY (epoch, lane, seq)
);
CREATE INDEX item_sheddable ON item (epoch, seq) WHERE lane = 1 AND rank >= 2;
CREATE TABLE tombstone (            -- ranges dropped in their place
    epoch INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    dropped_at INTEGER NOT NULL,
    readings BLOB NOT NULL,         -- u16 for each item; empty: none held any
    PRIMARY KEY (epoch, lane, first)
) WITHOUT ROWID;
CREATE TABLE dropped (              -- what was ever dropped from this file
    lane INTEGER NOT NULL,
    reason TEXT NOT NULL,
    items INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    PRIMARY KEY (lane, reason)
) WITHOUT ROWID;
CREATE TABLE condition (            -- what the hub was last told of each condition
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    kind TEXT NOT NULL,
    active INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    PRIMARY KEY (device, address, kind)
) WITHOUT ROWID;
CREATE TABLE seen (                 -- the devices' own message ids, the newest of each device
    ordinal INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    identity BLOB NOT NULL UNIQUE   -- a digest of device, address, kind and the device's id
);
CREATE INDEX seen_device ON seen (device, ordinal);
CREATE TABLE command (              -- ids that were taken; each is performed at most once
    ordinal INTEGER PRIMARY KEY,
    command TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


# Version 1 did not count ages: its items are as old as they are apart, at least.
_FROM_1: Final = """
ALTER TABLE epoch ADD COLUMN began_mono_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE epoch ADD COLUMN began_aged_ms INTEGER NOT NULL DEFAULT 0;
UPDATE epoch SET began_mono_ms =
    COALESCE((SELECT MAX(mono_ms) FROM item WHERE item.epoch = epoch.epoch), 0);
ALTER TABLE tombstone ADD COLUMN readings BLOB NOT NULL DEFAULT x'';
CREATE TABLE dropped (
    lane INTEGER NOT NULL,
    reason TEXT NOT NULL,
    items INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    PRIMARY KEY (lane, reason)
) WITHOUT ROWID;
CREATE INDEX item_sheddable ON item (epoch, seq) WHERE lane = 1 AND rank >= 2;
"""


def open_writable(place: Place) -> sqlite3.Connection:
    """Open or create a spool for its one writer; an older file is brought up to date. Raises SpoolError.

    Transactions are begun and ended by hand; every commit is on the disk when it returns.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(place.uri if isinstance(place, Memory) else str(place))
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        steps = {0: _TABLES, 1: _FROM_1}.get(version)
        if steps is not None:
            connection.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
            if isinstance(place, Path):
                _keep_name(place)
        elif version != SCHEMA_VERSION:
            raise SpoolError(f"{place}: schema {version}; this program knows {SCHEMA_VERSION}")
    except (sqlite3.Error, OSError, SpoolError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, SpoolError):
            raise
        raise SpoolError(f"{place}: {error}") from error
    return connection


def open_readable(place: Place) -> sqlite3.Connection:
    """A second connection that only reads, so that sending never waits for a commit."""
    if isinstance(place, Memory):
        connection = _connect(place.uri)
        # One cache for both connections: without this a reader is refused while the writer writes.
        connection.execute("PRAGMA read_uncommitted = ON")
    else:
        connection = _connect(f"{place.absolute().as_uri()}?mode=ro")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(
        name, uri=name.startswith("file:"), isolation_level=None, check_same_thread=False, timeout=BUSY_S
    )


def _keep_name(path: Path) -> None:
    """A new file's name is in the folder, too, when the power fails."""
    folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
