"""The hub as processes: starts over a database that comes late, restarts what is killed, ends whole."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import yaml
from typer.testing import CliRunner

from hub.accounts.invitation import hash_token
from hub.app import account_reset, invite, quarantine_list, quarantine_retry, setup_token
from hub.clock import utc_now
from hub.domain.error import ConfigurationError
from hub.domain.permission import Grant, Role
from hub.store.account import add_grant
from hub.store.database import connect, fetch_all, fetch_one
from hub.store.factor import begin_totp
from hub.store.quarantine import QuarantineRow, add_quarantine
from hub.store.right import find_invitation
from sanfang.cli import app
from sanfang.ports import LOOPBACK
from tests.conftest import RunningBroker, RunningPostgres
from tests.ports import reserve_port
from tests.running_api import ROOT, SITE, prepare_site
from tests.waiting import wait_until

TOKEN = re.compile(r"set-up token for the first administrator: (\S+)")


def write_config(folder: Path, database: str, broker_port: int, **changes: object) -> Path:
    """A hub.yaml with a small site; returns its path."""
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "any.yaml").write_text("profile: any\n", encoding="utf-8")
    (folder / "site.yaml").write_text(yaml.safe_dump(SITE, allow_unicode=True), encoding="utf-8")
    document: dict[str, object] = {
        "database": database,
        "broker": {"host": LOOPBACK, "port": broker_port},
        "http": {"port": reserve_port()},
        "sites": ["site.yaml"],
        "profiles": "profiles",
        "rules": str(ROOT / "config" / "rules"),
        "plans": str(ROOT / "config" / "plans"),
        "run_dir": "run",
        "data_dir": "data",
        **changes,
    }
    file = folder / "hub.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def pid_of(folder: Path, name: str) -> int:
    with suppress(FileNotFoundError, ValueError):
        return int((folder / "run" / f"{name}.pid").read_text())
    return 0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def readiness(file: Path) -> dict[str, object]:
    port = yaml.safe_load(file.read_text())["http"]["port"]
    with suppress(httpx2.HTTPError):
        found: dict[str, object] = httpx2.get(f"http://{LOOPBACK}:{port}/readyz", trust_env=False).json()
        return found
    return {}


@contextmanager
def running_hub(file: Path) -> Iterator[subprocess.Popen[str]]:
    with (file.parent / "hub.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sanfang", "hub", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_the_hub_starts_restarts_and_ends(
    own_postgres: RunningPostgres, broker: RunningBroker, tmp_path: Path
) -> None:
    own_postgres.server.ensure_database("hub")
    own_postgres.stop()
    file = write_config(tmp_path, own_postgres.dsn("hub"), broker.port)
    names = ("hub-api", "hub-worker", "hub-chores")
    with running_hub(file) as process:
        wait_until(lambda: "waiting for the database" in (tmp_path / "hub.log").read_text(), 20)
        assert process.poll() is None
        own_postgres.start()
        wait_until(lambda: readiness(file).get("ready") is True, 40, why="ready")
        assert pid_of(tmp_path, "hub") == process.pid
        before = {name: pid_of(tmp_path, name) for name in names}
        assert all(is_alive(pid) for pid in before.values())
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: all(
                (pid := pid_of(tmp_path, name)) not in (0, before[name]) and is_alive(pid) for name in names
            ),
            20,
            why="all came back",
        )
        wait_until(lambda: readiness(file).get("ready") is True, 40, why="ready again")
        children = [pid_of(tmp_path, name) for name in names]
        process.terminate()
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 0, (tmp_path / "hub.log").read_text()[-3000:]
        assert not any(is_alive(pid) for pid in children)
        assert not list((tmp_path / "run").glob("*.pid"))
        assert len(TOKEN.findall(said)) == 1
        log = (tmp_path / "hub.log").read_text()
        assert TOKEN.search(log) is None
        assert "Traceback" not in log
        assert "is killed" not in log
    with running_hub(file) as process:
        wait_until(lambda: readiness(file).get("ready") is True, 40, why="the second start")
        children = [pid_of(tmp_path, name) for name in names]
        process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in children), 20, why="children die with the hub")
        said, _ = process.communicate(timeout=20)
        assert TOKEN.search(said) is None  # printed once


def test_every_fault_of_every_file_is_told_and_nothing_starts(tmp_path: Path) -> None:
    file = write_config(
        tmp_path, "postgresql://127.0.0.1:1/none", 1883, http={"host": "0.0.0.0", "port": reserve_port()}
    )
    broken = {**SITE, "devices": [{**SITE["devices"][0], "zone": "mars", "profile": "unknown"}]}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(broken, allow_unicode=True), encoding="utf-8")
    (tmp_path / "profiles" / "bad.yaml").write_text("name: x\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sanfang", "hub", "--config", str(file)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert done.returncode == 2
    for part in ("http.host", "devices[0].zone", "'mars'", "bad.yaml: profile"):
        assert part in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "hub.pid").exists()


def test_a_database_of_a_newer_hub_is_left_alone(database: str, tmp_path: Path) -> None:
    file = write_config(tmp_path, database, 1883)
    with connect(database, application="test") as connection:
        connection.execute("INSERT INTO migration (number, name, checksum) VALUES (9999, 'later', 'x')")
    done = subprocess.run(
        [sys.executable, "-m", "sanfang", "hub", "--config", str(file)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert (done.returncode, "9999" in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_set_up_tokens_replace_each_other_until_somebody_has_an_account(database: str, tmp_path: Path) -> None:
    prepare_site(database)
    file = write_config(tmp_path, database, 1883)
    first, second = setup_token(file), setup_token(file)
    assert first and second and first != second
    with connect(database, application="test") as connection:
        row = fetch_one(connection, "SELECT count(*) AS n FROM setup_token")
        assert row == {"n": 1}
        connection.execute(
            "INSERT INTO account (account, name, display_name, password_hash, created_at)"
            " VALUES ('a', 'a', 'A', 'x', now())"
        )
    assert setup_token(file) is None


def test_a_locked_out_administrator_comes_back_in_on_the_hubs_own_machine(
    database: str, tmp_path: Path
) -> None:
    prepare_site(database)
    file = write_config(tmp_path, database, 1883)
    with connect(database, application="test") as connection:
        connection.execute(
            "INSERT INTO account (account, name, display_name, password_hash, created_at, disabled_at)"
            " VALUES ('a-1', 'admin', 'A', 'x', now(), now())"
        )
        add_grant(connection, "a-1", Grant(Role.ADMINISTRATOR), actor="test", at=utc_now())
        begin_totp(connection, "a-1", b"sealed", utc_now())
    asked = CliRunner().invoke(app, ["account", "list", "--config", str(file)])
    assert "admin  a-1  disabled" in asked.output and "administrator (everywhere)" in asked.output
    with pytest.raises(ConfigurationError, match="the hub has admin"):
        account_reset(file, "nobody", second_factor=False)
    told = CliRunner().invoke(app, ["account", "reset", "admin", "--second-factor", "--config", str(file)])
    assert told.exit_code == 0, told.output
    token = told.output.splitlines()[1]
    with connect(database, application="test") as connection:
        assert find_invitation(connection, hash_token(token), utc_now())
        assert fetch_one(connection, "SELECT count(*) AS n FROM totp") == {"n": 0}
        kinds = fetch_all(connection, "SELECT kind FROM journal WHERE subject = 'account:a-1' ORDER BY seq")
        assert [row["kind"].split(".")[1] for row in kinds] == ["enabled", "factor_removed", "invited"]


def test_orders_from_the_command_line_are_refused_with_one_line(database: str, tmp_path: Path) -> None:
    prepare_site(database)
    file = write_config(tmp_path, database, 1883)
    with pytest.raises(ConfigurationError, match="no edge 'e9'"):
        invite(file, None, "e9")
    with pytest.raises(ConfigurationError, match="no site 'mars'"):
        quarantine_list(file, "mars")
    with pytest.raises(ConfigurationError, match="no item 7"):
        quarantine_retry(file, None, 7)
    away = write_config(tmp_path, "postgresql://127.0.0.1:1/none", 1883)
    with pytest.raises(ConfigurationError, match="did not answer"):
        quarantine_list(away, None)


def test_quarantined_items_are_listed_and_tried_again(database: str, tmp_path: Path) -> None:
    prepare_site(database)
    file = write_config(tmp_path, database, 1883)
    from hub.clock import utc_now

    row = QuarantineRow("e1", 7, 1, 42, None, "malformed_item", "kind: 'x'", False, b"\xc1", 1)
    with connect(database, application="test") as connection:
        (number,) = add_quarantine(connection, "demo", [row], utc_now())
    (line,) = quarantine_list(file, None)
    assert f"{number}  demo/e1 lane 1 item 42" in line
    assert "malformed_item: kind: 'x'" in line
    assert "journal row" in quarantine_retry(file, None, number)
