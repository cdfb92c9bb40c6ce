"""`sanfang db`: what a person sees, and that every refusal is one line."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql
from typer.testing import CliRunner

from hub.domain.error import ConfigurationError
from hub.domain.retention import DEFAULT
from hub.store.database import connect
from hub.store.survey import survey
from sanfang.commands.database import app, describe
from tests.conftest import RunningPostgres, new_name, run_sql
from tests.intake_scene import SITE, count, furnish
from tests.store_filling import fill_every_table

ROOT = Path(__file__).parents[2]
HUB = f"""
database: postgresql://nobody@127.0.0.1:1/none
broker: {{host: 127.0.0.1}}
sites: [{ROOT}/config/demo/site.yaml]
profiles: {ROOT}/config/profiles
rules: {ROOT}/config/rules
plans: {ROOT}/config/plans
"""


@pytest.fixture
def empty(postgres: RunningPostgres) -> Iterator[str]:
    name = new_name()
    run_sql(postgres.dsn(), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres.dsn(name)
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(monkeypatch: pytest.MonkeyPatch, database: str, *arguments: str) -> str:
    monkeypatch.setenv("SANFANG_DATABASE", database)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as hub:
        hub.write(HUB)
        hub.flush()
        result = CliRunner().invoke(app, [*arguments, "--config", hub.name])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_from_nothing_to_a_backup_and_back(
    monkeypatch: pytest.MonkeyPatch, any_database: str, empty: str, tmp_path: Path
) -> None:
    furnish(any_database)
    assert "newest already" in run(monkeypatch, any_database, "migrate")
    before = run(monkeypatch, any_database, "status")
    assert "backup   never" in before and f"roll-ups {SITE}: nothing was recorded yet" in before
    first = datetime.now(UTC).date() - timedelta(days=190)
    assert f"kept     events         190 days: from {first} on" in before
    with connect(any_database, application="test") as connection:
        fill_every_table(connection)
    file = tmp_path / "school.tar"
    told = run(monkeypatch, any_database, "backup", str(file))
    assert "mode 0600" in told and "root secrets" in told
    assert re.search(r"backup .*\(\d+ s ago\)", run(monkeypatch, any_database, "status"))
    assert "run `sanfang db migrate`" in run(monkeypatch, empty, "status")
    told = run(monkeypatch, empty, "restore", str(file))
    assert "lane.gap" in told and "marked late" in told
    assert "restored" in run(monkeypatch, empty, "status")
    with connect(empty, application="test") as connection:
        assert count(connection, "SELECT count(*) FROM journal WHERE kind = 'store.restored'") == 4
        for line in describe(survey(connection), datetime.now(UTC) + timedelta(days=3), DEFAULT):
            assert "\n" not in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup", "{tmp}/there"), "exists already"),
        (("backup", "{tmp}/no/such/folder"), "No such file"),
        (("restore", "{tmp}/there"), "is no backup"),
        (("restore", "{tmp}/nothing"), "cannot be read"),
    ],
)
def test_what_is_refused_is_one_line(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path, arguments: tuple[str, str], words: str
) -> None:
    (tmp_path / "there").write_text("not a tar")
    with pytest.raises(ConfigurationError) as caught:
        run(monkeypatch, database, arguments[0], arguments[1].format(tmp=tmp_path))
    assert len(caught.value.faults) == 1
    assert words in caught.value.faults[0]


def test_a_database_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    with pytest.raises(ConfigurationError, match="did not answer"):
        run(monkeypatch, f"postgresql://sanfang@127.0.0.1:{free_port}/none", "status")
