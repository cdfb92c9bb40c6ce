"""Backup and restore: all of it or nothing, out of a running database, into either layout."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from hub.domain.error import HubError, StoreUnavailable
from hub.store import archive as archive_module
from hub.store import backup as module
from hub.store.archive import ArchiveUnreadable, check_archive
from hub.store.backup import LEFT_OUT, RESTORED, DatabaseNotEmpty, back_up, restore
from hub.store.database import Connection, connect
from hub.store.journal import append_journal
from hub.store.migration import SchemaMismatch, applied_migrations, layout_of, load_migrations, migrate
from hub.store.partition import open_range
from hub.store.quarantine import QuarantineRow, add_quarantine
from tests.conftest import new_name, run_sql
from tests.intake_scene import SITE, count, furnish
from tests.store_filling import fill_every_table, read_everything

NOW = datetime.now(UTC)
MakeDatabase = Callable[[str], str]
KINDS = ["embedded", pytest.param("timescale", marks=pytest.mark.services)]


@pytest.fixture
def make_database(request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """Makes empty databases on the server of a kind."""
    made = []

    def make(kind: str) -> str:
        server = request.getfixturevalue("postgres" if kind == "embedded" else "timescale")
        name = new_name()
        run_sql(server.dsn(), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made.append((server, name))
        return str(server.dsn(name))

    yield make
    for server, name in made:
        run_sql(server.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def copy(dsn: str, file: Path) -> module.Backup:
    return back_up(dsn, file, at=NOW, software="test")


def kept(connection: Connection) -> dict[str, list[str]]:
    everything = read_everything(connection)
    return {table: rows for table, rows in everything.items() if table not in LEFT_OUT}


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_what_was_backed_up_is_restored_into_either_layout(
    make_database: MakeDatabase, tmp_path: Path, source: str, target: str
) -> None:
    dsn, file = make_database(source), tmp_path / "b.tar"
    migrate(dsn)
    with connect(dsn, application="test") as connection:
        fill_every_table(connection)
        before = kept(connection)
        store = connection.execute("SELECT store FROM store").fetchone()
        made = copy(dsn, file)
        assert made.schema == max(applied_migrations(connection))
        assert {table: content.rows for table, content in made.contents.items()} == {
            table: len(rows) for table, rows in before.items()
        }
    new = make_database(target)
    restore(new, file, at=NOW + timedelta(hours=1), actor="system:hub")
    with connect(new, application="test") as connection:
        after = kept(connection)
        assert layout_of(connection) == ("native" if target == "embedded" else "timescale")
        told = connection.execute(
            "SELECT site, body FROM journal WHERE kind = %s ORDER BY site", (RESTORED,)
        ).fetchall()
        assert {row[0] for row in told} == {"site-0", "site-1", "site-2"}
        assert told[0][1]["missing_s"] == 3600
        for table, rows in before.items():
            if table not in ("journal", "journal_head"):
                assert after[table] == rows, table
        assert set(before["journal"]) < set(after["journal"])
        here = connection.execute("SELECT store, restored_from FROM store").fetchone()
        assert here is not None and store is not None
        assert here[0] != store[0] and here[1] == NOW
        # Numbers go on where they were, not where the rows end.
        row = QuarantineRow("e", None, None, None, None, "c", "r", None, b"", 0)
        assert add_quarantine(connection, "site-0", [row], NOW)[0] == 4
    assert migrate(new) == []


@pytest.mark.parametrize("number", sorted({each.number for each in load_migrations()} - {1}))
def test_a_backup_of_an_earlier_schema_is_restored_and_upgraded(
    make_database: MakeDatabase, tmp_path: Path, number: int
) -> None:
    dsn, file = make_database("embedded"), tmp_path / "b.tar"
    migrate(dsn, up_to=number)
    with connect(dsn, application="test") as connection:
        fill_every_table(connection)
        copy(dsn, file)
    new = make_database("embedded")
    restore(new, file, at=NOW, actor="system:hub")
    with connect(new, application="test") as connection:
        assert max(applied_migrations(connection)) == load_migrations()[-1].number
        assert count(connection, "SELECT count(*) FROM readings") == 3


def test_a_backup_is_one_moment_of_a_database_that_goes_on(
    any_database: str, make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(any_database)
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        with connect(any_database, application="test") as connection:
            while not stop.is_set():
                with connection.transaction():
                    at = datetime.now(UTC)
                    seq = append_journal(
                        connection, SITE, at=at, actor="a", subject="s", kind="k", body={"n": 1}
                    )
                    connection.execute(
                        "INSERT INTO history (site, position, at, source, ref)"
                        " VALUES (%s, %s, %s, 'act', '{}')",
                        (SITE, seq, at),
                    )
                if seq > 20:
                    written.set()

    # Slow enough that much is written between the first table and the last.
    real = module.copy_out

    def slowly(
        connection: Connection, table: str, columns: list[str]
    ) -> Iterator[bytes | bytearray | memoryview]:
        before = count(connection, "SELECT count(*) FROM journal")
        stop.wait(0.02)
        assert count(connection, "SELECT count(*) FROM journal") == before
        yield from real(connection, table, columns)

    monkeypatch.setattr(module, "copy_out", slowly)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(20)
        copy(any_database, tmp_path / "b.tar")
    finally:
        stop.set()
        writer.join(10)
    new = make_database("embedded")
    restore(new, tmp_path / "b.tar", at=NOW, actor="system:hub")
    with connect(new, application="test") as connection, connect(any_database, application="test") as old:
        rows = count(connection, "SELECT count(*) FROM journal WHERE kind = 'k'")
        assert rows == count(connection, "SELECT max(seq) FROM journal WHERE kind = 'k'") > 20
        assert rows == count(connection, "SELECT count(*) FROM history")
        assert rows < count(old, "SELECT count(*) FROM journal")


def test_a_backup_is_its_owners_alone_and_replaces_nothing(any_database: str, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    (tmp_path / "b.tar.part").write_text("left by a killed one")
    os.umask(os.umask(0))
    copy(any_database, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["b.tar"]
    with connect(any_database, application="test") as connection:
        row = connection.execute("SELECT backed_up_at, backed_up_bytes FROM store").fetchone()
    assert row == (NOW, file.stat().st_size)
    with pytest.raises(FileExistsError):
        copy(any_database, file)


def test_a_backup_that_fails_leaves_no_file(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection, table: str, columns: list[str]) -> Iterator[bytes]:
        yield b"a\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "copy_out", fail)
    with pytest.raises(OSError, match="No space"):
        copy(database, tmp_path / "b.tar")
    assert list(tmp_path.iterdir()) == []


def test_only_an_empty_database_is_filled(any_database: str, tmp_path: Path) -> None:
    copy(any_database, tmp_path / "b.tar")
    with pytest.raises(DatabaseNotEmpty, match="CREATE DATABASE"):
        restore(any_database, tmp_path / "b.tar", at=NOW, actor="system:hub")


@pytest.mark.parametrize("kind", KINDS)
def test_a_restore_that_fails_leaves_an_empty_database(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    dsn, file = make_database("embedded"), tmp_path / "b.tar"
    migrate(dsn)
    with connect(dsn, application="test") as connection:
        fill_every_table(connection)
    copy(dsn, file)
    new = make_database(kind)

    def fail(*_: object) -> None:
        raise StoreUnavailable("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_tell", fail)
        with pytest.raises(StoreUnavailable):
            restore(new, file, at=NOW, actor="system:hub")
    with connect(new, application="test") as connection:
        module._check_empty(connection)
    restore(new, file, at=NOW, actor="system:hub")


def test_a_file_that_is_not_whole_is_refused_before_anything_is_done(
    make_database: MakeDatabase, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "PIECE_BYTES", 300)
    with connect(database, application="test") as connection:
        fill_every_table(connection)
    good = tmp_path / "good.tar"
    copy(database, good)
    data = good.read_bytes()
    check_archive(good)
    new = make_database("embedded")
    bad = tmp_path / "bad.tar"
    for cut in (0, 100, 700, len(data) // 2, len(data) - 4 * 10_240):
        bad.write_bytes(data[:cut])
        with pytest.raises(ArchiveUnreadable):
            restore(new, bad, at=NOW, actor="system:hub")
    for at in range(1024, len(data) - 12_000, len(data) // 40):
        flipped = bytearray(data)
        flipped[at] ^= 0x40
        bad.write_bytes(flipped)
        try:
            check_archive(bad)
        except ArchiveUnreadable:
            continue
        # What changes nothing that is read (padding, a member's time) may pass: then all of it is as it was.
        assert [(name, text) for name, text in archive_module.read_tables(bad)] == [
            (name, text) for name, text in archive_module.read_tables(good)
        ]
    with connect(new, application="test") as connection:
        module._check_empty(connection)
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(__file__, "readme")
    for file in (tmp_path / "other.tar", tmp_path / "none.tar"):
        with pytest.raises(ArchiveUnreadable):
            check_archive(file)


def test_a_backup_of_a_newer_hub_is_refused(
    make_database: MakeDatabase, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(database, tmp_path / "b.tar")
    real = load_migrations()
    monkeypatch.setattr(module, "load_migrations", lambda: [each for each in real if each.number < 3])
    with pytest.raises(SchemaMismatch, match=r"b\.tar: .*install the newer Sanfang"):
        restore(make_database("embedded"), tmp_path / "b.tar", at=NOW, actor="system:hub")


def test_an_empty_database_is_no_backup(make_database: MakeDatabase, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="nothing to back up"):
        copy(make_database("embedded"), tmp_path / "b.tar")


def test_days_that_are_closed_today_are_restored_too(
    database: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    old = open_range(NOW)[0] - timedelta(days=40)
    with connect(database, application="test") as connection:
        module.attach(connection, "readings", [module.day_span("readings", old.date())])
        connection.execute("INSERT INTO readings VALUES ('s', 1, %s, %s, 1, 0)", (old, old))
    copy(database, tmp_path / "b.tar")
    new = make_database("embedded")
    restore(new, tmp_path / "b.tar", at=NOW, actor="system:hub")
    with connect(new, application="test") as connection:
        assert count(connection, "SELECT count(*) FROM readings WHERE observed_at = %s", old) == 1
