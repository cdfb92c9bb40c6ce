"""The walls between packages stand, and nothing private to a machine is in a tracked file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("adapters", "edge", "hub", "simulators", "sanfang")
MOST_LINES = 400
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "types"}

# Spelled in pieces, so that this file does not find itself.
PRIVATE = re.compile(
    "|".join(
        [
            r"(?<![\w.])/wo" + r"rk/",
            r"/ro" + r"ot/(?!\.)\w",
            r"/tmp" + r"/sf\b",
            r"/home/(?!you\b|sanfang\b)\w+",
            r"registry\.npm" + r"js",
            r"pypi\.o" + r"rg|pythonho" + r"sted",
            r"deb\.debian" + r"\.org",
        ]
    )
)


@cache
def tracked_files() -> list[Path]:
    """Every file of the repository that git tracks, or, outside a checkout, every file of our folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [file for name in (*PACKAGES, "tests", "docs", "config") for file in (ROOT / name).rglob("*")]
    return [file for file in files if file.is_file()]


def modules() -> list[Path]:
    return sorted(
        file for name in PACKAGES for file in (ROOT / name).rglob("*.py") if "node_modules" not in file.parts
    )


def test_the_import_contracts_hold() -> None:
    # In a process of its own: its logging configuration disables the loggers that other tests listen to.
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_machine_path_and_no_registry_host_is_tracked() -> None:
    found = []
    for file in tracked_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if PRIVATE.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_files_are_named_for_what_they_are() -> None:
    vague = [str(file.relative_to(ROOT)) for file in modules() if VAGUE_NAMES & {file.stem, *file.parts}]
    assert not vague, f"organise by responsibility: {vague}"


def test_no_file_has_grown_too_long() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in modules()
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert not long, f"more than {MOST_LINES} lines, split: {long}"


def test_importing_the_contract_brings_no_driver_along() -> None:
    for package in (ROOT / "adapters" / "__init__.py", ROOT / "adapters" / "contract" / "__init__.py"):
        tree = ast.parse(package.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not imports, f"{package.relative_to(ROOT)} must import nothing"


def test_no_program_swallows_every_exception_in_more_than_one_place() -> None:
    """`except Exception` is for one supervisor loop per program; the hub is three programs."""
    broad: dict[str, list[str]] = {}
    for file in modules():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
            ):
                last = node.body[-1]
                if not (isinstance(last, ast.Raise) and last.exc is None):
                    name = str(file.relative_to(ROOT))
                    program = "/".join(name.split("/")[:2]) if name.startswith("hub/") else name.split("/")[0]
                    broad.setdefault(program, []).append(f"{name}:{node.lineno}")
    too_many = {program: places for program, places in broad.items() if len(places) > 1}
    assert not too_many, too_many


@pytest.mark.parametrize("program", ["adapters", "edge", "hub"])
def test_a_program_asks_the_time_in_one_file(program: str) -> None:
    """Everything else is told what time it is, so that it can be tested and replayed."""
    asks = re.compile(
        r"\btime\.(time|time_ns|monotonic|monotonic_ns|perf_counter)\(|\bdatetime\.(now|utcnow)\("
    )
    found = sorted(
        str(file.relative_to(ROOT))
        for file in modules()
        if file.is_relative_to(ROOT / program) and asks.search(file.read_text(encoding="utf-8"))
    )
    assert found in ([], [f"{program}/clock.py"]), found


def test_what_the_documents_name_is_there() -> None:
    named = re.compile(r"`((?:adapters|edge|hub|simulators|sanfang|config|tests|docs)/[\w./-]*)`")
    gone = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert not gone, gone


def test_every_migration_is_text_that_the_package_ships() -> None:
    numbers = [file.name[:4] for file in sorted((ROOT / "hub" / "store" / "migrations").glob("*.sql"))]
    assert numbers, "no migrations"
    assert sorted(set(numbers)) == [f"{n:04}" for n in range(1, len(set(numbers)) + 1)]
