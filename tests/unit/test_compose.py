"""docker-compose.yml says what our programs understand; checked without an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from edge.configuration import load_configuration
from hub.api.server import check_http
from hub.document import read_document
from hub.settings import HttpSettings, check_hub
from sanfang.cli import app

ROOT = Path(__file__).resolve().parents[2]
OURS = ("hub", "edge", "simulators")
INSTALLED = "/etc/sanfang/"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def in_checkout(path: str) -> Path:
    """Where a file of the image lies in the checkout."""
    assert path.startswith(INSTALLED), path
    return ROOT / "config" / path.removeprefix(INSTALLED)


def test_the_real_services_and_our_programs_are_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"database", "broker", *OURS}
    assert compose["services"]["simulators"]["profiles"] == ["simulation"]
    used = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_commands_are_commands_of_ours(compose: dict[str, Any], name: str) -> None:
    command = compose["services"][name]["command"]
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    commands[command[0]].make_context(command[0], list(command[1:]))  # raises where an option is unknown
    for word in command:
        if word.startswith("/"):
            assert in_checkout(word).parent.is_dir(), word


def test_the_hub_understands_its_configuration(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in compose["services"]["hub"]["environment"].items():
        monkeypatch.setenv(key, re.sub(r"\$\{[^}]*\}", "secret", value))
    file = ROOT / "config" / "container" / "hub.yaml"
    assert check_hub(read_document(file), file) == []
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert check_http(HttpSettings.model_validate(document["http"])) == []
    port = re.sub(r"\$\{[^}]*:-(\d+)\}", r"\1", compose["services"]["database"]["ports"][0])
    assert port == "127.0.0.1:5432:5432"
    assert "@127.0.0.1:5432/" in document["database"]
    conf = (ROOT / "config" / "container" / "mosquitto.conf").read_text(encoding="utf-8")
    assert f"listener {document['broker']['port']} {document['broker']['host']}" in conf


def test_the_edge_understands_its_configuration() -> None:
    configuration = load_configuration(ROOT / "config" / "container" / "edge.yaml")
    assert configuration.data_dir == Path("/var/lib/sanfang/edge")


def test_every_port_that_the_school_asks_for_is_given(compose: dict[str, Any]) -> None:
    given = set(compose["services"]["hub"]["environment"])
    for name in ("site.yaml", "campus.yaml"):
        text = (ROOT / "config" / "demo" / name).read_text(encoding="utf-8")
        asked = set(re.findall(r"\$\{(SANFANG_[A-Z_]+)\}", text))  # those without a default
        assert asked <= given, f"{name}: {asked - given}"


def test_what_is_mounted_and_copied_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).is_file(), source
    assert (ROOT / compose["services"]["hub"]["build"]["dockerfile"]).is_file()
    for line in (ROOT / "config" / "container" / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY") and "--from" not in line:
            *sources, _target = line.split()[1:]
            for source in sources:
                assert (ROOT / source).exists(), source


def test_nothing_listens_beyond_the_loopback(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        published = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in published), name
        if name in (*OURS, "broker"):
            assert service["network_mode"] == "host"
            assert not published, "an engine refuses both"
