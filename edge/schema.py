"""The spool's file: tables, pragmas, how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from edge.error import SpoolError

SCHEMA_VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE epoch (                -- one row per start of the edge that still holds something
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL
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
CREATE TABLE tombstone (            -- ranges dropped in their place
    epoch INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    dropped_at INTEGER NOT NULL,
    PRIMARY KEY (epoch, lane, first)
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


def open_writable(path: Path) -> sqlite3.Connection:
    """Open or create the spool's file for its one writer. Raises SpoolError.

    Transactions are begun and ended by hand; every commit is on the disk when it returns.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            raise SpoolError(f"{path}: schema {version}; this program knows {SCHEMA_VERSION}")
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {error}") from error
    return connection


def open_readable(path: Path) -> sqlite3.Connection:
    """A second connection that only reads, so that sending never waits for a commit."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=2.0,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection
