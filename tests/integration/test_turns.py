"""Nobody holds a school's alarms up: not a storm of acts, not a stopped API, not a worker that fell silent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.app import setup_token
from hub.clock import utc_now
from hub.dispatch.act import apply_act
from hub.domain.act import Act
from hub.domain.error import ActRefused, NotFound
from hub.jobs.deadline import deadline_chore
from hub.store.database import Connection, borrow, connect, limit_statements, open_pool, site_turn, transaction
from sanfang.ports import LOOPBACK
from tests.conftest import RunningBroker
from tests.faults.proxy import standing_before
from tests.intake_scene import EDGE, ROOT_SECRET, SITE, StandIn, count, event, furnish, items_frame, pack_event
from tests.intake_worker import shipped_book, worker_process
from tests.integration.test_hub_app import pid_of, readiness, running_hub, write_config
from tests.integration.test_worker import ALARM, meet, press, receipted
from tests.running_api import PASSWORD, UNSAFE
from tests.waiting import wait_until


@pytest.fixture
def reader(any_database: str) -> Iterator[Connection]:
    """A look into the furnished database."""
    furnish(any_database)
    connection = connect(any_database, application="test")
    yield connection
    connection.close()


@pytest.fixture
def edge(broker: RunningBroker) -> Iterator[StandIn]:
    stand_in = StandIn(broker.host, broker.port)
    yield stand_in
    stand_in.close()


@contextmanager
def acting(dsn: str, people: int) -> Iterator[list[str]]:
    """People who acknowledge, note and silence whatever there is, and a chore that escalates it, until the
    end; gives what went wrong."""
    book = shipped_book()
    pool = open_pool(dsn, application="test api", size=people)
    stop, wrong = threading.Event(), list[str]()

    def act(number: int) -> None:
        verbs = ["alarm.acknowledge", "alarm.note", "alarm.silence"]
        turns = 0
        while not stop.is_set():
            turns += 1
            kind = verbs[(number + turns) % len(verbs)]
            target = str(1 + (number * 7 + turns) % 20)
            wanted = Act(SITE, f"person-{number}", "desk", kind, target, "storm", {"words": "x"})
            try:
                with borrow(pool, [SITE]) as connection, transaction(connection):
                    site_turn(connection, SITE)
                    apply_act(connection, wanted, at=utc_now(), book=book)
            except (ActRefused, NotFound):
                pass  # closed already, or not there yet: an answer
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                wrong.append(repr(error))

    def escalate() -> None:
        chore = deadline_chore(book)
        connection = limit_statements(connect(dsn, application="test chores"))
        try:
            while not stop.is_set():
                chore.work(connection, [SITE], utc_now())
        except Exception as error:  # noqa: BLE001 - as above
            wrong.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(people)]
    threads.append(threading.Thread(target=escalate))
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        pool.close()
    assert not any(thread.is_alive() for thread in threads)


def test_a_storm_of_acts_and_alarms_knows_no_deadlock(
    any_database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    presses = 400
    with worker_process(any_database, broker.host, broker.port):
        meet(edge)
        with acting(any_database, 4) as wrong:
            for first in range(1, presses + 1):
                edge.send(Lane.ALARM, items_frame(Lane.ALARM, first, [press(address=str(first % 20))]))
            wait_until(receipted(edge, ALARM, presses), 60, "every press is committed")
    assert wrong == []
    assert count(reader, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert count(reader, "SELECT count(*) FROM events WHERE edge = %s", EDGE) == presses
    assert count(reader, "SELECT sum(occurrences) FROM alarm WHERE kind = 'panic.pressed'") == presses
    assert count(reader, "SELECT count(*) FROM alarm_evidence WHERE body->>'kind' = 'panic.pressed'") > 0
    acts = "SELECT count(*) FROM journal WHERE actor LIKE 'person-%%'"
    assert count(reader, acts) > 20, "people acted all the while"
    heads = reader.execute("SELECT seq FROM journal_head").fetchone()
    assert heads is not None and count(reader, "SELECT count(*) FROM journal") == heads[0], "no seq is missing"


def test_a_worker_that_falls_silent_frees_its_sites_and_cannot_commit_afterwards(
    any_database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sanfang worker'"
        " AND datname = current_database()"
    )
    with worker_process(any_database, broker.host, broker.port) as first:
        meet(edge)
        edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
        wait_until(receipted(edge, ALARM, 1))
        ((holder,),) = reader.execute(sessions.replace("count(*)", "pid")).fetchall()
        with worker_process(any_database, broker.host, broker.port) as second:
            # Stopped, as by a hung disk or a debugger: its sockets still answer for it.
            os.kill(first.pid, signal.SIGSTOP)
            began = time.monotonic()
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press(address="2")]))
            there = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            wait_until(lambda: count(reader, there, holder) == 0, 20, "the server ends the silent session")
            freed_s = time.monotonic() - began
            wait_until(lambda: edge.gaps() != [], 15, "the new holder asks for what is missing")
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press(address="2")]))
            wait_until(receipted(edge, ALARM, 2))
            os.kill(first.pid, signal.SIGCONT)
            # It wakes with item 2 in its inbox and the belief that it holds the site.
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 3, [press(address="3")]))
            wait_until(receipted(edge, ALARM, 3))
            wait_until(lambda: count(reader, sessions) == 2, 15, "the first stands by over a new connection")
            assert first.poll() is None and second.poll() is None
    assert freed_s <= 10, f"the site was free after {freed_s:.1f} s"
    rows = reader.execute("SELECT sequence FROM events WHERE edge = %s ORDER BY sequence", (EDGE,)).fetchall()
    assert rows == [(1,), (2,), (3,)]
    assert count(reader, "SELECT max(occurrences) FROM alarm WHERE kind = 'panic.pressed'") == 1


def test_a_worker_whose_line_swallows_everything_is_replaced_and_finds_back(
    any_database: str, reader: Connection, broker: RunningBroker, edge: StandIn
) -> None:
    parts = conninfo_to_dict(any_database)
    with standing_before(int(str(parts["port"]))) as (proxy,):
        detour = make_conninfo(any_database, port=proxy.port)
        with worker_process(detour, broker.host, broker.port) as first:
            meet(edge)
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 1, [press()]))
            wait_until(receipted(edge, ALARM, 1))
            proxy.swallow()
            began = time.monotonic()
            with worker_process(any_database, broker.host, broker.port):
                wait_until(lambda: edge.gaps() != [], 20, "another worker took the site over and asks")
                freed_s = time.monotonic() - began
                edge.send(Lane.ALARM, items_frame(Lane.ALARM, 2, [press(address="2")]))
                wait_until(receipted(edge, ALARM, 2))
            # Alone again, over a line that is well: nobody had to restart it.
            proxy.heal()
            edge.down.clear()
            meet(edge)
            edge.send(Lane.ALARM, items_frame(Lane.ALARM, 3, [press(address="3")]))
            wait_until(receipted(edge, ALARM, 3))
            assert first.poll() is None
    assert freed_s <= 10.5, f"the site was free after {freed_s:.1f} s"
    rows = reader.execute("SELECT sequence FROM events WHERE edge = %s ORDER BY sequence", (EDGE,)).fetchall()
    assert rows == [(1,), (2,), (3,)]


def test_a_worker_that_hangs_ends_itself_and_the_next_one_goes_on(
    database: str, broker: RunningBroker, capfd: pytest.CaptureFixture[str]
) -> None:
    furnish(database)
    with closing(StandIn(broker.host, broker.port)) as edge:
        with worker_process(database, broker.host, broker.port, "--hung-on", "lab-heat") as doomed:
            meet(edge)
            data = items_frame(Lane.ALARM, 1, [pack_event(event("fire.alarm", "lab-heat", active=True))])
            edge.send(Lane.ALARM, data)
            assert doomed.wait(20) == 1
        assert "in hang" in capfd.readouterr().err, "the log shows where it stood"
        with worker_process(database, broker.host, broker.port):
            meet(edge)
            edge.send(Lane.ALARM, data)
            wait_until(receipted(edge, ALARM, 1))


def test_an_api_stopped_inside_a_turn_does_not_hold_an_alarm(
    any_database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    file = write_config(tmp_path, any_database, broker.port)
    with running_hub(file), ExitStack() as stack:
        wait_until(lambda: readiness(file).get("ready") is True, 40, why="ready")
        look = stack.enter_context(closing(connect(any_database, application="test")))
        blocker = stack.enter_context(closing(connect(any_database, application="test")))
        look.execute("UPDATE edge SET root_secret = %s", (ROOT_SECRET,))
        edge = stack.enter_context(closing(StandIn(broker.host, broker.port, Sender("demo", "e1"))))
        meet(edge)
        edge.send(Lane.ALARM, _press_at_demo(1))
        wait_until(receipted(edge, ALARM, 1))
        guard = stack.enter_context(_logged_in(file))
        api = pid_of(tmp_path, "hub-api")
        act = threading.Thread(
            target=_post_ignoring_the_end, args=(guard, "/api/v1/sites/demo/alarms/1/acknowledge")
        )
        with blocker.transaction():
            blocker.execute("SELECT 1 FROM alarm WHERE alarm = 1 FOR UPDATE")
            act.start()
            wait_until(lambda: _api_sessions(look, "active", "Lock") == 1, 2, "the act waits inside its turn")
            os.kill(api, signal.SIGSTOP)
        stack.callback(os.kill, api, signal.SIGCONT)
        wait_until(lambda: _api_sessions(look, "idle in transaction", "Client") == 1, 2, "the turn is held")
        began = time.monotonic()
        edge.send(Lane.ALARM, _press_at_demo(2))
        wait_until(receipted(edge, ALARM, 2), 10, poll_s=0.005)
        committed_s = time.monotonic() - began
        os.kill(api, signal.SIGCONT)
        act.join(30)
    assert committed_s <= 2.0, f"the alarm waited {committed_s:.2f} s for a stopped API"


def _press_at_demo(first: int) -> bytes:
    pressed = pack_event(event("panic.pressed", "button", address=str(first)))
    return items_frame(Lane.ALARM, first, [pressed], sender=Sender("demo", "e1"))


def _api_sessions(look: Connection, state: str, waits_for: str) -> int:
    return count(
        look,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sanfang api' AND state = %s"
        " AND wait_event_type = %s AND datname = current_database()",
        state,
        waits_for,
    )


@contextmanager
def _logged_in(file: Path) -> Iterator[httpx2.Client]:
    port = yaml.safe_load(file.read_text())["http"]["port"]
    with httpx2.Client(
        base_url=f"http://{LOOPBACK}:{port}", headers=UNSAFE, trust_env=False, timeout=30
    ) as client:
        person = {"token": setup_token(file), "name": "admin", "display_name": "A", "password": PASSWORD}
        client.post("/api/v1/setup", json=person).raise_for_status()
        yield client


def _post_ignoring_the_end(client: httpx2.Client, path: str) -> None:
    with suppress(httpx2.HTTPError):
        client.post(path, json={})
