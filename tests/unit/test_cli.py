"""What a person has to mend first is one clear line and exit code 2."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanfang.ports import LOOPBACK
from tests.ports import reserve_port

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sanfang", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter: pytest's own is for root only, which is a fault of its own here."""
    with tempfile.TemporaryDirectory(prefix="sanfang-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def test_a_port_in_use(folder: Path) -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        assert_one_line(run("demo", "--data", str(folder), "--port", str(port)), f"port {port}", "in use")


def test_a_folder_that_cannot_be_written() -> None:
    assert_one_line(run("demo", "--data", "/dev/null/demo"), "/dev/null/demo cannot be written")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's database runs as another user")
def test_a_folder_that_the_database_cannot_reach(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    assert_one_line(
        run("demo", "--data", str(closed / "demo"), "--port", str(reserve_port())), "only root may enter"
    )


def test_a_second_demo_on_the_same_folder(folder: Path) -> None:
    with (folder / "demo.lock").open("w", encoding="ascii") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_one_line(run("demo", "--data", str(folder)), "already", "4711")


def test_an_unsupported_python() -> None:
    script = (
        "import sys; sys.version_info = (3, 10, 1, 'final', 0); sys.path.insert(0, sys.argv[1]); import sanfang"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert_one_line(result, "3.11 or newer", "3.10")


def test_an_order_when_no_simulation_runs() -> None:
    control = f"http://{LOOPBACK}:{reserve_port()}"
    result = run("simulate", "config/demo/campus.yaml", "--do", "press gate-button", "--control", control)
    assert_one_line(result, "no simulation takes orders", control)


@pytest.mark.parametrize("control", ["foo", "http://127.0.0.1:99999", "http://[::1", "127.0.0.1:18085"])
def test_an_address_for_orders_that_is_none(control: str) -> None:
    for order in ([], ["--do", "help"]):
        result = run("simulate", "config/demo/campus.yaml", *order, "--control", control)
        assert_one_line(result, f"--control {control}", "http://127.0.0.1:N")


def test_a_data_folder_that_is_a_file(folder: Path) -> None:
    (folder / "file").touch()
    assert_one_line(run("demo", "--data", str(folder / "file")), "cannot be written", "is a file")


def test_an_edge_configuration_that_is_no_yaml(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text("data_dir: [a\nrun_dir: b\n", encoding="utf-8")
    assert_one_line(run("edge", "--config", str(file)), "is no YAML", "line 2")


def test_an_edge_that_is_not_enrolled(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text("data_dir: data\nrun_dir: run\n", encoding="utf-8")
    assert_one_line(run("edge", "--config", str(file)), "not enrolled", "sanfang edge invite")


def test_every_shipped_document_is_good() -> None:
    result = run("check", "config")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip().endswith("0 with faults")


def test_check_lists_every_fault_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("database: nothing\nbroker: {host: x, prot: 1}\n", encoding="utf-8")
    (tmp_path / "edge.yaml").write_text("data_dir: d\nspool_bites: 5\n", encoding="utf-8")
    (tmp_path / "odd.yaml").write_text("colour: red\n", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("a: [\n", encoding="utf-8")
    (tmp_path / "empty.yaml").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "snake.yaml").write_text("site: &a [*a]\n", encoding="utf-8")
    bomb = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 30))
    (tmp_path / "bomb.yaml").write_text(f"site: x\nk0: &k0 [x]\n{bomb}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not ours", encoding="utf-8")
    result = run("check", str(tmp_path))
    assert result.returncode == 2
    for words in (
        ("hub.yaml", "database"),
        ("hub.yaml", "broker.prot"),
        ("hub.yaml", "rules"),
        ("edge.yaml", "spool_bites"),
        ("edge.yaml", "run_dir"),
        ("odd.yaml", "none of our documents"),
        ("broken.yaml", "is not YAML"),
        ("empty.yaml", "is empty"),
        ("snake.yaml", "deep"),
        ("bomb.yaml", "deep"),
    ):
        assert any(all(word in line for word in words) for line in result.stdout.splitlines()), words
    assert "7 checked, 7 with faults" in result.stdout


def test_check_of_nothing_is_a_fault(tmp_path: Path) -> None:
    assert run("check", str(tmp_path)).returncode == 2
