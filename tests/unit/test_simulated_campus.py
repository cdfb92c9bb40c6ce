"""campus.yaml: its faults, its script, and that the shipped one agrees with the shipped site."""

from __future__ import annotations

import asyncio
import copy
import itertools
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from hub.domain.roster import Duty, Shift
from hub.sites.reading import load_site
from simulators.campus import Campus, CampusError, check_campus, read_campus
from simulators.device import Device, OrderRefused, Surroundings
from simulators.mqtt import MqttSettings
from simulators.order import carry_out, list_acts
from simulators.scenario import deal

DEMO = Path(__file__).parents[2] / "config" / "demo"


def read_demo() -> Campus:
    return read_campus(DEMO / "campus.yaml", {})


def load_document() -> dict[str, Any]:
    document = yaml.safe_load((DEMO / "campus.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def build_demo() -> dict[str, Device]:
    campus = read_demo()
    return campus.build_devices(Surroundings(), campus.open_media())


def test_demo_devices_are_those_of_the_site() -> None:
    site = load_site(DEMO / "site.yaml")
    campus = read_demo()
    simulated = {settings.device: settings for settings in campus.settings()}
    assert len(site.devices) >= 40
    assert {device.device for device in site.devices} == set(simulated)
    for device in site.devices:
        settings = simulated[device.device]
        address = device.address or device.device
        if isinstance(settings, MqttSettings):
            assert settings.topic_address == address
        elif hasattr(settings, "unit"):
            assert str(settings.unit) == address
        if device.addresses and settings.type == "fire_panel":
            programmed = {str(number) for number in getattr(settings, "detectors")}  # noqa: B009
            assert set(device.addresses) == programmed
            assert len(programmed) >= 16
    assert {device.family for device in site.devices} >= {
        "access_control",
        "fire_alarm",
        "camera",
        "panic_button",
        "environment",
        "electrical",
        "broadcast",
    }


def test_two_independent_fire_devices_watch_one_room() -> None:
    """The fire rule needs a second, independent device in the same zone."""
    site = load_site(DEMO / "site.yaml")
    detectors = {device.zone for device in site.devices if device.profile == "demo-detector-mqtt"}
    panel = next(device for device in site.devices if device.device == "fire-panel")
    assert "teaching-3f-lab301" in detectors & {address.zone for address in panel.addresses.values()}


def test_every_building_has_an_escape_door_that_can_be_released_and_is_never_locked() -> None:
    site = load_site(DEMO / "site.yaml")
    parents = {zone.zone: zone.parent for zone in site.zones}
    buildings = {zone.zone for zone in site.zones if zone.kind == "building"}
    escapes = [device for device in site.devices if device.parameters.get("escape") is True]
    reached = set()
    for door in escapes:
        assert door.family == "access_control"
        assert "door.release" in door.writes and "door.lock" not in door.writes, door.device
        zone: str | None = door.zone
        while zone is not None:
            reached.add(zone)
            zone = parents[zone]
    assert buildings - reached == {"administration"}  # its doors are not wired
    assert all("escape" in device.parameters for device in site.devices if "疏散门" in device.name.zh)


def test_every_post_is_filled_at_every_hour_of_the_week() -> None:
    site = load_site(DEMO / "site.yaml")
    duty = Duty(
        tuple(
            Shift(shift.post, shift.person, frozenset(shift.days), shift.begins, shift.ends)
            for shift in site.shifts
        ),
        ZoneInfo(site.time_zone),
    )
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    for post, minutes in itertools.product(site.posts, range(0, 7 * 24 * 60, 30)):
        at = monday + timedelta(minutes=minutes)
        assert duty.persons(post.post, at), f"nobody at {post.post} at {at}"
    assert set(site.escalation.posts) <= {post.post for post in site.posts}


def test_every_order_of_the_script_can_be_carried_out() -> None:
    async def play() -> None:
        devices = build_demo()
        for incident in read_demo().script.incidents:
            for step in incident.steps:
                assert carry_out(devices, step.order)

    asyncio.run(play())


def test_every_act_of_every_device_is_listed() -> None:
    devices = build_demo()
    listed = "\n".join(list_acts(devices))
    for device in devices.values():
        for verb in device.acts():
            assert f"{verb} DEVICE" in listed


def test_incidents_come_in_order_once_then_shuffled_the_same_for_the_same_seed() -> None:
    incidents = read_demo().script.incidents
    number = len(incidents)

    def take(seed: int) -> list[str]:
        return [each.incident for each in itertools.islice(deal(incidents, random.Random(seed)), 3 * number)]

    first = take(1)
    assert first[:number] == [each.incident for each in incidents]
    assert sorted(first[number : 2 * number]) == sorted(first[:number])
    assert first[number : 2 * number] != first[:number]
    assert take(1) == first
    assert take(2) != first


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("", "is no order"),
        ("dance gate-button", "'dance' is no order"),
        ("press", "say to which device"),
        ("press gate-camera", "cannot be done to gate-camera"),
        ("press gate-buton", "there is no device 'gate-buton'"),
        ("press gate-button twice", "too much"),
        ("smoke lab301-smoke perhaps", "say on or off"),
        ("fire fire-panel", "detector address missing"),
        ("fire fire-panel 64 on", "has no detector 64; programmed are 1, 2"),
        ("fire fire-panel 65 on", "1 to 64"),
        ("press io-buttons 8", "0 to 7"),
        ("deny gate-door because", "'because' is no reason"),
        ("gas canteen-fridge on", "cannot be done to canteen-fridge"),
    ],
)
def test_an_order_that_cannot_be_done_says_why(order: str, why: str) -> None:
    with pytest.raises(OrderRefused, match=why):
        carry_out(build_demo(), order)


def test_nothing_can_be_done_to_a_silent_device() -> None:
    devices = build_demo()
    carry_out(devices, "offline gate-button on")
    with pytest.raises(OrderRefused, match="gate-button is offline"):
        carry_out(devices, "press gate-button")
    carry_out(devices, "offline gate-button off")
    assert carry_out(devices, "press gate-button") == "gate-button: pressed"


def test_a_shipped_campus_has_no_faults() -> None:
    assert check_campus(load_document(), "campus.yaml", {}) == []


def test_all_faults_are_listed_at_once() -> None:
    document = load_document()
    document["devices"] = copy.deepcopy(document["devices"])
    document["devices"][0]["typ"] = "panic_button"
    document["devices"][1]["type"] = "panic_buttn"
    document["devices"][2]["device"] = "Office Button"
    document["devices"][3]["device"] = "gate-door"
    document["buses"]["doors"] = document["buses"]["io"]
    document["devices"].append({"device": "north-door", "type": "modbus_door", "bus": "nowhere", "unit": 1})
    document["devices"].append({"device": "attic", "type": "environment"})
    faults = check_campus(document, "campus.yaml", {})
    for part in (
        "campus.yaml: devices[0].typ",
        "devices[1].type: 'panic_buttn' is no family; use one of camera,",
        "devices[2].device: 'Office Button'",
        "device 'gate-door' stands 2 times",
        "port '15022' stands 2 times",
        "devices[53].bus: 'nowhere' is not among buses",
        "measures nothing; give temperature_c",
    ):
        assert any(part in fault for fault in faults), (part, faults)


def test_a_faulty_head_hides_no_fault_of_the_devices() -> None:
    document = load_document()
    document["time_zone"] = "Mars"
    document["devices"][0]["type"] = "broom"
    document["colour"] = "red"
    faults = "\n".join(check_campus(document, "campus.yaml", {}))
    assert all(words in faults for words in ("time_zone", "colour", "devices[0].type: 'broom'")), faults
    document["buses"] = {"doors": "many"}
    faults = "\n".join(check_campus(document, "campus.yaml", {}))
    assert "is not among buses" not in faults


def test_an_impossible_script_is_a_fault() -> None:
    document = load_document()
    document["script"]["incidents"][0]["steps"][0]["order"] = "press gate-camera"
    document["script"]["every_s"] = [200, 100]
    faults = check_campus(document, "campus.yaml", {})
    assert any("script.incidents[0].steps[0].order: 'press gate-camera'" in fault for fault in faults)
    assert any("script.every_s" in fault for fault in faults)


@pytest.mark.parametrize("document", [None, [], "campus", 7, {}, {"campus": "x", "devices": ["door"]}])
def test_what_is_no_campus_is_a_fault_and_no_crash(document: object) -> None:
    assert check_campus(document, "campus.yaml", {})


def test_ports_come_from_the_environment() -> None:
    document = load_document()
    document["buses"]["io"] = "${SANFANG_IO_PORT}"
    faults = check_campus(document, "campus.yaml", {})
    assert any("buses.io" in fault and "SANFANG_IO_PORT is not set" in fault for fault in faults)
    assert check_campus(document, "campus.yaml", {"SANFANG_IO_PORT": "15999"}) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("campus: [", "is not YAML"),
        ("campus: a\ncampus: b\n", "stands twice"),
        ("? [a]\n: b\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_yaml_is_one_fault(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "campus.yaml"
    file.write_text(text)
    with pytest.raises(CampusError, match=why):
        read_campus(file)
    with pytest.raises(CampusError, match="cannot be read"):
        read_campus(tmp_path / "absent.yaml")
