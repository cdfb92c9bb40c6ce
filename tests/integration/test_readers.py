"""The journal's readers: each row at least once and in order, whoever fails: the receiver, the database, we."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.notify.channels.webhook import Webhook, sign
from hub.notify.notifier import Notifier
from hub.notify.outcome import PARK_AFTER, Outcome
from hub.notify.reader import Reader
from hub.settings import WebhookSettings
from hub.store.database import Connection, Row, connect, hold_role, site_turn, transaction
from hub.store.journal import append_journal, head_seq
from hub.store.migration import migrate
from hub.store.reader import dead_letters, open_reader, reader_rows
from tests.conftest import RunningPostgres
from tests.raising import raise_alarm
from tests.receiving import Receiver, Told, receiving
from tests.running_api import ROOT, SITE, prepare_site, run_api_here
from tests.waiting import wait_until

SECRET = "a secret of sixteen"
HOOK = "webhook:desk"


def hook(receiver: Receiver, **changes: Any) -> WebhookSettings:
    document = {"name": "desk", "url": receiver.url, "secret": SECRET, "allow_private": True, **changes}
    return WebhookSettings.model_validate(document)


@contextmanager
def notifying(database: str, *hooks: WebhookSettings) -> Iterator[Notifier]:
    notifier = Notifier(database, hooks)
    notifier.start()
    try:
        yield notifier
    finally:
        notifier.stop()


def write(connection: Connection, number: int, site: str = "demo", kind: str = "alarm.noted") -> int:
    with transaction(connection):
        site_turn(connection, site)
        return append_journal(
            connection,
            site,
            at=datetime.now(UTC),
            actor="system:worker",
            subject=f"alarm:{number}",
            kind=kind,
            body={"alarm": number},
        )


def standing(connection: Connection, site: str = "demo", reader: str = HOOK) -> dict[str, Any]:
    return next(row for row in reader_rows(connection, site) if row["reader"] == reader)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    prepare_site(any_database)
    opened = connect(any_database, application="test")
    open_reader(opened, HOOK)
    yield opened
    opened.close()


def test_rows_are_told_in_order_signed_and_at_once(
    connection: Connection, any_database: str, receiver: Receiver
) -> None:
    with notifying(any_database, hook(receiver)):
        number = raise_alarm(connection, "door.forced", "door", "1")
        wait_until(lambda: receiver.told)
        write(connection, 1, kind="session.opened")
        seqs = [write(connection, n) for n in range(300)]
        wait_until(lambda: seqs[-1] in receiver.seqs, 20)
        began = time.monotonic()
        last = write(connection, 7)
        wait_until(lambda: last in receiver.seqs)
        assert receiver.told[-1].at - began < 0.7, "woken by NOTIFY, not by the poll"
        wait_until(lambda: standing(connection)["seq"] == head_seq(connection, "demo"))
    assert receiver.seqs == sorted(set(receiver.seqs))
    assert receiver.seqs[-301:] == [*seqs, last]
    first = receiver.told[0]
    assert (first.row["kind"], first.row["body"]["alarm"]) == ("alarm.raised", number)
    assert first.headers["Idempotency-Key"] == first.row["id"]
    assert first.row["id"].startswith(f"demo:{first.row['seq']}:{first.row['hash'][:8]}")
    at = int(first.headers["X-Sanfang-Signature"].removeprefix("t=").partition(",")[0])
    assert first.headers["X-Sanfang-Signature"] == sign(SECRET, first.body, datetime.fromtimestamp(at, UTC))
    assert "张伟" not in first.body.decode(), "persons by id only"
    state = standing(connection)
    assert (state["dead"], state["error"], state["delivered"]) == (0, "", len(receiver.told))


@pytest.mark.parametrize("how", [500, 503, 404, 302, "close"])
def test_a_receiver_that_fails_gets_every_row_once_it_answers(
    connection: Connection, any_database: str, receiver: Receiver, how: int | str
) -> None:
    receiver.answer = how
    with notifying(any_database, hook(receiver)):
        seqs = [write(connection, n) for n in range(3)]
        wait_until(lambda: standing(connection)["attempts"] >= 2)
        state = standing(connection)
        assert set(receiver.seqs) == {seqs[0]}, "the order is kept: nothing overtakes what failed"
        assert state["error"]
        assert state["failing_since"] is not None
        assert state["seq"] < seqs[0]
        receiver.answer = 200
        wait_until(lambda: standing(connection)["seq"] == seqs[-1], 15)
    assert list(dict.fromkeys(receiver.seqs)) == seqs
    assert standing(connection)["failing_since"] is None


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_hangs_is_let_go(
    connection: Connection, any_database: str, receiver: Receiver, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.notify.channels.webhook.TIMEOUT_S", 0.8)
    receiver.answer = how
    with receiving() as other, notifying(any_database, hook(receiver), hook(other, name="second")):
        wait_until(lambda: len(reader_rows(connection, "demo")) >= 2)
        seq = write(connection, 1)
        wait_until(lambda: other.seqs == [seq])
        wait_until(
            lambda: standing(connection)["attempts"] >= 1, why="its time is over, however slowly it speaks"
        )
        receiver.answer = 200
        wait_until(lambda: standing(connection)["seq"] == seq, 15)
    assert set(receiver.seqs) == {seq}


def test_a_row_that_is_refused_is_kept_shown_and_passed_over(
    connection: Connection, any_database: str, receiver: Receiver
) -> None:
    def refuse_one(told: Told) -> int:
        return 422 if told.row["body"].get("alarm") == 2 else 200

    receiver.answer = refuse_one
    with notifying(any_database, hook(receiver, kinds=["alarm.*", "hazard.*"])):
        seqs = [write(connection, n) for n in (1, 2, 3)]
        wait_until(lambda: seqs[2] in receiver.seqs, 15)
        wait_until(lambda: standing(connection)["seq"] == head_seq(connection, "demo"))
    assert receiver.seqs == [seqs[0], *[seqs[1]] * 3, seqs[2]]
    (letter,) = dead_letters(connection, "demo", limit=10)
    assert (letter["reader"], letter["seq"], letter["attempts"]) == (HOOK, seqs[1], 3)
    assert "422" in letter["error"]
    row = connection.execute(
        "SELECT subject, condition, title->>'zh', state FROM hazard WHERE site = 'demo'"
    ).fetchall()
    assert row == [(HOOK, "notify.undelivered", "外发通知“webhook:desk”有记录被拒收", "reported")]
    # The hazard's own row was not told through the hook that it is about: that could go round for ever.
    assert head_seq(connection, "demo") > seqs[2]


def test_a_row_of_which_the_channel_makes_nothing_holds_up_no_other(
    connection: Connection, any_database: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = Webhook.deliver

    def stumble(channel: Webhook, row: Row, now: datetime) -> Outcome:
        if row["body"].get("alarm") == 1:
            raise KeyError("a row that no one foresaw")
        return deliver(channel, row, now)

    monkeypatch.setattr(Webhook, "deliver", stumble)
    with notifying(any_database, hook(receiver, kinds=["alarm.noted"])):
        seqs = [write(connection, n) for n in (1, 2)]
        wait_until(lambda: seqs[1] in receiver.seqs, 15)
    (letter,) = dead_letters(connection, "demo", limit=10)
    assert (letter["seq"], letter["attempts"]) == (seqs[0], 3)
    assert "cannot be told" in letter["error"]


def test_after_a_day_of_failure_it_is_parked_and_said_and_nothing_is_lost(
    connection: Connection, any_database: str, receiver: Receiver
) -> None:
    receiver.answer = 500
    ahead = [timedelta()]
    seqs = [write(connection, n) for n in range(2)]
    channel = Webhook(hook(receiver))
    reader = Reader(any_database, channel, clock=lambda: datetime.now(UTC) + ahead[0])
    connection.execute("UPDATE reader_cursor SET seq = %s WHERE reader = %s", (seqs[0] - 1, HOOK))
    reader.step(connection)
    ahead[0] = PARK_AFTER
    reader.step(connection)
    state = standing(connection)
    assert state["parked_at"] is not None
    hazard = connection.execute("SELECT title->>'zh' FROM hazard WHERE site = 'demo'").fetchall()
    assert hazard == [("外发通知“webhook:desk”已停发",)]
    told = len(receiver.told)
    ahead[0] += timedelta(minutes=10)
    reader.step(connection)
    assert len(receiver.told) == told, "parked: only a probe now and then"
    receiver.answer = 200
    ahead[0] += timedelta(minutes=10)
    reader.step(connection)
    assert receiver.seqs[told:] == seqs
    assert standing(connection)["parked_at"] is None


def test_every_site_has_a_cursor_of_its_own_and_a_new_hook_begins_now(
    connection: Connection, any_database: str, receiver: Receiver
) -> None:
    prepare_site(any_database, {**SITE, "site": "other"})
    write(connection, 1)
    write(connection, 1, "other")
    with notifying(any_database, hook(receiver, name="late")):
        wait_until(
            lambda: {"late"} <= {row["reader"].partition(":")[2] for row in reader_rows(connection, "other")}
        )
        mine, theirs = write(connection, 2), write(connection, 3, "other")
        wait_until(lambda: len(receiver.told) == 2)
    assert {(told.row["site"], told.row["seq"]) for told in receiver.told} == {
        ("demo", mine),
        ("other", theirs),
    }


def test_two_of_one_name_never_tell_side_by_side(
    connection: Connection, any_database: str, receiver: Receiver
) -> None:
    with notifying(any_database, hook(receiver)):
        seqs = [write(connection, 1)]
        wait_until(lambda: receiver.seqs == seqs)
        assert not hold_role(connection, f"reader:{HOOK}")
        with notifying(any_database, hook(receiver)):
            seqs += [write(connection, n) for n in range(20)]
            wait_until(lambda: seqs[-1] in receiver.seqs)
        assert receiver.seqs == seqs


def test_a_database_that_dies_and_comes_back_loses_no_row(
    own_postgres: RunningPostgres, receiver: Receiver
) -> None:
    own_postgres.server.ensure_database("school")
    dsn = own_postgres.dsn("school")
    migrate(dsn)
    prepare_site(dsn)
    with notifying(dsn, hook(receiver)):
        look = connect(dsn, application="test")
        wait_until(lambda: reader_rows(look, "demo"))
        seqs = [write(look, 1)]
        wait_until(lambda: receiver.seqs == seqs)
        look.close()
        own_postgres.kill()
        own_postgres.start()
        look = connect(dsn, application="test")
        seqs += [write(look, n) for n in (2, 3)]
        wait_until(lambda: seqs[-1] in receiver.seqs, 20)
        look.close()
    assert list(dict.fromkeys(receiver.seqs)) == seqs


def start_chores(config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sanfang", "hub", "--config", str(config), "--only", "chores"],
        start_new_session=True,
    )


def test_kill_9_between_delivery_and_cursor_tells_twice_and_never_not(
    connection: Connection, any_database: str, receiver: Receiver, tmp_path: Path
) -> None:
    config = tmp_path / "hub.yaml"
    (tmp_path / "site.yaml").write_text("{}")
    config.write_text(
        f"database: {any_database}\n"
        "broker: {host: 127.0.0.1, port: 1}\n"
        f"sites: [{tmp_path / 'site.yaml'}]\n"
        f"profiles: {ROOT / 'config' / 'profiles'}\nrules: {ROOT / 'config' / 'rules'}\n"
        f"plans: {ROOT / 'config' / 'plans'}\n"
        f"webhooks: [{{name: desk, url: '{receiver.url}', secret: '{SECRET}', allow_private: true}}]\n"
    )
    seqs = [write(connection, n) for n in range(3)]
    process = start_chores(config)
    doomed = [process.pid]

    def kill_in_the_middle(told: Told) -> int | str:
        if told.row["seq"] == seqs[1] and doomed:
            os.kill(doomed.pop(), signal.SIGKILL)
            return "close"
        return 200

    receiver.answer = kill_in_the_middle
    try:
        assert process.wait(30) == -signal.SIGKILL
        assert standing(connection)["seq"] == seqs[0]
        process = start_chores(config)
        wait_until(lambda: standing(connection)["seq"] == seqs[2], 30)
    finally:
        process.terminate()
        process.wait(10)
    # What the chores themselves may journal meanwhile comes after.
    assert [seq for seq in receiver.seqs if seq <= seqs[2]] == [seqs[0], seqs[1], seqs[1], seqs[2]]
    twice = [told for told in receiver.told if told.row["seq"] == seqs[1]]
    assert twice[0].body == twice[1].body
    assert twice[0].headers["Idempotency-Key"] == twice[1].headers["Idempotency-Key"]


def test_the_api_says_how_far_each_reader_is(
    connection: Connection, any_database: str, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer = 500
    with notifying(any_database, hook(receiver)), run_api_here(any_database, tmp_path) as api:
        assert api.browser().get("/api/v1/sites/demo/readers").status_code == 401
        client = api.administrator()
        seqs = [write(connection, n) for n in range(3)]
        wait_until(lambda: standing(connection)["attempts"] >= 1)
        (reader,) = client.get("/api/v1/sites/demo/readers").json()["readers"]
        assert (reader["reader"], reader["state"], reader["head"]) == (HOOK, "failing", seqs[-1])
        assert reader["lag"] == reader["head"] - reader["seq"] >= 3
        assert "500" in reader["error"]
        assert reader["oldest_s"] >= 0
        behind = f'sanfang_journal_behind_rows{{reader="{HOOK}"}} '
        wait_until(lambda: f"{behind}{reader['lag']}.0\n" in client.get("/metrics").text, 15)
        receiver.answer = 200
        wait_until(
            lambda: client.get("/api/v1/sites/demo/readers").json()["readers"][0]["state"] == "current", 15
        )
        assert client.get("/api/v1/sites/demo/readers").json()["dead_letters"] == []
