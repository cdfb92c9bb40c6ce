"""Numbered migrations: plain SQL, a checksum each, one advisory lock, each in its transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from hub.domain.error import HubError
from hub.store.database import Connection, connect, fetch_all, lock_number, transaction
from hub.store.partition import make_partitions

_LAYOUT = {
    "native": {
        "/* layout:readings */": "PARTITION BY RANGE (observed_at)",
        "/* layout:events */": "PARTITION BY RANGE (recorded_at)",
    },
    "timescale": {},
}


class SchemaMismatch(HubError):
    """The database's schema is not the one this program knows; nothing was changed."""

    code = "schema_mismatch"


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
    return sorted(found, key=lambda migration: migration.number)


def migrate(dsn: str) -> list[int]:
    """Bring the database to the newest schema; returns the numbers applied.

    The layout (native partitions or TimescaleDB) is chosen once, when the database is empty.
    Raises SchemaMismatch where the database is newer than this program or a past migration's
    text has changed, StoreUnavailable where the database is away.
    """
    connection = connect(dsn, application="sanfang migrate")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (lock_number("migrate"),))
        return _migrate(connection)
    finally:
        connection.close()


def layout_of(connection: Connection) -> str:
    """`timescale` where the extension is installed in this database, else `native`."""
    row = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return "timescale" if row else "native"


def _migrate(connection: Connection) -> list[int]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number int PRIMARY KEY, name text NOT NULL,"
        " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = {row["number"]: row for row in fetch_all(connection, "SELECT number, name, checksum FROM migration")}
    if not done:
        _choose_layout(connection)
    layout = layout_of(connection)
    wanted = [migration for migration in load_migrations() if migration.layout in (None, layout)]
    newer = set(done) - {migration.number for migration in wanted}
    if newer:
        raise SchemaMismatch(
            f"the database has schema {max(newer)}, this program knows {wanted[-1].number}:"
            " install the newer Sanfang"
        )
    applied = []
    for migration in wanted:
        if migration.number in done:
            if done[migration.number]["checksum"] != migration.checksum:
                raise SchemaMismatch(
                    f"migration {migration.number} ({migration.name}) differs from the text that was applied"
                    " to this database: restore the file"
                )
            continue
        with transaction(connection):
            sql = migration.sql
            for mark, clause in _LAYOUT[layout].items():
                sql = sql.replace(mark, clause)
            connection.execute(sql.encode())
            connection.execute(
                "INSERT INTO migration (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
        applied.append(migration.number)
    make_partitions(connection, layout)
    return applied


def _choose_layout(connection: Connection) -> None:
    available = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if available:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
