"""One school out of one hub's database and into another's: all that is the site's, and nobody's log-in.

The file is a backup's file with one site in it. The other database must be of the same schema and not have the
site. Accounts stay where they are: who works there is given a role there; a person's log-in is left empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from hub.domain.error import HubError, NotFound
from hub.store.archive import Content, check_archive, read_tables, write_archive
from hub.store.catalogue import columns_of, copy_out, list_columns, sequences_of, tables_in_order
from hub.store.database import Connection, connect, reading, site_turn, transaction, watched
from hub.store.journal import append_journal
from hub.store.migration import SchemaMismatch, applied_migrations, layout_of, take_migration_lock
from hub.store.partition import TABLES, attach, day_of, day_span, held_days, named_partitions
from hub.store.rollup import LEVELS, rollup_spans
from hub.store.site import list_sites

STAYS: Final = frozenset(
    {
        *("account_grant", "api_token", "phone", "known_browser"),  # accounts are the hub's
        *("idempotency", "liveness", "invite"),  # of their moment
        *("reader_cursor", "reader_state", "dead_letter"),  # whom this hub tells
    }
)
"""Tables with a site that are not the site's."""
IMPORTED: Final = "site.imported"
"""The kind of the journal row that tells a site's people."""


class SiteExists(HubError):
    """The database has the site already; nothing was changed."""

    code = "site_exists"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a file holds."""

    site: str
    made_at: datetime
    software: str
    contents: Mapping[str, Content]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(content.rows for content in self.contents.values())


def export_site(dsn: str, site: str, file: Path, *, at: datetime, software: str) -> Transfer:
    """Write the site's file out of one snapshot; stop its hub before, for what comes later stays behind.
    Raises NotFound, SchemaMismatch, StoreUnavailable, OSError; then no file is left.
    """
    connection = connect(dsn, application="sanfang site export")
    try:
        connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        contents = {}
        with reading(connection):
            if site not in (known := list_sites(connection)):
                raise NotFound(f"there is no site {site!r}; there is {', '.join(known) or 'none yet'}")
            layout = layout_of(connection)
            tables = {table: columns_of(connection, table) for table in tables_in_order(connection, STAYS)}
            tables = {table: columns for table, columns in tables.items() if "site" in columns}
            header = {
                "site": site,
                "made_at": at.astimezone(UTC).isoformat(),
                "software": software,
                "schema": max(applied_migrations(connection)),
                "tables": tables,
                "days": {
                    table: [day.isoformat() for day in held_days(connection, layout, table)] for table in TABLES
                },
                "rollup_days": {
                    bucket_s: [
                        day_of(name).isoformat() for name in named_partitions(connection, f"rollup_{bucket_s}")
                    ]
                    for bucket_s in LEVELS
                },
            }
            with write_archive(file, header) as archive:
                for table, columns in tables.items():
                    contents[table] = archive.add_table(table, copy_out(connection, table, columns, site))
        return _transfer(header, contents)
    finally:
        connection.close()


def import_site(dsn: str, file: Path, *, at: datetime, actor: str) -> Transfer:
    """Put the file's site into a database that does not have it, all or nothing, and journal that it came.

    Other sites go on meanwhile. Raises ArchiveUnreadable, SchemaMismatch, SiteExists, StoreUnavailable.
    """
    header, contents = check_archive(file)
    site = header.get("site")
    if not isinstance(site, str):
        raise SchemaMismatch(f"{file}: is a backup of a whole hub; bring it back with `sanfang db restore`")
    connection = connect(dsn, application="sanfang site import")
    try:
        connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        with watched(connection):
            take_migration_lock(connection)
            _check(connection, header, file)
            _open_days(connection, header)
            with transaction(connection):
                site_turn(connection, site)
                _fill(connection, header, file)
                connection.execute("UPDATE person SET account = NULL WHERE site = %s", (site,))
                made_at = datetime.fromisoformat(header["made_at"])
                body = {"export_of": made_at.isoformat(), "software": header["software"]}
                append_journal(
                    connection, site, at=at, actor=actor, subject="hub:store", kind=IMPORTED, body=body
                )
        return _transfer(header, contents)
    finally:
        connection.close()


def _check(connection: Connection, header: Mapping[str, Any], file: Path) -> None:
    ours = max(applied_migrations(connection), default=0)
    if header["schema"] != ours:
        raise SchemaMismatch(
            f"{file}: has schema {header['schema']}, this database {ours}: bring both hubs to the same version,"
            " then export anew"
        )
    if header["site"] in list_sites(connection):
        raise SiteExists(f"the database has a site {header['site']!r} already; nothing was changed")


def _open_days(connection: Connection, header: Mapping[str, Any]) -> None:
    """Partitions for the days of the file. Each is made by itself: who writes waits for none of the rows."""
    if layout_of(connection) == "native":
        for table in TABLES:
            attach(
                connection, table, [day_span(table, date.fromisoformat(day)) for day in header["days"][table]]
            )
    for level, days in header["rollup_days"].items():
        for day in map(date.fromisoformat, days):
            attach(connection, f"rollup_{level}", rollup_spans(int(level), day, day))


def _fill(connection: Connection, header: Mapping[str, Any], file: Path) -> None:
    tables: Mapping[str, list[str]] = header["tables"]
    pieces = read_tables(file)
    at_hand = next(pieces, None)
    while at_hand is not None:
        table = at_hand[0]
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), list_columns(tables[table]))
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            while at_hand is not None and at_hand[0] == table:
                copy.write(at_hand[1])
                at_hand = next(pieces, None)
    for each in sequences_of(connection):
        # Numbers go on above those that came along.
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(quote_ident(%s), %s),"
                " greatest(nextval(pg_get_serial_sequence(quote_ident(%s), %s)), (SELECT max({}) FROM {})))"
            ).format(sql.Identifier(each["column"]), sql.Identifier(each["table"])),
            (each["table"], each["column"], each["table"], each["column"]),
        )


def _transfer(header: Mapping[str, Any], contents: Mapping[str, Content]) -> Transfer:
    return Transfer(
        header["site"], datetime.fromisoformat(header["made_at"]), header["software"], dict(contents)
    )
