"""The worker between a real broker and a real database: receipts after commit, whatever dies."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.message import Command, LaneStatus, Receipt, Settings, SettingsPart, Type
from adapters.contract.settings import SettingsPuzzle
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.commands.desk import request_by_person
from hub.intake.worker import Worker
from hub.store.database import Connection, connect, site_turn
from hub.store.journal import jsonb
from hub.store.migration import migrate
from hub.store.quarantine import request_retry
from hub.store.turn import Turn
from tests.conftest import RunningBroker, RunningPostgres
from tests.intake_scene import (
    EDGE,
    SENDER,
    SITE,
    StandIn,
    count,
    event,
    frame,
    furnish,
    items_frame,
    now_us,
    pack_event,
    pack_result,
    pack_values,
)
from tests.intake_worker import make_worker, worker_process
from tests.waiting import wait_until

ALARM, TELEMETRY = (7, int(Lane.ALARM)), (7, int(Lane.TELEMETRY))


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """The worker in a thread of this process."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def reader(database: str) -> Iterator[Connection]:
    """A look into the furnished database."""
    furnish(database)
    connection = connect(database, application="test")
    yield connection
    connection.close()


@pytest.fixture
def edge(broker: RunningBroker) -> Iterator[StandIn]:
    stand_in = StandIn(broker.host, broker.port)
    yield stand_in
    stand_in.close()


@pytest.fixture
def worker(database: str, reader: Connection, broker: RunningBroker, edge: StandIn) -> Iterator[Worker]:
    """A running worker that listens to the school."""
    with running(make_worker(database, broker.host, broker.port)) as started:
        meet(edge)
        yield started


def meet(edge: StandIn) -> None:
    """Beat until the worker answers: then it is there and listens."""

    nonce = secrets.randbits(32)

    def answered() -> bool:
        edge.beat(nonce=nonce)
        return any(isinstance(each, Receipt) and each.nonce == nonce for each in list(edge.down))

    wait_until(answered, 15, "the worker answers a heartbeat", poll_s=0.2)
    edge.down.clear()


def press(**more: object) -> bytes:
    return pack_event(event("panic.pressed", "gate-button", **more))  # type: ignore[arg-type]


def receipted(edge: StandIn, lane: tuple[int, int], position: int) -> Callable[[], bool]:
    return lambda: edge.receipts().get(lane, 0) >= position


def active(reader: Connection, kind: str) -> bool:
    query = "SELECT count(*) FROM condition WHERE kind = %s AND active"
    return count(reader, query, kind) == 1


def test_items_of_both_lanes_are_stored_then_receipted(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press(), press(address="2")]))
    edge.send(Lane.TELEMETRY, items_frame(Lane.TELEMETRY, 1, [pack_values("lab-air", "temperature_c", [1, 2])]))
    wait_until(lambda: edge.receipts() == {ALARM: 2, TELEMETRY: 1}, why="both lanes have receipts")
    assert count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == 2
    assert count(reader, "SELECT count(*) FROM readings") == 2
    assert count(reader, "SELECT count(*) FROM alarm WHERE kind = 'panic.pressed'") == 2


def test_a_gap_is_asked_for_and_closed_by_sending_again(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press()]))
    wait_until(lambda: edge.gaps() == [(7, 1, 1)], why="the hub asks for item 1")
    for first in (1, 2):
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, first, [press()]))
    wait_until(receipted(edge, ALARM, 2))
    assert count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == 2


def test_a_heartbeat_is_answered_with_its_nonce_and_every_lane(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
    wait_until(receipted(edge, ALARM, 1))
    edge.beat([LaneStatus(7, 1, 1, 2, 1), LaneStatus(7, 2, 0, 1, 0)], nonce=4711, spool_bytes=12)
    answers = [each for each in edge.down if isinstance(each, Receipt) and each.nonce == 4711]
    answer = wait_until(
        lambda: next((e for e in list(edge.down) if isinstance(e, Receipt) and e.nonce == 4711), None)
    )
    assert not answers or answers[0] == answer
    assert sorted(answer.cursors) == [(7, 1, 1), (7, 2, 0)]
    assert count(reader, "SELECT (status->>'spool_bytes')::int FROM edge WHERE edge = %s", EDGE) == 12
    assert active(reader, "edge.offline") is False
    kinds = [row[0] for row in reader.execute("SELECT kind FROM journal WHERE subject = %s", (f"edge:{EDGE}",))]
    assert kinds == ["edge.online"]


def test_no_heartbeat_ends_the_worker(worker: Worker, edge: StandIn, reader: Connection) -> None:
    most = 2**64 - 1
    edge.beat(settings_error="a\0b" * 2_000, software="\0", dropped={"a\0": 1}, nonce=1)
    edge.beat(settings_version=most, spool_bytes=most, dropped={"a": most}, nonce=2)
    edge.beat([LaneStatus(most, 77, most, most, most), LaneStatus(7, 1, -5, -5, -5)], nonce=3)
    edge.beat(edge_at=-(2**63), nonce=4)
    edge.beat(edge_at=2**62, settings_version=-(2**63), nonce=most)
    edge.beat(nonce=4711)
    nonces = wait_until(
        lambda: (n := [e.nonce for e in list(edge.down) if isinstance(e, Receipt)]) and 4711 in n and n
    )
    assert 2 not in nonces, "numbers that nothing can keep are not answered"
    assert count(reader, "SELECT count(*) FROM events WHERE attributes->>'error' LIKE %s", "a�ba�b%") == 1


def test_a_gap_that_cannot_be_filled_is_closed_with_an_alarm(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    edge.beat([LaneStatus(7, 1, 9, 8, 7)], nonce=5)
    wait_until(receipted(edge, ALARM, 7), why="the lane goes on behind the gap")
    assert (
        count(reader, "SELECT count(*) FROM alarm WHERE kind = 'lane.gap' AND subject = %s", f"edge:{EDGE}")
        == 1
    )
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 8, [press()]))
    wait_until(receipted(edge, ALARM, 8))


def test_three_frames_with_a_bad_signature_are_an_alarm_and_move_nothing(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    forged = items_frame(Lane.ALARM, 1, [press(raw=b"x" * 60_000)], secret=b"wrong" * 8)
    for _ in range(3):
        edge.send(Lane.ALARM, forged)
    wait_until(lambda: active(reader, "edge.unverified"), why="three bad signatures are told")
    assert count(reader, "SELECT count(*) FROM cursor") == 0
    rows = reader.execute("SELECT code, length(payload), size_bytes FROM quarantine").fetchall()
    assert rows == [("bad_signature", 4_096, len(forged))]
    assert edge.receipts() == {}


def test_a_newer_version_holds_its_lane_with_an_alarm(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    newer = frame(Type.ITEMS, b"?", lane=Lane.ALARM, first=1, count=1, version=2)
    edge.send(Lane.ALARM, newer)
    wait_until(lambda: active(reader, "edge.incompatible"))
    assert edge.receipts() == {}
    assert count(reader, "SELECT count(*) FROM cursor") == 0
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
    wait_until(receipted(edge, ALARM, 1), why="what this program speaks still goes in")


def test_two_live_epochs_are_both_taken_and_told(worker: Worker, edge: StandIn, reader: Connection) -> None:
    for epoch in (7, 8, 7):
        edge.beat(epoch=epoch)
    for epoch in (7, 8):
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()], epoch=epoch))
    wait_until(lambda: edge.receipts() == {(7, 1): 1, (8, 1): 1})
    wait_until(lambda: active(reader, "edge.cloned"))


def test_settings_go_to_an_edge_that_has_others(worker: Worker, edge: StandIn) -> None:
    edge.beat(settings_version=2)
    parts = wait_until(lambda: [each for each in list(edge.down) if isinstance(each, SettingsPart)])
    assert SettingsPuzzle().take(parts[0]) == Settings(3, 1, b'{"devices": []}')


def test_an_edge_that_knows_newer_settings_than_a_restored_hub_gets_newer_ones_still(
    worker: Worker, edge: StandIn
) -> None:
    edge.beat(settings_version=9)
    parts = wait_until(lambda: [each for each in list(edge.down) if isinstance(each, SettingsPart)])
    assert parts[0].version == 10


def test_a_command_is_sent_once_committed_and_again_until_answered(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    at = datetime.now(UTC)
    with reader.transaction():
        site_turn(reader, SITE)
        turn = Turn(reader, SITE, at, "someone", "desk")
        wanted = request_by_person(turn, {"device": "gate-door", "kind": "door.release"}, "let them out")
    sent = wait_until(lambda: [each for each in list(edge.down) if isinstance(each, Command)])
    assert (sent[0].command, sent[0].device, sent[0].kind) == (wanted.command, "gate-door", "door.release")
    assert 0 < sent[0].valid_ms <= 30_000
    commands = wait_until(lambda: [each for each in list(edge.down) if isinstance(each, Command)][1:])
    assert commands[0].command == wanted.command
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [pack_result(wanted.command, "accepted")]))
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [pack_result(wanted.command, "confirmed")]))
    wait_until(receipted(edge, ALARM, 2))
    assert reader.execute("SELECT state FROM command").fetchall() == [("confirmed",)]
    kinds = [
        row[0] for row in reader.execute("SELECT kind FROM journal WHERE kind LIKE 'command.%' ORDER BY seq")
    ]
    assert kinds == ["command.requested", "command.sent", "command.accepted", "command.confirmed"]


def test_a_person_has_a_quarantined_item_tried_again(worker: Worker, edge: StandIn, reader: Connection) -> None:
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [b"junk"]))
    wait_until(receipted(edge, ALARM, 1))
    number = count(reader, "SELECT quarantine FROM quarantine")
    with reader.transaction():
        site_turn(reader, SITE)
        request_retry(reader, SITE, number, actor="someone", at=datetime.now(UTC))
    wait_until(lambda: count(reader, "SELECT count(*) FROM journal WHERE kind = 'quarantine.refused'"))


def test_the_worker_says_each_second_that_it_is_there(worker: Worker, reader: Connection) -> None:
    first = wait_until(lambda: reader.execute("SELECT at FROM liveness WHERE process = 'worker'").fetchone())
    wait_until(
        lambda: reader.execute("SELECT at FROM liveness WHERE process = 'worker'").fetchone() != first, 3
    )
    (told,) = reader.execute("SELECT detail FROM liveness WHERE process = 'worker'").fetchall()
    assert told[0]["broker"] is True
    assert count(reader, "SELECT count(*) FROM events WHERE kind = 'hub.restarted'") == 1


def test_silent_chores_are_told(worker: Worker, reader: Connection) -> None:
    at = datetime.now(UTC) - timedelta(minutes=1)
    reader.execute(
        "INSERT INTO liveness (process, site, started_at, at, detail) VALUES ('chores', '', %s, %s, %s)",
        (at, at, jsonb({})),
    )
    wait_until(lambda: active(reader, "chores.silent"), 20)
    with reader.transaction():
        reader.execute("UPDATE liveness SET at = now() + interval '1 minute' WHERE process = 'chores'")
    wait_until(lambda: not active(reader, "chores.silent"), 5)


def test_killed_between_commit_and_receipt_nothing_is_lost_and_nothing_is_twice(
    database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    frames = [items_frame(Lane.ALARM, first, [press(address=str(first))]) for first in (1, 2, 3)]
    with worker_process(database, broker.host, broker.port, "--die-before-receipt", "2") as doomed:
        meet(edge)
        for data in frames[:2]:
            edge.send(Lane.ALARM, data)
            wait_until(lambda: count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) > 0)
        assert doomed.wait(10) == -signal.SIGKILL
    stored = count(reader, "SELECT max(position) FROM cursor")
    assert edge.receipts().get(ALARM, 0) < stored
    with worker_process(database, broker.host, broker.port):
        meet(edge)
        for data in frames:
            edge.send(Lane.ALARM, data)
        wait_until(receipted(edge, ALARM, 3))
    rows = reader.execute("SELECT event FROM events WHERE edge = %s ORDER BY event", (EDGE,)).fetchall()
    assert rows == [(f"{EDGE}/7/1/{sequence}/0",) for sequence in (1, 2, 3)]
    assert count(reader, "SELECT count(*) FROM alarm WHERE kind = 'panic.pressed'") == 3
    occurrences = "SELECT max(occurrences) FROM alarm WHERE kind = 'panic.pressed'"
    assert count(reader, occurrences) == 1


def test_a_second_worker_waits_until_the_first_is_gone(
    database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    with worker_process(database, broker.host, broker.port) as first:
        meet(edge)
        with worker_process(database, broker.host, broker.port) as second:
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
            wait_until(receipted(edge, ALARM, 1))
            first.kill()
            first.wait()
            edge.down.clear()
            meet(edge)
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press()]))
            wait_until(receipted(edge, ALARM, 2))
            assert second.poll() is None
    assert count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == 2
    assert count(reader, "SELECT count(*) FROM events WHERE kind = 'hub.restarted'") == 2


def test_a_killed_broker_is_found_again(worker: Worker, broker: RunningBroker, edge: StandIn) -> None:
    broker.kill()
    broker.start()
    meet_again = StandIn(broker.host, broker.port)
    try:
        meet(meet_again)
        meet_again.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
        wait_until(receipted(meet_again, ALARM, 1))
    finally:
        meet_again.close()


def test_a_killed_database_is_waited_for_and_the_same_messages_go_in(
    own_postgres: RunningPostgres, broker: RunningBroker, edge: StandIn
) -> None:
    own_postgres.server.ensure_database("school")
    dsn = own_postgres.dsn("school")
    migrate(dsn)
    furnish(dsn)
    with running(make_worker(dsn, broker.host, broker.port)):
        meet(edge)
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
        wait_until(receipted(edge, ALARM, 1))
        own_postgres.kill()
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press()]))
        edge.send(
            Lane.TELEMETRY, items_frame(Lane.TELEMETRY, 1, [pack_values("lab-air", "temperature_c", [1.0])])
        )
        own_postgres.start()
        # Not sent again: the worker kept them while the database was away.
        wait_until(receipted(edge, ALARM, 2), 30)
        wait_until(receipted(edge, TELEMETRY, 1))
    with ExitStack() as stack:
        look = connect(dsn, application="test")
        stack.callback(look.close)
        assert count(look, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == 2
        assert count(look, "SELECT count(*) FROM readings") == 1


def test_who_takes_a_site_over_asks_its_edges_for_what_follows(
    database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    with running(make_worker(database, broker.host, broker.port)):
        meet(edge)
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press(), press(address="2")]))
        wait_until(receipted(edge, ALARM, 2))
        assert edge.gaps() == []
    with running(make_worker(database, broker.host, broker.port)):
        wait_until(lambda: edge.gaps() == [(*ALARM, 3)], 10, "the next worker asks")


def test_another_sites_messages_are_left_alone(worker: Worker, edge: StandIn, reader: Connection) -> None:
    stranger = Sender("other-school", EDGE)
    data = items_frame(Lane.ALARM, 1, [press()], sender=stranger)
    edge._client.publish(f"sanfang/{stranger.site}/{EDGE}/up/alarm", data, 1).wait_for_publish(5)
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
    wait_until(receipted(edge, ALARM, 1))
    assert count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == 1
    assert count(reader, "SELECT count(*) FROM quarantine") == 0


def test_a_live_alarm_does_not_wait_behind_a_backlog_of_telemetry(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    values = [float(number % 40) for number in range(2_000)]
    for first in range(1, 101):
        edge.send(Lane.TELEMETRY, items_frame(Lane.TELEMETRY, first, [pack_values("lab-air", "fps", values)]))
    began = now_us()
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
    wait_until(receipted(edge, ALARM, 1), poll_s=0.005)
    assert now_us() - began < 1_000_000
    wait_until(receipted(edge, TELEMETRY, 100), 30)
    assert count(reader, "SELECT count(*) FROM readings") == 200_000
    assert SENDER.site == SITE


def test_an_edge_whose_clock_is_an_hour_off_is_corrected_and_told(
    worker: Worker, edge: StandIn, reader: Connection
) -> None:
    hour = 3_600_000_000
    edge.beat(edge_at=now_us() + hour)
    wait_until(lambda: active(reader, "device.clock_drift"))
    wrong = event("panic.pressed", "gate-button", edge_at=now_us() + hour)
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [pack_event(wrong)], age_ms=1_000))
    wait_until(receipted(edge, ALARM, 1))
    ((observed, edge_at, recorded),) = reader.execute(
        "SELECT observed_at, edge_at, recorded_at FROM events WHERE edge = %s", (EDGE,)
    ).fetchall()
    assert observed == edge_at
    # Its age, and what it waited in the hub.
    assert timedelta(seconds=1) <= recorded - edge_at < timedelta(seconds=30)


def test_a_clock_that_is_set_while_a_message_waits_does_not_make_it_hours_old(
    worker: Worker, edge: StandIn, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscriber dates it by the clock as it was, the worker takes it by the clock as it is."""
    ahead = timedelta(hours=8)
    monkeypatch.setattr("hub.intake.worker.utc_now", lambda: datetime.now(UTC) + ahead)
    edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()], uptime_ms=2_000))
    wait_until(receipted(edge, ALARM, 1))
    ((observed, recorded, late),) = reader.execute(
        "SELECT observed_at, recorded_at, late FROM events WHERE edge = %s", (EDGE,)
    ).fetchall()
    assert not late, "it would start nothing and command nothing"
    assert recorded > datetime.now(UTC) + ahead - timedelta(minutes=1)
    assert recorded - observed < timedelta(seconds=30), "a change before it would make it history"
