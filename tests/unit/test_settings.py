"""hub.yaml: what loads, and that every fault is named with file, field, value and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.document import read_document
from hub.domain.error import ConfigurationError
from hub.settings import check_hub, load_settings

GOOD = """
database: postgresql://sanfang@127.0.0.1:5432/sanfang
broker: {host: 127.0.0.1, port: "${SANFANG_TEST_PORT:-1883}", password: hush}
http: {port: 8123}
sites: [site.yaml]
profiles: profiles
rules: profiles
plans: profiles
run_dir: run
"""


def write(folder: Path, text: str) -> Path:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "site.yaml").write_text("site: x\n", encoding="utf-8")
    file = folder / "hub.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)
    return caught.value.faults


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.sites == (tmp_path / "site.yaml",)
    assert settings.run_dir == tmp_path / "run"
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8123)


def test_placeholder_takes_default_then_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, GOOD)
    assert load_settings(file).broker.port == 1883
    monkeypatch.setenv("SANFANG_TEST_PORT", "2000")
    assert load_settings(file).broker.port == 2000


def test_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANFANG_DATABASE", "postgresql://elsewhere/db")
    monkeypatch.setenv("SANFANG_BROKER_PORT", "2001")
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.database == "postgresql://elsewhere/db"
    assert settings.broker.port == 2001


def test_secrets_stay_out_of_repr(tmp_path: Path) -> None:
    text = repr(load_settings(write(tmp_path, GOOD)))
    assert "hush" not in text
    assert "postgresql://" not in text


def test_every_fault_is_listed_with_field_value_and_cure(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "database: nowhere\nbroker: {host: h, port: 70000}\nsites: [site.yaml]\n"
        "profiles: profiles\nrules: profiles\nplants: profiles\n",
    )
    faults = faults_of(file)
    assert len(faults) == 4
    for field, value in (
        ("database", "nowhere"),
        ("broker.port", "70000"),
        ("plans", "missing"),
        ("plants", "known"),
    ):
        assert any(fault.startswith(f"{file}: {field}:") and value in fault for fault in faults), field


def test_unset_placeholder_is_a_fault_that_names_it(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace(":-1883", ""))
    assert "SANFANG_TEST_PORT" in faults_of(file)[0]


def test_missing_paths_are_faults(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("[site.yaml]", "[none.yaml]").replace("rules: profiles", "rules: none"))
    assert [fault.split(": ")[1] for fault in faults_of(file)] == ["sites[0]", "rules"]


def test_a_key_twice_is_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD + "run_dir: elsewhere\n")
    assert "twice" in faults_of(file)[0]


@pytest.mark.parametrize("text", ["", "[]", "a: [", "\x00", "just words"])
def test_what_is_no_configuration_is_one_fault(tmp_path: Path, text: str) -> None:
    assert len(faults_of(write(tmp_path, text))) == 1


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    assert "cannot be read" in faults_of(tmp_path / "hub.yaml")[0]


def test_check_finds_nothing_in_a_good_document(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    assert check_hub(read_document(file), file) == []


def test_check_refuses_plain_http_that_others_can_reach(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("{port: 8123}", "{host: 0.0.0.0}"))
    (fault,) = check_hub(read_document(file), file)
    assert fault.startswith(f"{file}: http.host: '0.0.0.0'")
