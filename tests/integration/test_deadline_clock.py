"""The hub's clock was hours ahead and is set back: what waits for a time comes no later than its own step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.message import Command as WireCommand
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.domain.command import Command, CommandState, Precedence
from hub.domain.moment import microseconds
from hub.intake.commander import Commander, wire_of
from hub.jobs.deadline import deadline_chore
from hub.store.database import Connection
from tests.intake_scene import SITE, count, event, furnish, items_frame, pack_event
from tests.intake_worker import shipped_book
from tests.integration.test_intake import Hub

AHEAD = timedelta(hours=8)
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    furnish(database)
    hub = Hub(database)
    hub.connection.execute(
        "UPDATE site SET escalation = %s",
        ('{"critical_s": [30, 60, 120], "other_s": [90, 180, 300], "posts": ["duty-leader"]}',),
    )
    hub.take(items_frame(Lane.ALARM, 1, [pack_event(event("panic.pressed", "gate-button"))]))
    yield hub.connection
    hub.connection.close()


def test_an_escalation_dated_by_a_clock_that_was_ahead_comes_in_its_own_step(connection: Connection) -> None:
    now = datetime.now(UTC)
    connection.execute("UPDATE alarm SET next_escalation_at = %s", (now + AHEAD + timedelta(seconds=30),))
    chore = deadline_chore(shipped_book())
    chore.work(connection, [SITE], now)
    (due,) = connection.execute("SELECT next_escalation_at FROM alarm").fetchone() or (None,)
    assert due == now + timedelta(seconds=30)
    told = connection.execute("SELECT body FROM journal WHERE kind = 'hub.clock_set'").fetchall()
    assert [row[0]["alarms"] for row in told] == [1]
    chore.work(connection, [SITE], now + timedelta(seconds=31))
    assert count(connection, "SELECT escalation_level FROM alarm") == 1


def test_what_is_dated_right_is_left_alone(connection: Connection) -> None:
    before = connection.execute("SELECT next_escalation_at FROM alarm").fetchall()
    assert before[0][0] is not None
    deadline_chore(shipped_book()).work(connection, [SITE], datetime.now(UTC))
    assert connection.execute("SELECT next_escalation_at FROM alarm").fetchall() == before
    assert count(connection, "SELECT count(*) FROM journal WHERE kind = 'hub.clock_set'") == 0


def test_a_command_requested_by_a_clock_that_was_ahead_expires_in_its_own_time(connection: Connection) -> None:
    now = datetime.now(UTC)
    connection.execute(
        "INSERT INTO command (site, command, device, address, kind, parameters, precedence, state, reason,"
        " detail, source, requested_at, expires_at) VALUES (%s, 'c-1', 'gate-door', '', 'door.release', '{}',"
        " 5, 'requested', '', '', 'person:x', %s, %s)",
        (SITE, now + AHEAD, now + AHEAD + timedelta(seconds=20)),
    )
    chore = deadline_chore(shipped_book())
    chore.work(connection, [SITE], now)
    assert connection.execute("SELECT expires_at FROM command").fetchall() == [(now + timedelta(seconds=20),)]
    chore.work(connection, [SITE], now + timedelta(seconds=21))
    assert connection.execute("SELECT state FROM command").fetchall() == [("expired",)]


def test_a_step_dated_by_a_clock_that_was_ahead_is_over_in_its_own_time(connection: Connection) -> None:
    now = datetime.now(UTC)
    connection.execute(
        "INSERT INTO incident (site, incident, plan, plan_version, title, level, state, triggered_at)"
        " VALUES (%s, 77, 'none', 1, '{}', 'III', 'triggered', %s)",
        (SITE, now + AHEAD),
    )
    connection.execute(
        "INSERT INTO incident_step (site, incident, step, title, post, state, notified_at, due_at, due_s)"
        " VALUES (%s, 77, 1, '{}', 'duty-leader', 'notified', %s, %s, 60)",
        (SITE, now + AHEAD, now + AHEAD + timedelta(seconds=60)),
    )
    chore = deadline_chore(shipped_book())
    chore.work(connection, [SITE], now)
    query = "SELECT state, due_at FROM incident_step WHERE incident = 77"
    assert connection.execute(query).fetchall() == [("notified", now + timedelta(seconds=60))]
    chore.work(connection, [SITE], now + timedelta(seconds=61))
    assert [row[0] for row in connection.execute(query)] == ["expired"]


def test_the_commander_sends_what_a_clock_that_was_ahead_requested_and_once_per_step_of_the_steady_one(
    connection: Connection,
) -> None:
    now, sent = datetime.now(UTC), list[WireCommand]()
    connection.execute(
        "INSERT INTO command (site, command, device, address, kind, parameters, precedence, state, reason,"
        " detail, source, requested_at, expires_at) VALUES (%s, 'c-2', 'gate-door', '', 'door.release', '{}',"
        " 5, 'requested', '', '', 'person:x', %s, %s)",
        (SITE, now + AHEAD, now + AHEAD + timedelta(seconds=20)),
    )

    def publish(_to: Sender, command: WireCommand) -> bool:
        sent.append(command)
        return True

    commander = Commander(publish)
    commander.send(connection, SITE, now, 100.0)
    assert [each.valid_ms for each in sent] == [20_000], "no order for eight hours"
    assert sent[0].expires_at == microseconds(now + timedelta(seconds=20))
    commander.send(connection, SITE, now - AHEAD, 101.0)
    assert len(sent) == 1, "the clock's step is no time that passed"
    commander.send(connection, SITE, now - AHEAD, 103.0)
    assert [each.valid_ms for each in sent] == [20_000, 20_000]


def test_no_order_goes_out_for_longer_than_it_was_given() -> None:
    command = Command(
        site=SITE, command="c-1", device="d", address="", kind="door.release", parameters={},
        precedence=Precedence.MANUAL, state=CommandState.REQUESTED, source="person:x",
        requested_at=NOON + AHEAD, expires_at=NOON + AHEAD + timedelta(seconds=20), reason="",
    )  # fmt: skip
    assert wire_of(command, NOON).valid_ms == 20_000
