"""A site's document in the database: numbered, and never overwritten by the hub's start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from hub.clock import utc_now
from hub.dispatch.place import Outfit, propose, put, replace_site, start_site
from hub.domain.error import ActRefused, InvalidAct, Moved
from hub.rulebook.book import RuleBook
from hub.sites.configuration import SiteConfiguration
from hub.sites.desk import Hand
from hub.sites.edit import add_entry, change_entry, remove_entry
from hub.store.database import Connection, connect
from hub.store.journal import read_journal
from hub.store.version import list_versions, load_gateways, load_version
from tests.raising import raise_alarm
from tests.running_api import SITE

OUTFIT = Outfit({"any": {"profile": "any"}}, RuleBook(), ("broker", 1883))
ROOM = {"zone": "room", "parent": "hall", "name": {"zh": "教室", "en": "room"}, "kind": "room"}


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    with closing(connect(any_database, application="test")) as opened:
        yield opened


def start(connection: Connection, **changes: Any) -> int | None:
    site = SiteConfiguration.model_validate({**SITE, **changes})
    return start_site(connection, site, OUTFIT, actor="system:hub", at=utc_now())


def change(connection: Connection, document: dict[str, Any], seen: int) -> int | None:
    newest = load_version(connection, "demo")
    assert newest is not None
    fitted = propose(connection, newest.document, document, OUTFIT)
    return put(connection, fitted, hand=Hand("a-1", "console", seen=seen), at=utc_now())


def present(connection: Connection) -> dict[str, Any]:
    newest = load_version(connection, "demo")
    assert newest is not None
    return dict(newest.document)


def kinds(connection: Connection) -> list[str]:
    return [row["kind"] for row in read_journal(connection, "demo", after=0)]


def test_the_start_keeps_what_people_changed_until_they_settle_it(connection: Connection) -> None:
    assert start(connection) == 1 and start(connection) is None
    assert start(connection, time_zone="Asia/Urumqi") == 2, "nobody changed anything: the file counts"
    assert change(connection, add_entry(present(connection), "zones", ROOM), seen=2) == 3
    assert start(connection, time_zone="Asia/Urumqi") is None, "the file is as it was: the console counts"
    assert "room" in [each["zone"] for each in present(connection)["zones"]]

    for _ in range(2):
        assert start(connection, name={"zh": "新名"}) is None, "both changed: the file is not taken in"
    assert present(connection)["name"]["zh"] == "学校"
    assert kinds(connection).count("configuration.refused") == 1, "once, however often it is started"
    refused = read_journal(connection, "demo", after=0)[-1]["body"]
    assert refused["version"] == 3 and "sanfang site replace demo" in refused["cure"]

    edges = [{**SITE["edges"][0], "connections": [{"connection": "mqtt", "driver": "mqtt", "port": 1}]}]
    assert start(connection, name={"zh": "新名"}, edges=edges) == 4, "gateways are the file's, always"
    assert load_gateways(connection, "demo")[0]["connections"][0]["port"] == 1
    assert present(connection)["name"]["zh"] == "学校"

    # Gateways of the caller's environment are not taken: the hub's own start brings them.
    site = SiteConfiguration.model_validate({**SITE, "name": {"zh": "新名"}})
    assert replace_site(connection, site, OUTFIT, actor="system:hub", at=utc_now()) == 5
    assert present(connection)["name"]["zh"] == "新名"
    assert start(connection, name={"zh": "新名"}, edges=edges) is None
    assert [
        (row["version"], row["source"]) for row in list_versions(connection, "demo", before=None, limit=9)
    ] == [
        *((5, "file"), (4, "start"), (3, "console"), (2, "file"), (1, "file")),
    ]


def test_a_file_whose_gateways_do_not_fit_leaves_everything_as_it_is(connection: Connection) -> None:
    start(connection)
    change(connection, add_entry(present(connection), "zones", ROOM), seen=1)
    for _ in range(3):
        assert start(connection, edges=[{**SITE["edges"][0], "edge": "e2"}], devices=[]) is None
    assert kinds(connection).count("configuration.refused") == 1
    assert "edge" in read_journal(connection, "demo", after=0)[-1]["body"]["faults"][0]
    assert load_gateways(connection, "demo")[0]["edge"] == "e1"


def test_a_persons_change_is_like_a_start_and_the_slower_one_is_told(connection: Connection) -> None:
    start(connection)
    assert change(connection, add_entry(present(connection), "zones", ROOM), seen=1) == 2
    row = read_journal(connection, "demo", after=0)[-1]
    assert (row["kind"], row["actor"], row["body"]["source"]) == ("configuration.applied", "a-1", "console")
    assert row["body"]["changed"] == ["zone room"]
    with pytest.raises(Moved):
        change(connection, remove_entry(present(connection), "zones", "room"), seen=1)
    assert change(connection, present(connection), seen=2) is None, "nothing changed: no version"
    door = {**present(connection)["devices"][1], "profile": "none"}
    with pytest.raises(InvalidAct, match=r"^devices\[door\].profile: "):
        change(connection, change_entry(present(connection), "devices", "door", door), seen=2)


def test_what_is_in_use_stays_and_is_named(connection: Connection) -> None:
    start(connection)
    change(connection, add_entry(present(connection), "zones", ROOM), seen=1)
    number = raise_alarm(connection, device="button", zone="room", site="demo")
    for section, name in (("zones", "room"), ("devices", "button")):
        with pytest.raises(ActRefused, match=f"{name}: in use by alarm {number}"):
            change(connection, remove_entry(present(connection), section, name), seen=2)
    connection.execute("UPDATE alarm SET state = 'closed'")
    connection.commit()
    assert change(connection, remove_entry(present(connection), "zones", "room"), seen=2) == 3
