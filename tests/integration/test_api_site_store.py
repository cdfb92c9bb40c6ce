"""Applying a site's configuration: rows, edge settings, journal; anew, changed and shrunk."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hub.sites.configuration import SiteConfiguration
from hub.sites.desk import Hand, apply_configuration
from hub.store.database import Connection, connect, fetch_all, fetch_one
from hub.store.journal import read_journal
from hub.store.site import edge_keys, list_sites, load_site_model
from tests.unit.test_site_configuration import GOOD

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
PROFILES = {"panel": {"profile": "panel"}}


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    opened = connect(database, application="test")
    yield opened
    opened.close()


def apply(connection: Connection, document: dict[str, object]) -> int | None:
    site = SiteConfiguration.model_validate(document)
    return apply_configuration(connection, site, PROFILES, hand=Hand("system:hub"), at=AT)


def test_first_application_is_journaled_and_the_second_changes_nothing(connection: Connection) -> None:
    assert apply(connection, GOOD) == 1
    assert apply(connection, GOOD) is None
    rows = read_journal(connection, "demo", after=0)
    assert [(row["kind"], row["body"]["added"]) for row in rows] == [("configuration.applied", ["panel"])]
    assert list_sites(connection) == ["demo"]
    model = load_site_model(connection, "demo")
    assert model.zone_of("panel", "5") == "lab"
    assert model.zone_of("panel", "6") == "hall"
    assert model.zone_path("lab") == ("lab", "hall")


def test_settings_version_rises_only_when_the_document_changes(connection: Connection) -> None:
    apply(connection, GOOD)
    renamed = copy.deepcopy(GOOD)
    renamed["devices"][0]["name"] = {"zh": "新名"}
    assert apply(connection, renamed) == 2
    assert version(connection) == 1
    renamed["devices"][0]["address"] = 2
    assert apply(connection, renamed) == 3
    assert version(connection) == 2


def version(connection: Connection) -> int:
    row = fetch_one(connection, "SELECT settings_version FROM edge")
    assert row is not None
    return int(row["settings_version"])


def test_what_vanishes_becomes_inactive_and_returns(connection: Connection) -> None:
    apply(connection, GOOD)
    connection.execute("UPDATE edge SET root_secret = '\\x01'")
    smaller = copy.deepcopy(GOOD)
    smaller["devices"], smaller["edges"], smaller["shifts"], smaller["persons"] = [], [], [], []
    smaller["zones"] = smaller["zones"][:1]
    assert apply(connection, smaller) == 2
    assert fetch_all(connection, "SELECT active FROM device") == [{"active": False}]
    assert [row["zone"] for row in fetch_all(connection, "SELECT zone FROM zone WHERE active")] == ["hall"]
    assert load_site_model(connection, "demo").zone_parents == {"hall": None}
    assert load_site_model(connection, "demo").devices == {}
    assert edge_keys(connection) == {}
    assert [row["person"] for row in fetch_all(connection, "SELECT person FROM person")] == ["zhang"], (
        "people stay"
    )
    assert apply(connection, GOOD) == 3
    assert list(load_site_model(connection, "demo").devices) == ["panel"]
    assert load_site_model(connection, "demo").zone_path("lab") == ("lab", "hall")
    assert edge_keys(connection)[("demo", "e1")].key_number == 1
