"""A journal taken out of a real database as a file, pruned or not, and the check of it without the hub."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.domain.error import ConfigurationError
from hub.domain.retention import DEFAULT
from hub.jobs.retention import Retention
from hub.sites.journal import check_journal, write_journal
from hub.sites.seal import FILE, Sealer, fingerprint, is_signed
from hub.store.database import Connection, connect
from hub.store.journal import append_journal
from sanfang.cli import app
from tests.intake_scene import SITE, furnish
from tests.integration.test_database_command import HUB

NOW = datetime.now(UTC)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    furnish(any_database)
    with connect(any_database, application="test") as opened:
        for days in range(1_300, 0, -10):
            at = NOW - timedelta(days=days)
            body = {"days": days, "value": 1e20, "人": [0.1, -0.0, None]}
            append_journal(opened, SITE, at=at, actor="a-1", subject="alarm:1", kind="alarm.noted", body=body)
        yield opened


def prune(connection: Connection, sealer: Sealer) -> None:
    retention = Retention(sealer.seal, DEFAULT)
    retention.work(connection, [SITE], NOW)
    while retention.busy:
        retention.work(connection, [SITE], NOW)


def test_a_journal_is_checked_offline_whole_and_pruned(connection: Connection, tmp_path: Path) -> None:
    sealer = Sealer(tmp_path)
    whole = check_journal(write_journal(connection, SITE, sealer, NOW))
    assert (whole.faults, whole.rows, whole.begin) == ([], 130, None)
    prune(connection, sealer)
    pruned = check_journal(write_journal(connection, SITE, sealer, NOW))
    assert not pruned.faults and not pruned.notes
    assert pruned.begin is not None and is_signed(pruned.begin)
    assert pruned.first is not None and pruned.first[0] == pruned.begin.seq + 1 > 1
    assert pruned.rows == 130 - pruned.begin.seq


def edited(lines: list[str], place: int, change: Callable[[dict[str, Any]], Any]) -> list[str]:
    said = json.loads(lines[place])
    change(said)
    return [*lines[:place], json.dumps(said, ensure_ascii=False), *lines[place + 1 :]]


def test_what_was_tampered_with_is_named_by_its_row(connection: Connection, tmp_path: Path) -> None:
    sealer, stranger = Sealer(tmp_path), Sealer(make_folder(tmp_path / "other"))
    prune(connection, sealer)
    lines = list(write_journal(connection, SITE, sealer, NOW))
    seq = json.loads(lines[5])["seq"]

    def fault(changed: list[str]) -> str:
        found = check_journal(changed)
        assert len(found.faults) == 1
        return found.faults[0]

    assert f"row {seq}: was changed" in fault(edited(lines, 5, lambda row: row["body"].update(days=1)))
    assert f"row {seq + 1}: comes after row {seq - 1}" in fault([*lines[:5], *lines[6:]])
    assert "the file is not whole" in fault(lines[:-1])
    assert "is the last, but the seal is on row" in fault([*lines[:-2], lines[-1]])
    assert "stands behind the end" in fault([*lines, lines[5]])
    assert "line 3: is not as an export writes it" in fault([*lines[:2], '{"seq":', *lines[2:]])
    assert "line 1: is not as an export writes it" in fault(["[" * 100_000])
    assert "not whole" in fault([])
    # A seal that says another thing than was signed, at either end.
    aged = edited(
        lines, len(lines) - 1, lambda end: end["end"].update(at=(NOW - timedelta(days=1)).isoformat())
    )
    assert "the seal at the end is not signed" in fault(aged)
    moved = edited(lines, 0, lambda head: head["begin"].update(at=NOW.isoformat()))
    assert "the seal at the beginning is not signed" in fault(moved)
    # All made anew by somebody with another key: the chain holds, the fingerprint does not.
    forged = check_journal(write_journal(connection, SITE, stranger, NOW))
    assert forged.signers == {sealer.signer, stranger.signer} and forged.notes


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _make(folder: str, ready: Any, told: Any) -> None:
    ready.wait(30)
    told.put(Sealer(Path(folder)).signer)


def test_programs_that_come_at_once_make_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, told = context.Barrier(4), context.Queue()
    programs = [context.Process(target=_make, args=(str(tmp_path), ready, told)) for _ in range(4)]
    for program in programs:
        program.start()
    signers = {told.get(timeout=60) for _ in programs}
    for program in programs:
        program.join(30)
    assert len(signers) == 1 and [each.name for each in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no key")
    with pytest.raises(
        ConfigurationError, match=r"journal\.key: is no Ed25519 key; bring it back from a backup"
    ):
        Sealer(tmp_path)


def test_the_commands(
    connection: Connection, any_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner().invoke
    monkeypatch.setenv("SANFANG_DATABASE", any_database)
    (tmp_path / "data").mkdir()
    config = str(tmp_path / "hub.yaml")
    Path(config).write_text(HUB)
    file = tmp_path / "journal.jsonl"
    made = run(app, ["journal", "export", SITE, str(file), "--config", config])
    assert made.exit_code == 0, made.output
    assert made.output.rstrip().endswith("intact") and "130 rows hold" in made.output
    assert file.stat().st_mode & 0o777 == 0o600
    mine = run(app, ["journal", "key", "--config", config]).output.strip()
    assert run(app, ["journal", "verify", str(file), "--signer", mine]).exit_code == 0
    other = run(app, ["journal", "verify", str(file), "--signer", fingerprint("another")])
    assert other.exit_code == 1 and "BROKEN: sealed by" in other.output
    assert run(app, ["journal", "verify", SITE, "--config", config]).output.endswith("intact\n")
    connection.execute("UPDATE journal SET actor = 'nobody' WHERE seq = 7")
    inside = run(app, ["journal", "verify", SITE, "--config", config])
    assert inside.exit_code == 1 and "row 7: was changed" in inside.output
    file.write_text(file.read_text().replace('"alarm.noted"', '"alarm.reset"', 1))
    broken = run(app, ["journal", "verify", str(file)])
    assert broken.exit_code == 1 and "BROKEN: line 2: row 1: was changed" in broken.output
