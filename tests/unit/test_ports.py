"""Ports are kept across restarts and given up only when somebody else has taken them."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sanfang.ports import LOOPBACK, PortError, choose_port, is_free, keep_ports


def listen() -> socket.socket:
    server = socket.socket()
    server.bind((LOOPBACK, 0))
    server.listen()
    return server


def test_ports_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = keep_ports(file, ["http", "broker"])
    assert keep_ports(file, ["http", "broker", "camera"])["broker"] == first["broker"]
    assert len(set(keep_ports(file, ["http", "broker", "camera"]).values())) == 3


def test_a_kept_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with listen() as server:
        taken = server.getsockname()[1]
        file.write_text(json.dumps({"http": taken}), encoding="utf-8")
        assert keep_ports(file, ["http"])["http"] != taken


def test_a_port_that_the_person_chose_is_refused_when_taken(tmp_path: Path) -> None:
    with listen() as server:
        taken = server.getsockname()[1]
        with pytest.raises(PortError, match=f"port {taken} .*is in use"):
            keep_ports(tmp_path / "ports.json", ["http"], fixed={"http": taken})


def test_a_broken_file_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text("{", encoding="utf-8")
    assert is_free(keep_ports(file, ["http"])["http"])


def test_chosen_ports_avoid_the_given() -> None:
    port = choose_port()
    assert choose_port(avoid=[port]) != port
