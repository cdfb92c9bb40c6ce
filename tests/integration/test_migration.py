"""Migrations: every earlier schema with data in it comes to the newest, two hubs at once, and everything that
must be refused."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources

import psycopg
import pytest
from psycopg import sql

from hub.domain.error import StoreUnavailable
from hub.store import migration as module
from hub.store.database import Connection, connect
from hub.store.migration import (
    Migration,
    MigrationFailed,
    SchemaMismatch,
    applied_migrations,
    check_applied,
    layout_of,
    load_migrations,
    migrate,
)
from tests.conftest import new_name, run_sql
from tests.store_filling import fill_every_table, read_everything

EARLIER = sorted({each.number for each in load_migrations()} - {1})
"""0001 and 0002 landed together: nobody has 0001 alone."""
LANDED = {
    "0001_street.sql": "d49ed8d693b4a57bc90e66eacded96d9e4ba8b971bc2cb5b0f73907b3afbdc3d",
    "0002_layout.native.sql": "118bff3f21aea7991282ad93e765b629db49f1ba0ddbb71e8fbaa581e5f97027",
    "0002_layout.timescale.sql": "95225cd42690d8f1803b88d274dfae7d364924a29a7c6e1917d9df7486b9c40a",
}
"""SHA-256 of files that databases out there were made with."""


@pytest.fixture(params=["embedded", pytest.param("timescale", marks=pytest.mark.services)])
def empty_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each kind."""
    server = request.getfixturevalue("postgres" if request.param == "embedded" else "timescale")
    name = new_name()
    run_sql(server.dsn(), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.dsn(name)
    run_sql(server.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(empty_database: str) -> Iterator[Connection]:
    opened = connect(empty_database, application="test")
    yield opened
    opened.close()


@pytest.mark.parametrize("number", EARLIER)
def test_every_earlier_schema_comes_to_the_newest_with_its_data(
    empty_database: str, connection: Connection, number: int
) -> None:
    assert migrate(empty_database, up_to=number)[-1] == number
    assert max(applied_migrations(connection)) == number
    fill_every_table(connection)
    before = read_everything(connection)
    assert before["readings"] and before["journal"]
    assert migrate(empty_database) == [each for each in EARLIER if each > number]
    after = read_everything(connection)
    if number < 7:
        # Roles became grants: the column is gone, and what it said stands in a row of its own.
        rows = connection.execute("SELECT account, role, site, area FROM account_grant ORDER BY 1").fetchall()
        assert [(site, area) for _, _, site, area in rows] == [(None, [])] * len(before.pop("account"))
    if number < 9:
        # Contacts got an order and a table of their own, apart from the names.
        rows = connection.execute("SELECT person, ordinal, kind, value FROM contact ORDER BY 1").fetchall()
        assert rows == [(f"person-{each}", 1, "phone", str(each)) for each in range(len(before.pop("person")))]
    for table, rows in before.items():
        kept = [row.removesuffix(")") for row in rows]
        assert all(any(new.startswith(old) for new in after[table]) for old in kept), table
    assert migrate(empty_database) == []


def test_migration_numbers_have_no_gap_and_both_layouts_have_each() -> None:
    for layout in ("native", "timescale"):
        numbers = [each.number for each in load_migrations() if each.layout in (None, layout)]
        assert len(set(numbers)) == len(numbers)


def test_two_hubs_that_start_at_once_migrate_once(empty_database: str, connection: Connection) -> None:
    results: list[list[int] | Exception] = []

    def run() -> None:
        try:
            results.append(migrate(empty_database))
        except psycopg.Error as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results, key=str) == sorted([[], [], [], [1, *EARLIER]], key=str)
    assert sorted(applied_migrations(connection)) == [1, *EARLIER]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("CREATE TABLE half (a int); INSERT INTO half VALUES (1); SELECT 1/0;", "division by zero"),
        ("CREATE TABLE half (a int); SELEKT;", "syntax error"),
        ("CREATE TABLE half (a int); ALTER TABLE site ADD CHECK (site = 'x');", "site_site_check"),
    ],
)
def test_a_migration_that_fails_in_the_middle_leaves_nothing(
    empty_database: str,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    named: str,
) -> None:
    migrate(empty_database)
    connection.execute("INSERT INTO site (site, name) VALUES ('s', '{}')")
    real = load_migrations()
    newest = real[-1].number
    good = Migration(newest + 1, "good", None, "CREATE TABLE good (a int);")
    monkeypatch.setattr(
        module, "load_migrations", lambda: [*real, good, Migration(newest + 2, "bad", None, broken)]
    )
    with pytest.raises(MigrationFailed, match=f"(?s)migration {newest + 2} .bad..*{named}"):
        migrate(empty_database)
    assert max(applied_migrations(connection)) == newest + 1
    assert connection.execute("SELECT to_regclass('half'), to_regclass('good')").fetchone() == (None, "good")


def test_the_limits_of_a_role_do_not_hit_a_migration_but_a_lock_is_not_waited_for_without_end(
    empty_database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty_database)
    connection.execute("INSERT INTO site (site, name) VALUES ('s', '{}')")
    name = connection.info.dbname
    connection.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = '50ms'").format(sql.Identifier(name)))
    real = load_migrations()
    slow = Migration(real[-1].number + 1, "slow", None, "SELECT pg_sleep(0.3); ALTER TABLE site ADD note text;")
    monkeypatch.setattr(module, "load_migrations", lambda: [*real, slow])
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "200ms")
    with connection.transaction():
        connection.execute("SELECT * FROM site")
        with pytest.raises(StoreUnavailable, match="lock"):
            migrate(empty_database)
    assert migrate(empty_database) == [slow.number]


def test_an_older_hub_refuses_a_newer_schema(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(empty_database)
    real = load_migrations()
    monkeypatch.setattr(module, "load_migrations", lambda: [each for each in real if each.number < 3])
    with pytest.raises(SchemaMismatch, match=f"schema {real[-1].number}, this program knows 2: install"):
        migrate(empty_database)


def test_a_changed_file_and_a_hole_in_what_was_applied_are_refused() -> None:
    first, second, third = (Migration(number, f"m{number}", None, f"SELECT {number}") for number in (1, 2, 3))
    done = {1: first.checksum, 2: second.checksum}
    assert check_applied(done, [first, second, third]) == [third]
    with pytest.raises(SchemaMismatch, match=r"migration 2 \(m2\) differs"):
        check_applied(done, [first, replace(second, sql="SELECT 0"), third])
    with pytest.raises(SchemaMismatch, match="migration 2 was never applied"):
        check_applied({1: first.checksum, 3: third.checksum}, [first, second, third])
    assert check_applied({}, [first]) == [first]


@pytest.mark.parametrize("name", sorted(LANDED))
def test_what_has_landed_is_not_edited(name: str) -> None:
    """A change of an old file is a hub that refuses to start on a database that it made itself."""
    text = resources.files("hub.store").joinpath("migrations", name).read_bytes()
    assert hashlib.sha256(text).hexdigest() == LANDED[name]


def test_the_layout_is_what_the_server_offers(empty_database: str, connection: Connection) -> None:
    migrate(empty_database)
    offered = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    assert layout_of(connection) == ("timescale" if offered else "native")
