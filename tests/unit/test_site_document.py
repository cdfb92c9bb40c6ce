"""A site's document: changed one entry at a time, compared, and held against site.yaml at the start. Pure."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.sites.configuration import SiteConfiguration
from hub.sites.difference import Difference, Field, compare, gone
from hub.sites.document import hash_document, read_whole, write_site, write_yaml
from hub.sites.edit import add_entry, change_entry, move_device, move_zone, remove_entry
from hub.sites.origin import Choice, choose
from hub.store.version import Origin
from tests.running_api import SITE

DOCUMENT = write_site(SiteConfiguration.model_validate(SITE))
ROOM: dict[str, Any] = {"zone": "room", "parent": "hall", "name": {"zh": "教室", "en": "room"}, "kind": "room"}


def test_gateways_and_people_are_not_in_the_document() -> None:
    assert DOCUMENT.keys() == {
        *("site", "name", "area", "time_zone", "zones", "devices", "posts", "escalation"),
    }
    configuration, faults = read_whole(DOCUMENT, SITE["edges"])
    assert faults == [] and configuration is not None and write_site(configuration) == DOCUMENT


def test_what_is_written_as_yaml_is_read_back_the_same() -> None:
    configuration, faults = read_whole(yaml.safe_load(write_yaml(DOCUMENT)), SITE["edges"])
    assert faults == [] and configuration is not None and write_site(configuration) == DOCUMENT


def test_a_fault_calls_an_entry_by_its_name() -> None:
    _, faults = read_whole(move_device(DOCUMENT, "button", "nowhere"), SITE["edges"])
    assert [line.split(":")[0] for line in faults] == ["devices[button].zone"]
    _, faults = read_whole(move_zone(DOCUMENT, "hall", "lab", None), SITE["edges"])
    assert {line.split(":")[0] for line in faults} == {"zones[hall].parent", "zones[lab].parent"}


def test_a_zone_that_holds_something_is_not_removed_and_says_what() -> None:
    with pytest.raises(ActRefused, match="holds zone lab, device door"):
        remove_entry(DOCUMENT, "zones", "hall")
    with pytest.raises(ActRefused, match="device button, door:1"):
        remove_entry(DOCUMENT, "zones", "lab")
    empty = remove_entry(add_entry(DOCUMENT, "zones", ROOM), "zones", "room")
    assert empty == DOCUMENT
    with pytest.raises(NotFound):
        remove_entry(DOCUMENT, "devices", "nothing")


def test_a_name_stands_once_and_is_kept() -> None:
    with pytest.raises(ActRefused, match="already"):
        add_entry(DOCUMENT, "zones", {**ROOM, "zone": "lab"})
    with pytest.raises(InvalidAct, match=r"^zone: "):
        change_entry(DOCUMENT, "zones", "lab", ROOM)


def test_a_zone_is_put_behind_its_sibling() -> None:
    wide = add_entry(add_entry(DOCUMENT, "zones", ROOM), "zones", {**ROOM, "zone": "store"})

    def order(document: dict[str, Any]) -> list[str]:
        return [each["zone"] for each in document["zones"] if each["parent"] == "hall"]

    assert order(wide) == ["lab", "room", "store"]
    assert order(move_zone(wide, "store", "hall", "lab")) == ["lab", "store", "room"]
    assert order(move_zone(wide, "store", "hall", None)) == ["store", "lab", "room"]
    assert order(move_zone(wide, "lab", None, "hall")) == ["room", "store"]
    with pytest.raises(InvalidAct, match=r"^after: "):
        move_zone(wide, "store", None, "room")


def test_what_changed_is_listed_by_entry_and_field() -> None:
    after = move_device(add_entry(DOCUMENT, "zones", ROOM), "button", "room")
    after = remove_entry(after, "devices", "door")
    after["time_zone"] = "Asia/Urumqi"
    found = compare(DOCUMENT, after)
    assert [(each.noun, each.name, each.change) for each in found] == [
        ("site", "demo", "changed"),
        ("zone", "room", "added"),
        ("device", "button", "changed"),
        ("device", "door", "removed"),
    ]
    assert found[0].fields == (Field("time_zone", "Asia/Shanghai", "Asia/Urumqi"),)
    assert found[2].fields == (Field("zone", "lab", "room"),)
    assert gone(DOCUMENT, after, "devices") == ["door"] and gone(DOCUMENT, after, "zones") == []
    turned = {**DOCUMENT, "posts": DOCUMENT["posts"][::-1]}
    assert compare(DOCUMENT, turned) == [Difference("post", "", "order")]
    assert compare(DOCUMENT, DOCUMENT) == []


@given(st.sampled_from("ab"), st.sampled_from(["", "a", "b"]), st.sampled_from([None, "a", "b"]))
def test_the_start_never_overwrites_what_neither_the_file_nor_its_last_taking_said(
    file: str, taken: str, newest: str | None
) -> None:
    """`taken`: the file as it was when it was last taken in; `newest`: what the database has."""
    documents = {name: {**DOCUMENT, "time_zone": f"Asia/{name}"} for name in "ab"}
    origin = Origin(hash_document(documents[taken]) if taken else "")
    choice = choose(documents[file], documents[newest] if newest else None, origin)
    if newest is not None and taken and newest not in (taken, file):
        assert choice is (Choice.DATABASE if file == taken else Choice.REFUSED)
    elif file == newest or newest is None or not taken or file != taken:
        assert choice is Choice.FILE


def test_both_changed_is_refused() -> None:
    documents = [{**DOCUMENT, "area": [str(number)]} for number in range(3)]
    origin = Origin(hash_document(documents[0]))
    assert choose(documents[1], documents[2], origin) is Choice.REFUSED
    assert choose(documents[0], documents[2], origin) is Choice.DATABASE
    assert choose(documents[1], documents[0], origin) is Choice.FILE
    assert choose(documents[2], documents[2], origin) is Choice.FILE
