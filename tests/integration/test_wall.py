"""The walls between sites, asked of the database itself: raw connections with the roles' own rights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from hub.clock import utc_now
from hub.domain.error import StoreUnavailable
from hub.store.area import EVERY_SITE, NO_SITE, Area
from hub.store.catalogue import columns_of, tables_in_order
from hub.store.database import Connection, borrow, connect, open_pool
from hub.store.migration import layout_of, migrate
from hub.store.partition import DAYS_AHEAD, make_partitions
from hub.store.wall import (
    OPEN,
    PASSWORDS,
    RIGHTS,
    ROLES,
    WallRefused,
    dsn_as,
    dsn_of,
    load_passwords,
)
from sanfang.embedded.postgres import EmbeddedPostgres
from tests.conftest import RunningPostgres, open_folder, run_sql
from tests.ports import reserve_port
from tests.store_filling import fill_every_table

MINE, OTHER = "site-1", "site-2"
WALLED = ("api", "chores", "report", "readonly")


@pytest.fixture
def filled(any_database: str) -> Iterator[str]:
    with connect(any_database, application="test") as connection:
        fill_every_table(connection)
    yield any_database


def enter(dsn: str, role: str, area: Area = NO_SITE) -> Connection:
    return connect(dsn_as(dsn, role, {}), application="test", area=area)


def all_tables(dsn: str) -> dict[str, bool]:
    """Every table, and whether it has a site."""
    with connect(dsn, application="test") as connection:
        return {table: "site" in columns_of(connection, table) for table in tables_in_order(connection, ())}


def sites_in(connection: Connection, table: str) -> set[str]:
    query = sql.SQL("SELECT DISTINCT site FROM {}").format(sql.Identifier(table))
    return {row[0] for row in connection.execute(query)}


def readable(role: str, table: str) -> bool:
    return "S" in RIGHTS[table][ROLES.index(role)]


def test_every_table_stands_in_the_table_of_rights(any_database: str) -> None:
    tables = set(all_tables(any_database))
    assert tables == RIGHTS.keys(), "say in hub/store/wall.py (RIGHTS) who may do what with these tables"
    with connect(any_database, application="test") as connection:
        walled = {
            row[0] for row in connection.execute("SELECT tablename FROM pg_policies WHERE policyname = 'wall'")
        }
    with_site = {table for table, has_site in all_tables(any_database).items() if has_site}
    assert walled == with_site - OPEN, "a table with a site needs a policy"


@pytest.mark.parametrize("role", WALLED)
def test_a_role_sees_its_area_only_and_without_one_it_is_told(filled: str, role: str) -> None:
    tables = [table for table, has_site in all_tables(filled).items() if has_site and table not in OPEN]
    looked = 0
    with enter(filled, role) as bare, enter(filled, role, [MINE]) as mine, enter(filled, role, []) as nobody:
        for table in tables:
            if not readable(role, table):
                with pytest.raises(InsufficientPrivilege, match="permission denied"):
                    sites_in(mine, table)
                continue
            looked += 1
            with pytest.raises(InsufficientPrivilege, match="no area is set"):
                sites_in(bare, table)
            assert sites_in(mine, table) <= {MINE}, table
            assert sites_in(nobody, table) == set(), table
            # A query that forgot its filter, or asks for another site, finds nothing of it.
            asked = sql.SQL("SELECT 1 FROM {} WHERE site = %s").format(sql.Identifier(table))
            assert mine.execute(asked, (OTHER,)).fetchone() is None
    assert looked > 20
    with connect(filled, application="test") as owner:
        assert {MINE, OTHER} <= sites_in(owner, "alarm"), "there was something to see"


def test_a_used_connection_of_the_pool_has_no_area_left(filled: str) -> None:
    pool = open_pool(dsn_as(filled, "api", {}), application="test", size=1)
    try:
        with borrow(pool, [MINE]) as connection:
            assert sites_in(connection, "alarm") == {MINE}
        with borrow(pool, NO_SITE) as connection, pytest.raises(InsufficientPrivilege, match="no area"):
            sites_in(connection, "alarm")
        with borrow(pool, [OTHER]) as connection:
            assert sites_in(connection, "alarm") == {OTHER}
        with borrow(pool, EVERY_SITE) as connection:
            assert sites_in(connection, "alarm") == {"site-0", MINE, OTHER}
    finally:
        pool.close()


@pytest.mark.parametrize("role", WALLED)
def test_nothing_is_written_into_another_site(filled: str, role: str) -> None:
    order = "INSERT INTO journal_head (site, seq, hash) VALUES (%s, 1, '')"
    with enter(filled, role, [MINE]) as connection:
        with pytest.raises(InsufficientPrivilege):
            connection.execute(order, ("elsewhere",))
        for query in (
            "UPDATE alarm SET note = 'x' WHERE site = %s",
            "UPDATE alarm SET site = %s WHERE site = 'site-1'",
        ):
            try:
                changed = connection.execute(query.encode(), (OTHER,)).rowcount
            except psycopg.Error:
                changed = 0
            assert changed == 0


@pytest.mark.parametrize("role", ["report", "readonly"])
def test_who_only_looks_never_has_every_site(filled: str, role: str) -> None:
    with (
        enter(filled, role, EVERY_SITE) as connection,
        pytest.raises(InsufficientPrivilege, match="a list of sites, never all"),
    ):
        sites_in(connection, "alarm")


@pytest.mark.parametrize("role", ROLES)
def test_the_journal_is_only_added_to(filled: str, role: str) -> None:
    with enter(filled, role, [MINE]) as connection:
        for order in ("UPDATE journal SET actor = 'x'", "DELETE FROM journal", "TRUNCATE journal"):
            with pytest.raises(InsufficientPrivilege, match="permission denied"):
                connection.execute(order.encode())


def test_intake_stands_outside_and_knows_no_names(filled: str) -> None:
    with enter(filled, "intake") as connection:
        assert sites_in(connection, "events") >= {MINE, OTHER}
        for table in ("person", "contact", "credential", "account", "session", "account_grant", "totp"):
            with pytest.raises(InsufficientPrivilege, match="permission denied"):
                connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table)))


PARTS = (
    "SELECT n.nspname, c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent::regclass::text"
    " IN ('readings', 'events', 'rollup', 'rollup_60', 'rollup_900', 'rollup_3600')"
)
READING = "INSERT INTO readings (site, series, observed_at, recorded_at, value, quality)"


def test_partitions_and_chunks_are_nobodys_from_the_moment_they_are_made(filled: str) -> None:
    """Between the making of a chunk and a chore that closes it, everybody could have read it."""
    later = utc_now() + timedelta(days=DAYS_AHEAD + 3)
    with connect(filled, application="test") as owner:
        layout = layout_of(owner)
        before = set(owner.execute(PARTS).fetchall())
        make_partitions(owner, layout, later)
    with enter(filled, "intake") as worker:
        for site in (MINE, OTHER):
            worker.execute(READING.encode() + b" VALUES (%s, 1, %s, %s, 1, 0)", (site, later, later))
    with connect(filled, application="test") as owner:
        parts = set(owner.execute(PARTS).fetchall())
        kept = owner.execute("SELECT tableoid::regclass FROM readings WHERE observed_at = %s", (later,))
        assert len(kept.fetchall()) == 2
        if layout == "timescale":
            assert {schema for schema, name in parts if "chunk" in name} == {"chunk"}
    assert len(parts - before) >= 1 and len(parts) >= 3
    for role in (*WALLED, "intake"):
        with enter(filled, role, [MINE]) as connection:
            for schema, name in parts:
                for order in ("SELECT 1 FROM {}", "DELETE FROM {}", "TRUNCATE {}"):
                    with pytest.raises(InsufficientPrivilege, match="permission denied"):
                        connection.execute(sql.SQL(order).format(sql.Identifier(schema, name)))
            # Through the table everything is there that should be.
            seen = connection.execute("SELECT DISTINCT site FROM readings WHERE observed_at = %s", (later,))
            assert {row[0] for row in seen} == ({MINE} if role != "intake" else {MINE, OTHER})


@pytest.fixture
def guarded() -> Iterator[str]:
    """A database whose server asks for passwords."""
    folder = open_folder()
    server = RunningPostgres(EmbeddedPostgres(folder, reserve_port(), password="owner's own"), folder)
    try:
        yield server.dsn()
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_roles_have_passwords_where_the_owner_has_one(guarded: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    migrate(guarded, passwords=load_passwords(guarded, folder))
    assert (folder / PASSWORDS).stat().st_mode & 0o777 == 0o600
    with connect(dsn_of(guarded, "api", folder), application="test", area=[MINE]) as connection:
        assert sites_in(connection, "alarm") == set()
    with pytest.raises(StoreUnavailable, match="password"):
        enter(guarded, "api")
    # The next start knows them, and a damaged file is made anew once it is out of the way.
    migrate(guarded, passwords=load_passwords(guarded, folder))
    connect(dsn_of(guarded, "intake", folder), application="test").close()
    (folder / PASSWORDS).write_text("{}")
    with pytest.raises(WallRefused, match="delete it and start the hub"):
        load_passwords(guarded, folder)
    (folder / PASSWORDS).unlink()
    migrate(guarded, passwords=load_passwords(guarded, folder))
    connect(dsn_of(guarded, "chores", folder), application="test").close()


def test_an_owner_who_may_make_no_roles_is_told_the_cure(own_postgres: RunningPostgres) -> None:
    run_sql(own_postgres.dsn(), sql.SQL("CREATE ROLE modest LOGIN"))
    run_sql(own_postgres.dsn(), sql.SQL("CREATE DATABASE modest OWNER modest"))
    dsn = make_conninfo(own_postgres.dsn("modest"), user="modest")
    with pytest.raises(WallRefused, match="ALTER ROLE modest CREATEROLE BYPASSRLS"):
        migrate(dsn)
    run_sql(own_postgres.dsn(), sql.SQL("ALTER ROLE modest CREATEROLE BYPASSRLS"))
    migrate(dsn)
    with enter(dsn, "readonly", [MINE]) as connection:
        assert sites_in(connection, "alarm") == set()
