"""Numbered migrations: plain SQL, a checksum each, one advisory lock, each in its transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import psycopg

from hub.domain.error import HubError
from hub.store.database import Connection, Row, connect, fetch_all, lock_number, transaction, watched
from hub.store.partition import make_partitions
from hub.store.wall import raise_wall

_LAYOUT = {
    "native": {
        "/* layout:readings */": "PARTITION BY RANGE (observed_at)",
        "/* layout:events */": "PARTITION BY RANGE (recorded_at)",
    },
    "timescale": {},
}
LOCK_TIMEOUT: Final = "10s"


class SchemaMismatch(HubError):
    """The database's schema is not the one this program knows; nothing was changed."""

    code = "schema_mismatch"


class MigrationFailed(SchemaMismatch):
    """A migration's own statements failed on this database; it was undone."""

    code = "migration_failed"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `layout` is set where the file is for one storage layout only."""

    number: int
    name: str
    layout: str | None
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """All migration files in order; `NNNN_name.sql` or `NNNN_name.<layout>.sql`."""
    found = []
    for file in resources.files("hub.store").joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        number, _, rest = file.name.removesuffix(".sql").partition("_")
        name, _, layout = rest.partition(".")
        found.append(Migration(int(number), name, layout or None, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: (migration.number, migration.layout or ""))


def migrate(dsn: str, *, up_to: int | None = None, passwords: Mapping[str, str] | None = None) -> list[int]:
    """Bring the database to the newest schema (or to number `up_to`) and its walls to what `wall.py` says;
    `passwords` are its roles'. Returns the numbers applied.

    The layout (native partitions or TimescaleDB) is chosen once, when the database is empty. Raises
    SchemaMismatch where the database is newer than this program, lacks a migration in the middle, or a past
    migration's text has changed; MigrationFailed where one does not go through, which leaves the database
    at the one before it; StoreUnavailable where the database is away or a lock was not to be had in time.
    """
    connection = connect(dsn, application="sanfang migrate")
    try:
        with watched(connection):
            take_migration_lock(connection)
            choose_layout(connection)
            applied = apply_migrations(connection, up_to=up_to)
            if up_to is None:
                raise_wall(connection, passwords)
            return applied
    finally:
        connection.close()


def take_migration_lock(connection: Connection) -> None:
    """Be the only one who changes the schema, for as long as this connection lives; waits for others. What a
    role or the server limits does not hit a migration: building an index takes the time that it takes. Only a
    lock is not waited for without end, because everybody queues behind who waits for one.
    """
    connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (lock_number("migrate"),))
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_TIMEOUT,))


def layout_of(connection: Connection) -> str:
    """`timescale` where the extension is installed in this database, else `native`."""
    row = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return "timescale" if row else "native"


def applied_migrations(connection: Connection) -> dict[int, Row]:
    """What was applied to this database, by number: name, checksum, applied_at; empty for an empty one."""
    if connection.execute("SELECT to_regclass('migration')").fetchone() == (None,):
        return {}
    rows = fetch_all(connection, "SELECT number, name, checksum, applied_at FROM migration ORDER BY number")
    return {row["number"]: row for row in rows}


def check_applied(done: Mapping[int, str], wanted: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied where `done` (number -> checksum) was; raises SchemaMismatch. Pure."""
    known = {migration.number: migration for migration in wanted}
    newer = set(done) - set(known)
    if newer:
        raise SchemaMismatch(
            f"the database has schema {max(newer)}, this program knows {max(known, default=0)}:"
            " install the newer Sanfang"
        )
    for number, checksum in done.items():
        if known[number].checksum != checksum:
            raise SchemaMismatch(
                f"migration {number} ({known[number].name}) differs from the text that was applied"
                " to this database: restore the file"
            )
    missing = [number for number in known if number not in done and number < max(done, default=0)]
    if missing:
        raise SchemaMismatch(
            f"the database has schema {max(done)}, but migration {missing[0]} was never applied to it:"
            " it was made by another build; start with an empty database, or restore a backup"
        )
    return [migration for migration in wanted if migration.number not in done]


def apply_migrations(connection: Connection, *, up_to: int | None = None) -> list[int]:
    """Apply what is missing, under the migration lock; returns the numbers. Inside a transaction all of it is
    undone with that. Raises as `migrate`.
    """
    layout = layout_of(connection)
    done = {number: row["checksum"] for number, row in applied_migrations(connection).items()}
    wanted = [migration for migration in load_migrations() if migration.layout in (None, layout)]
    pending = [each for each in check_applied(done, wanted) if up_to is None or each.number <= up_to]
    for migration in pending:
        try:
            with transaction(connection):
                _apply(connection, migration, layout)
        except psycopg.Error as error:
            raise MigrationFailed(
                f"migration {migration.number} ({migration.name}) did not go through, nothing of it was kept:"
                f" {' '.join(str(error).split())}"
            ) from error
    if pending or done:
        make_partitions(connection, layout)
    return [migration.number for migration in pending]


def choose_layout(connection: Connection) -> None:
    """In an empty database: TimescaleDB, where the server has it. Later nothing."""
    if applied_migrations(connection):
        return
    available = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if available:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")


def _apply(connection: Connection, migration: Migration, layout: str) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number int PRIMARY KEY, name text NOT NULL,"
        " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    sql = migration.sql
    for mark, clause in _LAYOUT[layout].items():
        sql = sql.replace(mark, clause)
    connection.execute(sql.encode())
    connection.execute(
        "INSERT INTO migration (number, name, checksum) VALUES (%s, %s, %s)",
        (migration.number, migration.name, migration.checksum),
    )
