"""The live stream: nothing missed, nothing shown that is not so, and an end when the session ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from psycopg import sql

from hub.api.stream import Told
from hub.clock import utc_now
from hub.store.database import Connection, connect, site_turn, transaction
from hub.store.journal import JournalLine, append_lines
from hub.store.migration import migrate
from tests.conftest import RunningPostgres
from tests.raising import beat_as, raise_alarm
from tests.running_api import SITE, RunningApi, Screen, prepare_site, run_api_here
from tests.waiting import wait_until


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    prepare_site(database)
    opened = connect(database, application="test")
    yield opened
    opened.close()


@pytest.fixture
def api(connection: Connection, database: str, tmp_path: Path) -> Iterator[RunningApi]:
    with run_api_here(database, tmp_path) as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> httpx2.Client:
    return api.administrator()


def test_the_only_site_is_followed_without_its_name(
    client: httpx2.Client, database: str, api: RunningApi
) -> None:
    assert api.browser().get("/api/v1/live").status_code == 401
    for query in ("", "?site=demo"):
        with client.stream("GET", f"/api/v1/live{query}", follow_redirects=True) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert any(line == "event: snapshot" for line in stream.iter_lines())
    assert client.get("/api/v1/live?site=elsewhere").status_code == 404
    prepare_site(database, {**SITE, "site": "other"})
    several = client.get("/api/v1/live")
    assert (several.status_code, several.json()["field"]) == (422, "site")
    assert client.get("/api/v1/live?site=other").headers["location"] == "sites/other/live"


def test_a_stream_begins_with_the_picture_and_goes_on_with_changes(
    client: httpx2.Client, connection: Connection
) -> None:
    first = raise_alarm(connection)
    screen = Screen(client)
    snapshot = screen.wait_for("snapshot")
    assert (snapshot.id or "").rpartition(":")[0] == f"demo:{snapshot.data['seq']}"
    assert [alarm["alarm"] for alarm in snapshot.data["alarms"]] == [first]
    assert snapshot.data["zones"][1]["class"] == "key"
    # A building counts its rooms' devices too; posts stand as the configuration has them.
    assert [zone["devices"]["total"] for zone in snapshot.data["zones"]] == [2, 1]
    assert [zone["devices"]["unknown"] for zone in snapshot.data["zones"]] == [2, 1]
    assert [duty["post"] for duty in snapshot.data["duty"]] == ["security-room", "duty-leader"]
    assert snapshot.data["duty"][0]["person_name"] == "张伟"
    assert screen.wait_for("unreceipted").data == {"items": []}
    second = raise_alarm(connection, "door.forced", "door", "1")
    change = screen.wait_for("change").data
    assert change["seq"] == snapshot.data["seq"] + 1
    assert (change["kind"], change["alarm"]["alarm"]) == ("alarm.raised", second)
    assert change["alarm"]["zone_path"][-1]["zh"] == "<img src=x onerror=alert(1)>"
    assert change["alarm"]["response"]["zh"] == "<b>去看</b>"
    assert change["device"]["device"] == "door"
    assert (change["counts"]["critical"], change["counts"]["high"]) == (1, 1)
    answer = client.post(f"/api/v1/sites/demo/alarms/{second}/acknowledge", json={})
    assert answer.status_code == 200
    acknowledged = screen.wait_for("change", 2).data
    assert acknowledged["actor_name"] == "管理员"
    assert acknowledged["alarm"]["state"] == "acknowledged"
    assert screen.wait_for("beat", 2).data["seq"] >= acknowledged["seq"]
    screen.close()


def test_a_reconnect_misses_nothing_and_repeats_nothing(client: httpx2.Client, connection: Connection) -> None:
    screen = Screen(client)
    screen.wait_for("snapshot")
    raise_alarm(connection)
    seen = screen.wait_for("change").id
    screen.close()
    assert screen.closed.wait(5)
    missed = [raise_alarm(connection, "door.held", "door", str(number)) for number in range(30)]
    back = Screen(client, last=seen)
    back.wait_for("change", 30)
    more = raise_alarm(connection, "door.forced", "door")
    back.wait_for("change", 31)
    changes = back.named("change")
    assert [change.data["alarm"]["alarm"] for change in changes] == [*missed, more]
    seqs = [change.data["seq"] for change in changes]
    assert seqs == list(range(seqs[0], seqs[0] + 31))
    assert back.named("snapshot") == []
    back.close()


@pytest.mark.parametrize(
    "last",
    [
        *("other:1:00000000", "demo:999999:00000000", "demo:1:00000000", "demo:1", "demo:-1:00000000"),
        *("nonsense", "demo:" + "9" * 30),
    ],
)
def test_an_id_that_cannot_be_resumed_gets_the_picture(client: httpx2.Client, last: str) -> None:
    screen = Screen(client, last=last)
    screen.wait_for("snapshot")
    screen.close()


def test_no_row_falls_between_picture_and_changes(client: httpx2.Client, connection: Connection) -> None:
    for number in range(12):
        screen = Screen(client)
        raise_alarm(connection, "door.held", "door", f"x{number}")
        wanted = f"door:x{number}"

        def shows(screen: Screen = screen, wanted: str = wanted) -> bool:
            held = [alarm["subject"] for event in screen.named("snapshot") for alarm in event.data["alarms"]]
            told = [event.data["alarm"]["subject"] for event in screen.named("change")]
            return wanted in held + told

        wait_until(shows, why=wanted)
        screen.close()
        assert screen.closed.wait(5)


def test_a_live_alarm_does_not_wait_behind_a_flood_of_rows(
    client: httpx2.Client, connection: Connection
) -> None:
    screen = Screen(client)
    screen.wait_for("snapshot")
    seq = screen.wait_for("beat").data["seq"]
    at = utc_now()
    flood = [
        JournalLine(at, "system:worker", "device:door", "device.noted", {"number": number})
        for number in range(4_000)
    ]
    with transaction(connection):
        site_turn(connection, "demo")
        append_lines(connection, "demo", flood)
        live = raise_alarm(connection)
    picture = screen.wait_for("snapshot", 2).data
    assert [alarm["alarm"] for alarm in picture["alarms"]] == [live]
    assert picture["seq"] > seq + 4_000
    # And it goes on from there, row by row.
    after = raise_alarm(connection, "door.forced", "door", "1")
    told = screen.wait_for("change").data
    assert (told["alarm"]["alarm"], told["seq"]) == (after, picture["seq"] + 1)
    (skipped,) = [
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("sanfang_live_skipped_total ")
    ]
    assert float(skipped.split()[1]) > 4_000
    screen.close()


@pytest.mark.parametrize(
    ("seq", "whole", "news"),
    [(0, False, True), (7, False, True), (6, False, False), (6, True, True), (5, True, False), (9, True, True)],
)
def test_an_older_picture_never_takes_back_what_a_screen_knows(seq: int, whole: bool, news: bool) -> None:
    assert Told(seq, b"", whole).is_news(6) is news


def test_log_out_ends_the_stream(api: RunningApi, client: httpx2.Client) -> None:
    other = api.administrator()
    leaving, staying = Screen(client), Screen(other)
    leaving.wait_for("snapshot")
    staying.wait_for("snapshot")
    begun = time.monotonic()
    assert client.delete("/api/v1/session").status_code == 204
    assert leaving.closed.wait(5)
    assert time.monotonic() - begun < 5
    staying.wait_for("beat", len(staying.named("beat")) + 2)
    assert not staying.closed.is_set()
    staying.close()


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE session SET ended_at = now()",
        "UPDATE session SET expires_at = now()",
        "UPDATE session SET used_at = now() - interval '13 h'",
        "UPDATE account SET disabled_at = now()",
    ],
)
def test_a_session_that_ends_elsewhere_ends_its_stream(
    client: httpx2.Client, connection: Connection, ending: str
) -> None:
    screen = Screen(client)
    screen.wait_for("snapshot")
    connection.execute(ending.encode())
    assert screen.closed.wait(5)
    assert client.get("/api/v1/session").status_code == 401


def test_strangers_get_no_stream(api: RunningApi) -> None:
    screen = Screen(api.browser())
    assert screen.closed.wait(5)
    assert screen.status == 401


def test_the_beat_says_what_is_missing(client: httpx2.Client, api: RunningApi, connection: Connection) -> None:
    screen = Screen(client)
    beat = screen.wait_for("beat").data
    assert beat["storing"] is False
    assert set(beat["missing"]) == {"broker", "worker", "chores"}
    beat_as(connection, "worker", "demo")
    beat_as(connection, "chores", "")
    wait_until(lambda: screen.named("beat")[-1].data["missing"] == ["broker"])
    assert screen.named("beat")[-1].data["storing"] is True
    assert screen.named("beat")[-1].data["committed_at"] is not None
    ready = api.browser().get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["missing"]) == (503, False, ["broker"])
    wait_until(lambda: "worker" in screen.named("beat")[-1].data["missing"], why="the worker fell silent")
    assert screen.named("beat")[-1].data["storing"] is False
    screen.close()


def test_an_edge_that_goes_brings_the_picture_anew(client: httpx2.Client, connection: Connection) -> None:
    from hub.clock import utc_now
    from hub.store.database import site_turn, transaction
    from hub.store.journal import append_journal

    screen = Screen(client)
    screen.wait_for("snapshot")
    with transaction(connection):
        site_turn(connection, "demo")
        connection.execute("UPDATE edge SET heard_at = now()")
        append_journal(
            connection,
            "demo",
            at=utc_now(),
            actor="system:worker",
            subject="edge:e1",
            kind="edge.online",
            body={},
        )
    assert screen.wait_for("change").data["edge"]["state"] == "online"
    assert screen.wait_for("snapshot", 2).data["edges"][0]["state"] == "online"
    raise_alarm(connection)
    assert screen.wait_for("change", 2).data["kind"] == "alarm.raised"
    screen.close()


def test_the_database_dies_under_a_stream_and_comes_back(own_postgres: RunningPostgres, tmp_path: Path) -> None:
    own_postgres.server.ensure_database("live")
    database = own_postgres.dsn("live")
    migrate(database)
    prepare_site(database)
    with run_api_here(database, tmp_path) as api:
        client = api.administrator()
        screen = Screen(client)
        screen.wait_for("beat")
        own_postgres.kill()
        killed = time.monotonic()
        wait_until(lambda: "database" in screen.named("beat")[-1].data["missing"])
        assert time.monotonic() - killed < 5
        assert screen.named("beat")[-1].data["storing"] is False
        beats = len(screen.named("beat"))
        screen.wait_for("beat", beats + 3, deadline_s=5)
        refused = client.get("/api/v1/sites/demo/overview")
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert "127.0.0.1" not in refused.text
        assert client.get("/healthz").status_code == 200
        own_postgres.start()
        wait_until(lambda: "database" not in screen.named("beat")[-1].data["missing"], 15)
        connection = connect(database, application="test")
        number = raise_alarm(connection)
        connection.close()
        assert screen.wait_for("change").data["alarm"]["alarm"] == number
        assert not screen.closed.is_set()
        screen.close()


def test_a_reconnect_misses_nothing_over_a_restart_of_the_api(
    connection: Connection, database: str, tmp_path: Path
) -> None:
    with run_api_here(database, tmp_path) as api:
        client = api.administrator()
        screen = Screen(client)
        screen.wait_for("snapshot")
        raise_alarm(connection)
        seen = screen.wait_for("change").id
    missed = [raise_alarm(connection, "door.held", "door", str(number)) for number in range(5)]
    with run_api_here(database, tmp_path) as api:
        back = Screen(api.administrator(), last=seen)
        back.wait_for("change", 5)
        missed.append(raise_alarm(connection, "door.forced", "door"))

        def told() -> list[int]:
            # The log-in stands in the journal, too.
            alarms = [change.data["alarm"] for change in back.named("change")]
            return [alarm["alarm"] for alarm in alarms if alarm]

        wait_until(lambda: missed[-1] in told())
        assert told() == missed
        assert back.named("snapshot") == []
        back.close()


def keep_backup(connection: Connection) -> None:
    """What a backup of the journal and its alarms holds now."""
    for table in ("journal", "journal_head", "alarm", "alarm_evidence", "counter"):
        connection.execute(
            sql.SQL("CREATE TABLE {} AS TABLE {}").format(
                sql.Identifier(f"backup_{table}"), sql.Identifier(table)
            )
        )


def restore_backup(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("TRUNCATE journal, journal_head, alarm_evidence, alarm, counter")
        for table in ("journal", "journal_head", "alarm", "alarm_evidence", "counter"):
            connection.execute(
                sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                    sql.Identifier(table), sql.Identifier(f"backup_{table}")
                )
            )


def test_after_an_older_backup_a_screen_gets_the_picture_and_not_silence(
    client: httpx2.Client, connection: Connection
) -> None:
    """The journal's numbers go back; a screen that stayed and one that comes back are both beyond the head."""
    kept = raise_alarm(connection)
    keep_backup(connection)
    staying, leaving = Screen(client), Screen(client)
    for screen in (staying, leaving):
        screen.wait_for("snapshot")
    for number in range(5):
        raise_alarm(connection, "door.held", "door", f"gone{number}")
    seen = leaving.wait_for("change", 5)
    staying.wait_for("change", 5)
    leaving.close()
    restore_backup(connection)
    # The one that stayed: without any news from the restored journal.
    assert [alarm["alarm"] for alarm in staying.wait_for("snapshot", 2).data["alarms"]] == [kept]
    # The one that comes back, its last row beyond the head.
    back = Screen(client, last=seen.id)
    assert [alarm["alarm"] for alarm in back.wait_for("snapshot").data["alarms"]] == [kept]
    assert back.named("change") == []
    back.close()
    # News under numbers that were told before reach both.
    new = raise_alarm(connection, "door.forced", "door", "new")
    told = staying.wait_for("change", 6)
    assert (told.data["alarm"]["alarm"], told.data["seq"] <= seen.data["seq"]) == (new, True)
    # And one whose number is in the journal again, for another row: the numbers alone would not tell.
    for number in range(8):
        raise_alarm(connection, "door.held", "door", f"anew{number}")
    late = Screen(client, last=seen.id)
    assert len(late.wait_for("snapshot").data["alarms"]) == 10
    assert late.named("change") == []
    late.close()
    staying.close()
