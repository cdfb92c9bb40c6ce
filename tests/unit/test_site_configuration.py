"""site.yaml: cross-checks, and that each fault names its field."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from hub.document import read_document
from hub.domain.error import ConfigurationError
from hub.sites.configuration import SiteConfiguration
from hub.sites.desk import settings_document
from hub.sites.reading import check_site, load_profiles, load_site

FILE = Path("site.yaml")
GOOD: dict[str, Any] = {
    "site": "demo",
    "name": {"zh": "学校"},
    "zones": [
        {"zone": "hall", "name": {"zh": "楼"}, "kind": "building"},
        {"zone": "lab", "parent": "hall", "name": {"zh": "室", "en": "lab"}, "class": "key", "kind": "room"},
    ],
    "edges": [
        {
            "edge": "e1",
            "name": {"zh": "网关"},
            "connections": [
                {
                    "connection": "mqtt",
                    "driver": "mqtt",
                    "port": "${SANFANG_TEST_PORT:-1883}",
                    "deep": {"a": [1]},
                }
            ],
        }
    ],
    "devices": [
        {
            "device": "panel",
            "name": {"zh": "主机"},
            "family": "fire_alarm",
            "zone": "hall",
            "edge": "e1",
            "connection": "mqtt",
            "profile": "panel",
            "address": 1,
            "addresses": {5: {"zone": "lab"}},
            "writes": ["door.release"],
        }
    ],
    "posts": [{"post": "room", "name": {"zh": "值班室"}}],
    "persons": [{"person": "zhang", "name": "张"}],
    "shifts": [{"post": "room", "person": "zhang", "begins": "07:00", "ends": "19:00"}],
    "escalation": {"posts": ["room"]},
}


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    at: Any = document
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return document


def test_good_document_has_no_fault() -> None:
    assert check_site(GOOD, FILE) == []


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["zones", 1, "parent"], "nowhere", "zones[1].parent"),
        (["zones", 0, "parent"], "lab", "zones[0].parent"),
        (["zones", 1, "zone"], "hall", "zones[1].zone"),
        (["devices", 0, "zone"], "nowhere", "devices[0].zone"),
        (["devices", 0, "edge"], "e2", "devices[0].edge"),
        (["devices", 0, "connection"], "bus", "devices[0].connection"),
        (["devices", 0, "family"], "toaster", "devices[0].family"),
        (["devices", 0, "device"], "hub", "devices[0].device"),
        (["devices", 0, "device"], "a/b#", "devices[0].device"),
        (["devices", 0, "writes"], ["door.explode"], "devices[0].writes[0]"),
        (["devices", 0, "addresses"], {"5": {"zone": "nowhere"}}, "devices[0].addresses.5.zone"),
        (["devices", 0, "colour"], "red", "devices[0].colour"),
        (["shifts", 0, "post"], "tower", "shifts[0].post"),
        (["shifts", 0, "person"], "li", "shifts[0].person"),
        (["shifts", 0, "ends"], 1140, "shifts[0].ends"),
        (["shifts", 0, "days"], [8], "shifts[0].days[0]"),
        (["escalation", "posts"], ["tower"], "escalation.posts[0]"),
        (["time_zone"], "Mars/Olympus", "time_zone"),
        (["name"], {"en": "School"}, "name.zh"),
        (["site"], "Ünsinn", "site"),
    ],
)
def test_each_fault_names_its_field_and_a_cure(path: list[str | int], value: Any, field: str) -> None:
    faults = check_site(changed(path, value), FILE)
    assert any(each.startswith(f"site.yaml: {field}:") for each in faults), faults
    assert all(";" in each or "should" in each or "Input" in each for each in faults), faults


def test_faults_of_form_hide_no_wrong_reference_and_make_none() -> None:
    document = changed(["time_zone"], "Mars/Olympus")
    document["zones"][0]["kind"] = "cellar"  # still a zone to which others may point
    document["zones"].append({"zone": "lab", "parent": "nowhere", "name": {"zh": "室"}, "kind": "room"})
    document["devices"].append({**document["devices"][0], "zone": "moon"})
    document["devices"].append({**document["devices"][0], "device": "other", "family": "ufo", "zone": "moon"})
    document["shifts"].append({"post": "tower", "person": "zhang", "begins": "07:00", "ends": "19:00"})
    fields = sorted(line.split(": ")[1] for line in check_site(document, FILE))
    assert fields == [
        "devices[1].device",
        "devices[1].zone",
        "devices[2].family",
        "shifts[1].post",
        "time_zone",
        "zones[0].kind",
        "zones[2].parent",
        "zones[2].zone",
    ]
    document["postz"] = document.pop("posts")
    assert not any("shifts[0].post" in line for line in check_site(document, FILE))
    document["edges"][0]["name"] = 5
    del document["postz"]
    assert not any("connection" in line for line in check_site(document, FILE))


@pytest.mark.parametrize("section", ["zones", "edges", "devices", "posts", "persons", "shifts", "escalation"])
@pytest.mark.parametrize("value", [None, 5, "x", {}, [], [None], [5], [{}], [[]], {"a": 1}])
def test_no_shape_is_a_crash(section: str, value: Any) -> None:
    document = changed([section], value)
    assert all(line.startswith("site.yaml: ") for line in check_site(document, FILE))


def test_unquoted_time_of_day_is_refused_and_not_read_as_seconds(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("begins: 19:00\n", encoding="utf-8")
    assert check_site(changed(["shifts", 0, "begins"], read_document(file)["begins"]), FILE)


def test_settings_document_is_what_the_edge_reads(tmp_path: Path) -> None:
    (tmp_path / "panel.yaml").write_text("profile: panel\npoints: {a: 1}\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("profile: other\n", encoding="utf-8")
    file = tmp_path / "site.yml"
    file.write_text(repr(GOOD).replace("None", "null"), encoding="utf-8")
    site = load_site(file)
    document = settings_document(site, site.edges[0], load_profiles(tmp_path))
    assert document["connections"] == [
        {"connection": "mqtt", "driver": "mqtt", "port": 1883, "deep": {"a": [1]}}
    ]
    assert document["devices"][0]["address"] == "1"
    assert document["devices"][0]["addresses"] == ["5"]
    assert document["profiles"] == {"panel": {"profile": "panel", "points": {"a": 1}}}


def test_device_without_address_is_addressed_by_its_name() -> None:
    document = copy.deepcopy(GOOD)
    del document["devices"][0]["address"]
    site = SiteConfiguration.model_validate(document)
    assert settings_document(site, site.edges[0], {"panel": {}})["devices"][0]["address"] == "panel"


def test_profiles_of_one_name_are_a_fault(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("profile: same\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_profiles(tmp_path)
    assert "b.yaml: profile:" in caught.value.faults[0]
