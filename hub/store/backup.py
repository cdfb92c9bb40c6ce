"""Backup and restore: every table's COPY text out of one snapshot, and into an empty database of either layout.

Our own, and not pg_dump: that must match the server's version and is not installed with the embedded one, and
what it writes of TimescaleDB's chunks cannot be read into native partitions. Text, because it is the same for
every version of PostgreSQL.

What is only of its moment stays out: people's sessions, failed logins, set-up tokens, invitations, and the
database's own identity: a restored database is another `store`, and every edge that hears so tells its
conditions anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from hub.domain.error import HubError
from hub.store.archive import Content, check_archive, read_tables, write_archive
from hub.store.catalogue import columns_of, copy_out, list_columns, sequences_of, tables_in_order
from hub.store.database import Connection, connect, reading, site_turn, transaction, watched
from hub.store.journal import append_journal
from hub.store.migration import (
    SchemaMismatch,
    applied_migrations,
    apply_migrations,
    check_applied,
    choose_layout,
    layout_of,
    load_migrations,
    take_migration_lock,
)
from hub.store.partition import TABLES, attach, day_of, day_span, held_days, named_partitions
from hub.store.rollup import LEVELS, rollup_spans
from hub.store.site import list_sites
from hub.store.wall import raise_wall

LEFT_OUT: Final = frozenset(
    {"migration", "store", "session", "setup_token", "account_invitation", "login_failure"}
)
RESTORED: Final = "store.restored"
"""The kind of the journal row that tells a site's people."""


class DatabaseNotEmpty(HubError):
    """A restore wants an empty database; nothing was changed."""

    code = "database_not_empty"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup's file holds, from its own words."""

    made_at: datetime
    schema: int
    layout: str
    software: str
    contents: Mapping[str, Content]


def back_up(dsn: str, file: Path, *, at: datetime, software: str) -> Backup:
    """Write a backup while the hub goes on; `at` is its stated time. Raises StoreUnavailable, OSError (no room;
    a file of that name), SchemaMismatch where the database is not this program's; then no file is left.
    """
    connection = connect(dsn, application="sanfang backup")
    try:
        connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        contents = {}
        with reading(connection):
            header = _describe(connection, at, software)
            with write_archive(file, header) as archive:
                for table in header["tables"]:
                    contents[table] = archive.add_table(
                        table, copy_out(connection, table, header["tables"][table])
                    )
        with watched(connection):
            if connection.execute("SELECT to_regclass('store')").fetchone() == (None,):
                return _backup(header, contents)  # schema 2, before its upgrade: it has nowhere to note it
            connection.execute(
                "UPDATE store SET backed_up_at = %s, backed_up_bytes = %s", (at, file.stat().st_size)
            )
        return _backup(header, contents)
    finally:
        connection.close()


def restore(dsn: str, file: Path, *, at: datetime, actor: str) -> Backup:
    """Fill an empty database from a backup and bring it to the newest schema, in one transaction: afterwards it
    has all of it or nothing. Raises ArchiveUnreadable, DatabaseNotEmpty, SchemaMismatch, StoreUnavailable.
    """
    header, contents = check_archive(file)
    _check_schema(header, file)
    connection = connect(dsn, application="sanfang restore")
    try:
        with watched(connection):
            take_migration_lock(connection)
            _check_empty(connection)
            choose_layout(connection)
            with transaction(connection):
                _fill(connection, header, file)
                apply_migrations(connection)
                raise_wall(connection)
                _tell(connection, header, at, actor)
            connection.execute("ANALYZE")
        return _backup(header, contents)
    finally:
        connection.close()


def _describe(connection: Connection, at: datetime, software: str) -> dict[str, Any]:
    layout = layout_of(connection)
    applied = {number: row["checksum"] for number, row in applied_migrations(connection).items()}
    if not applied:
        raise SchemaMismatch(
            "the database is empty: there is nothing to back up; run the hub or `sanfang db migrate`"
        )
    check_applied(applied, [each for each in load_migrations() if each.layout in (None, layout)])
    return {
        "made_at": at.astimezone(UTC).isoformat(),
        "software": software,
        "layout": layout,
        "schema": max(applied),
        "migrations": applied,
        "tables": {table: columns_of(connection, table) for table in tables_in_order(connection, LEFT_OUT)},
        "days": {table: [day.isoformat() for day in held_days(connection, layout, table)] for table in TABLES},
        "rollup_days": {
            bucket_s: [day_of(name).isoformat() for name in named_partitions(connection, f"rollup_{bucket_s}")]
            for bucket_s in LEVELS
        },
        "sequences": sequences_of(connection),
    }


def _check_schema(header: Mapping[str, Any], file: Path) -> None:
    wanted = [each for each in load_migrations() if each.layout in (None, header["layout"])]
    try:
        check_applied({int(number): checksum for number, checksum in header["migrations"].items()}, wanted)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{file}: {error}") from None


def _check_empty(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT EXISTS"
        " (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 3"
    ).fetchall()
    if rows:
        name = connection.info.dbname
        raise DatabaseNotEmpty(
            f"the database {name!r} is not empty ({', '.join(row[0] for row in rows)} …): stop the hub, make a"
            f" new database (CREATE DATABASE {name}_restored), point `database` in hub.yaml to it, and restore"
            " again; keep the old one until all is well"
        )


def _fill(connection: Connection, header: Mapping[str, Any], file: Path) -> None:
    """The backup's schema, and its rows."""
    apply_migrations(connection, up_to=header["schema"])
    if layout_of(connection) == "native":
        for table in TABLES:
            attach(
                connection, table, [day_span(table, date.fromisoformat(day)) for day in header["days"][table]]
            )
    for level, days in header["rollup_days"].items():
        for day in map(date.fromisoformat, days):
            attach(connection, f"rollup_{level}", rollup_spans(int(level), day, day))
    tables: Mapping[str, list[str]] = header["tables"]
    for table in reversed(list(tables)):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    pieces = read_tables(file)
    at_hand = next(pieces, None)
    while at_hand is not None:
        table = at_hand[0]
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), list_columns(tables[table]))
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            while at_hand is not None and at_hand[0] == table:
                copy.write(at_hand[1])
                at_hand = next(pieces, None)
    for each in header["sequences"]:
        if each["last"] is not None:
            connection.execute(
                "SELECT setval(pg_get_serial_sequence(quote_ident(%s), %s), %s)",
                (each["table"], each["column"], each["last"]),
            )


def _tell(connection: Connection, header: Mapping[str, Any], at: datetime, actor: str) -> None:
    """Note where this database comes from, for programs and for people."""
    made_at = datetime.fromisoformat(header["made_at"])
    connection.execute("UPDATE store SET restored_at = %s, restored_from = %s", (at, made_at))
    body = {"backup_of": made_at.isoformat(), "missing_s": round((at - made_at) / timedelta(seconds=1))}
    for site in list_sites(connection):
        site_turn(connection, site)
        append_journal(connection, site, at=at, actor=actor, subject="hub:store", kind=RESTORED, body=body)


def _backup(header: Mapping[str, Any], contents: Mapping[str, Content]) -> Backup:
    return Backup(
        made_at=datetime.fromisoformat(header["made_at"]),
        schema=header["schema"],
        layout=header["layout"],
        software=header["software"],
        contents=contents,
    )
