"""The registry of drivers is loud: what is wrong stops the start and names the file."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from adapters.registry import GROUP, RegistryError, load_drivers

GOOD = '''"""A driver. Tier: bronze."""
NAME = "theirs"
TIER = "bronze"
def check(connection, devices, profiles): return []
def build(connection, devices, profiles, clock): raise NotImplementedError
'''


def a_point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_shipped_drivers_are_there_with_their_tiers() -> None:
    drivers = load_drivers()
    assert {"mqtt", "modbus_tcp", "camera"} <= set(drivers)
    assert all(name == driver.NAME for name, driver in drivers.items())


def test_third_party_is_off_until_allowed(folder: Path) -> None:
    (folder / "their_driver_a.py").write_text(GOOD, "utf-8")
    points = [a_point("theirs", "their_driver_a")]
    assert load_drivers(points=points) == {}
    assert set(load_drivers(points=points, allowed=["theirs"])) == {"theirs"}


def test_same_driver_seen_twice_is_one(folder: Path) -> None:
    point = a_point("mqtt", "adapters.drivers.mqtt")
    assert set(load_drivers(points=[point, point])) == {"mqtt"}


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("their_driver_b", "import nothing_of_that_name", "does not import: No module named"),
        ("their_driver_c", '"""Tier: bronze."""\nNAME = "theirs"\nTIER = "bronze"\n', "check, build missing"),
        ("their_driver_d", GOOD.replace('"theirs"', '"other"'), "NAME is 'other'"),
        ("their_driver_e", GOOD.replace('TIER = "bronze"', 'TIER = "tin"'), "TIER is 'tin'"),
        ("their_driver_f", GOOD.replace("Tier: bronze", "x"), "must say 'Tier: bronze'"),
    ],
)
def test_fault_names_the_file(folder: Path, name: str, source: str, words: str) -> None:
    (folder / f"{name}.py").write_text(source, "utf-8")
    with pytest.raises(RegistryError) as caught:
        load_drivers(points=[a_point("theirs", name)], allowed=["theirs"])
    (fault,) = caught.value.faults
    assert words in fault
    assert f"{name}.py" in fault


def test_duplicate_names_both_files_and_all_faults_are_listed(folder: Path) -> None:
    (folder / "their_driver_g.py").write_text(GOOD.replace('"theirs"', '"mqtt"'), "utf-8")
    points = [
        a_point("mqtt", "adapters.drivers.mqtt"),
        a_point("mqtt", "their_driver_g"),
        a_point("gone", "their_driver_gone"),
    ]
    with pytest.raises(RegistryError) as caught:
        load_drivers(points=points, allowed=["mqtt", "gone"])
    twice, gone = caught.value.faults
    assert "their_driver_g.py" in twice
    assert str(Path("adapters/drivers/mqtt.py")) in twice
    assert "their_driver_gone" in gone
