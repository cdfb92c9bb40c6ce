"""Where the embedded database may lie when root starts it, and that nobody can slip us a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanfang.embedded import postgres
from sanfang.embedded.postgres import PostgresError, reachable_binaries, reason_in, usable_home, wheel_binaries

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's database runs as another user")

NOBODY = 65534


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place that everybody may write to, in the stead of the system's /var/tmp."""
    folder = Path(tempfile.mkdtemp(prefix="sanfang-test-"))
    folder.chmod(0o1777)
    monkeypatch.setattr(postgres, "_SHARED", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed(shared: Path) -> Path:
    """A folder that only root may enter."""
    folder = shared / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_the_reason_is_the_line_that_gives_it() -> None:
    said = 'x\ninitdb: error: could not write: No space left on device\ninitdb: removing contents of "y"\n'
    assert reason_in(said) == "initdb: error: could not write: No space left on device"
    assert reason_in("odd\n") == "odd"
    assert reason_in("") == ""


def test_a_reachable_folder_is_taken_as_it_is(shared: Path) -> None:
    assert usable_home(shared / "data" / "demo") == shared / "data" / "demo"


def test_a_default_folder_below_a_closed_one_moves(shared: Path, closed: Path) -> None:
    assert usable_home(closed / "demo", "sanfang-demo-x") == shared / "sanfang-demo-x"
    assert usable_home(closed / "demo", "sanfang-demo-x") == shared / "sanfang-demo-x", "and stays there"


def test_a_chosen_folder_below_a_closed_one_is_refused(closed: Path) -> None:
    with pytest.raises(PostgresError, match="only root may enter"):
        usable_home(closed / "demo")


@pytest.mark.parametrize("trap", ["foreign", "open", "link"])
def test_a_folder_that_somebody_else_prepared_is_refused(shared: Path, closed: Path, trap: str) -> None:
    prepared = shared / "sanfang-demo-x"
    if trap == "link":
        prepared.symlink_to(closed)
    else:
        prepared.mkdir()
        if trap == "foreign":
            os.chown(prepared, NOBODY, NOBODY)
        else:
            prepared.chmod(0o777)
    with pytest.raises(PostgresError, match="not ours alone"):
        usable_home(closed / "demo", "sanfang-demo-x")


def test_unreachable_binaries_are_copied_once(
    shared: Path, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = closed / "pginstall"
    (origin / "bin").mkdir(parents=True)
    shutil.copy2(wheel_binaries() / "bin" / "pg_isready", origin / "bin")
    monkeypatch.setattr(postgres, "wheel_binaries", lambda: origin)
    copy = reachable_binaries()
    assert copy.parent == shared
    assert (copy / "bin" / "pg_isready").stat().st_uid == 0
    (origin / "bin" / "pg_isready").unlink()
    assert reachable_binaries() == copy, "the second start copies nothing"
    assert {path.name for path in shared.iterdir()} == {"closed", copy.name}
