"""A school moved from one hub's database to another's, of either layout, while others live there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import sql

from hub.sites.journal import check_journal, write_journal
from hub.sites.seal import Sealer
from hub.store.archive import ArchiveUnreadable
from hub.store.backup import back_up
from hub.store.catalogue import columns_of, tables_in_order
from hub.store.database import Connection, connect
from hub.store.journal import append_journal
from hub.store.migration import SchemaMismatch, migrate
from hub.store.transfer import IMPORTED, STAYS, SiteExists, export_site, import_site
from tests.intake_scene import SITE, count, furnish
from tests.integration.test_backup import KINDS, MakeDatabase, make_database
from tests.store_filling import fill_every_table

NOW = datetime.now(UTC)
MOVED = "site-1"
__all__ = ["make_database"]


def rows_of(connection: Connection, site: str) -> dict[str, list[str]]:
    """All rows of a site by table, as text."""
    found = {}
    for table in tables_in_order(connection, STAYS):
        if "site" in columns_of(connection, table):
            query = sql.SQL("SELECT t::text FROM {} t WHERE site = %s ORDER BY 1").format(sql.Identifier(table))
            found[table] = [row[0] for row in connection.execute(query, (site,))]
    return found


@pytest.fixture
def source(postgres: object, make_database: MakeDatabase) -> Iterator[str]:
    dsn = make_database("embedded")
    migrate(dsn)
    with connect(dsn, application="test") as connection:
        fill_every_table(connection)
        connection.execute("DELETE FROM journal WHERE site = %s", (MOVED,))
        connection.execute("DELETE FROM journal_anchor WHERE site = %s", (MOVED,))
        connection.execute("DELETE FROM journal_head WHERE site = %s", (MOVED,))
        for number in range(5):
            append_journal(connection, MOVED, at=NOW, actor="a", subject="s", kind="k", body={"number": number})
    yield dsn


def move(dsn: str, file: Path, site: str = MOVED) -> None:
    export_site(dsn, site, file, at=NOW, software="test")


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_the_sites_comes_along_and_nothing_else(
    source: str, kind: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "school.tar"
    move(source, file)
    target = make_database(kind)
    migrate(target)
    furnish(target)
    with connect(source, application="test") as connection:
        wanted = rows_of(connection, MOVED)
        connection.execute("UPDATE person SET account = NULL WHERE site = %s", (MOVED,))
        wanted["person"] = rows_of(connection, MOVED)["person"]
    with connect(target, application="test") as connection:
        before = rows_of(connection, SITE)
        made = import_site(target, file, at=NOW, actor="system:transfer")
        got = rows_of(connection, MOVED)
        for table in ("journal", "journal_head"):
            wanted.pop(table), got.pop(table)
        assert got == wanted
        assert [table for table, rows in wanted.items() if not rows] == ["journal_anchor"]
        assert rows_of(connection, SITE) == before
        assert count(connection, "SELECT count(*) FROM site") == 2
        assert count(connection, "SELECT count(*) FROM account") == 0
        last = connection.execute(
            "SELECT kind, body FROM journal WHERE site = %s ORDER BY seq DESC LIMIT 1", (MOVED,)
        ).fetchone()
        assert last is not None and last[0] == IMPORTED
        found = check_journal(write_journal(connection, MOVED, Sealer(tmp_path), NOW))
        assert not found.faults and found.rows == 6, "the chain goes on where it was"
        # Numbers that the database gives go on above those that came along.
        top = count(connection, "SELECT max(quarantine) FROM quarantine")
        assert count(connection, "SELECT nextval(pg_get_serial_sequence('quarantine', 'quarantine'))") > top
    assert made.site == MOVED and made.rows == sum(each.rows for each in made.contents.values())


def test_what_cannot_be_moved_changes_nothing(source: str, make_database: MakeDatabase, tmp_path: Path) -> None:
    file, whole, cut = tmp_path / "school.tar", tmp_path / "hub.tar", tmp_path / "cut.tar"
    move(source, file)
    with pytest.raises(SiteExists, match="has a site 'site-1' already"):
        import_site(source, file, at=NOW, actor="test")
    with pytest.raises(FileExistsError):
        move(source, file)
    target = make_database("embedded")
    with pytest.raises(SchemaMismatch, match="bring both hubs to the same version"):
        import_site(target, file, at=NOW, actor="test")
    migrate(target)
    back_up(source, whole, at=NOW, software="test")
    with pytest.raises(SchemaMismatch, match="sanfang db restore"):
        import_site(target, whole, at=NOW, actor="test")
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ArchiveUnreadable):
        import_site(target, cut, at=NOW, actor="test")
    with connect(target, application="test") as connection:
        assert count(connection, "SELECT count(*) FROM site") == 0
