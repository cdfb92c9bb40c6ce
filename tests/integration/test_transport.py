"""The road between a real edge and a real worker: every broker, kills, half-open lines, a move, a new key."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.configuration import BrokerAddress
from hub.api.listener import Listener
from hub.api.unreceipted import Unreceipted
from hub.domain.error import ActRefused, NotFound
from hub.settings import BrokerSettings
from hub.sites.rotation import rotate_key
from hub.store.database import connect
from tests.conftest import RunningBroker
from tests.faults.proxy import FaultProxy
from tests.intake_scene import EDGE, furnish
from tests.intake_worker import worker_process
from tests.integration.test_edge_street import RUN, count_alarms
from tests.street import RealStreet, real_street
from tests.waiting import wait_until

HALF_OPEN_S = 30.0
OTHER_VERSION = "import adapters.contract.codec as c; import edge.keys as k; c.VERSION = k.VERSION = 2; "


@dataclass(frozen=True)
class Place:
    host: str
    port: int


def rotate(dsn: str) -> int:
    connection = connect(dsn, application="test")
    try:
        return rotate_key(connection, EDGE, None, actor="test", at=datetime.now(UTC))[1]
    finally:
        connection.close()


def identity(street: RealStreet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((street.edge.folder / "data" / "identity.json").read_text())
    return found


def test_nothing_is_lost_over_any_broker_that_is_killed(
    database: str, every_broker: RunningBroker, broker: RunningBroker, tmp_path: Path
) -> None:
    with (
        worker_process(database, every_broker.host, every_broker.port),
        real_street(database, every_broker, broker, tmp_path) as street,
    ):
        street.edge.start()
        street.settle_in()
        with street.pressing():
            every_broker.kill()
            every_broker.start()
            street.await_press(30)
            street.edge.kill()
            street.edge.start()
            street.await_press(30)
        street.check()


@pytest.mark.parametrize("side", ["edge", "hub"])
def test_a_half_open_line_is_found_within_thirty_seconds_and_nothing_is_lost(
    side: str, database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    with FaultProxy(broker.port) as line, ExitStack() as stack:
        through = Place(broker.host, line.port)
        hub_end, edge_end = (through, broker) if side == "hub" else (broker, through)
        stack.enter_context(worker_process(database, hub_end.host, hub_end.port))
        street = stack.enter_context(real_street(database, edge_end, broker, tmp_path))
        street.edge.start()
        street.settle_in()
        connections = line.accepted
        line.swallow()
        began = time.monotonic()
        street.press(20)
        wait_until(lambda: line.accepted > connections, HALF_OPEN_S, "another connection is tried")
        line.heal()
        street.check(HALF_OPEN_S + 15 - (time.monotonic() - began))


def test_the_api_finds_its_half_open_line_and_hears_again(broker: RunningBroker) -> None:
    with FaultProxy(broker.port) as line:
        ear = Listener(BrokerSettings(host=broker.host, port=line.port), Unreceipted())
        ear.start()
        try:
            wait_until(lambda: ear.listening, 10)
            line.swallow()
            wait_until(lambda: not ear.listening, HALF_OPEN_S, "the silence is noticed")
            line.heal()
            wait_until(lambda: ear.listening, 15)
        finally:
            ear.stop()


def test_a_key_is_rotated_under_load_and_a_kill_at_any_point_loses_nothing(
    database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    with (
        worker_process(database, broker.host, broker.port) as worker,
        real_street(database, broker, broker, tmp_path) as street,
    ):
        street.edge.start()
        street.settle_in()
        with street.pressing():
            for delay_s in (0.0, 0.3, 1.5):
                wanted = rotate(database)
                time.sleep(delay_s)  # the kill falls before, while or after the new number is kept
                street.edge.kill()
                street.edge.start()
                wait_until(lambda wanted=wanted: identity(street)["key_number"] == wanted, 30)
                street.await_press(30)
        street.check()
        assert worker.poll() is None
        wait_until(lambda: street.row("key_number") == 4, 60, "the older keys are refused for good")
        street.press()
        street.check()


def test_a_key_is_asked_for_only_where_there_is_one(database: str) -> None:
    furnish(database)
    connection = connect(database, application="test")
    at = datetime.now(UTC)
    try:
        with pytest.raises(NotFound):
            rotate_key(connection, "nowhere", None, actor="test", at=at)
        with pytest.raises(ActRefused):
            rotate_key(connection, "other-edge", None, actor="test", at=at)
        assert rotate_key(connection, EDGE, None, actor="test", at=at)[1] == 2
        assert rotate_key(connection, EDGE, None, actor="test", at=at)[1] == 3
    finally:
        connection.close()


def test_after_a_new_enrolment_what_was_spooled_before_goes_out_under_the_new_key(
    database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    with real_street(database, broker, broker, tmp_path) as street:
        with worker_process(database, broker.host, broker.port):
            street.edge.start()
            street.settle_in()
        street.press(20)
        spool = street.edge.folder / "data" / "spool.sqlite"
        wait_until(lambda: count_alarms(spool) >= 20, 20, "they are in the spool")
        street.edge.kill()
        street.edge.secret = b"n" * 32
        street.edge.enrol(BrokerAddress(host=broker.host, port=broker.port))
        street.reader.execute("UPDATE edge SET root_secret = %s WHERE edge = %s", (street.edge.secret, EDGE))
        with worker_process(database, broker.host, broker.port):
            street.edge.start()
            street.check()


@pytest.mark.services
def test_an_edge_moves_to_another_broker_under_load_and_stays_there(
    database: str, broker: RunningBroker, mosquitto: RunningBroker, tmp_path: Path
) -> None:
    new = {"host": mosquitto.host, "port": mosquitto.port}
    with (
        worker_process(database, mosquitto.host, mosquitto.port, "--former", str(broker.port)),
        real_street(database, broker, broker, tmp_path) as street,
    ):
        street.edge.start()
        street.settle_in()
        with street.pressing():
            move(street, new)
            wait_until(lambda: identity(street)["broker"]["port"] == mosquitto.port, 30, "it is kept")
            street.await_press(20)
            street.edge.kill()
            street.edge.start()
            street.await_press(30)
        street.check()


def test_an_edge_that_finds_no_hub_over_the_new_broker_stays_and_says_so(
    database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    with (
        worker_process(database, broker.host, broker.port),
        real_street(database, broker, broker, tmp_path) as street,
    ):
        street.edge.start()
        street.settle_in()
        with street.pressing():
            move(street, {"host": "no-such-name.invalid", "port": 1883})
            said = wait_until(lambda: street.row("settings_error"), 45, "the edge says why")
        assert "no-such-name.invalid:1883" in said
        assert identity(street)["broker"]["port"] == broker.port
        street.check()


def move(street: RealStreet, broker: dict[str, Any]) -> None:
    street.reader.execute(
        "UPDATE edge SET settings = settings || jsonb_build_object('broker', %s::jsonb),"
        " settings_version = settings_version + 1 WHERE edge = %s",
        (json.dumps(broker), EDGE),
    )


def active(street: RealStreet, kind: str) -> bool:
    row = street.reader.execute(
        "SELECT active AS x FROM condition WHERE kind = %s AND device = %s", (kind, f"edge:{EDGE}")
    ).fetchone()
    return bool(row and (row["x"] if isinstance(row, dict) else row[0]))


@pytest.mark.parametrize("newer", ["edge", "hub"])
def test_two_versions_wait_for_each_other_say_so_and_go_on_after_the_update(
    newer: str, database: str, broker: RunningBroker, tmp_path: Path
) -> None:
    with real_street(database, broker, broker, tmp_path) as street:
        with worker_process(database, broker.host, broker.port):
            street.edge.start()
            street.settle_in()
            street.edge.kill()
        options = ["--version", "2"] if newer == "hub" else []
        if newer == "edge":
            street.edge.program = OTHER_VERSION + RUN
        with worker_process(database, broker.host, broker.port, *options):
            street.edge.start()
            wait_until(lambda: active(street, "edge.incompatible"), 30, "the hub says so")
            wait_until(lambda: "speaks another version" in street.edge.log(), 30, "the edge says so")
            wait_until(lambda: "in force" in street.edge.log(), 15)
            time.sleep(1)
            street.press(10)
            wait_until(lambda: not active(street, "edge.offline"), 1)
            if newer == "edge":
                street.edge.kill(signal.SIGTERM)
        street.edge.program = RUN
        with worker_process(database, broker.host, broker.port):
            if newer == "edge":
                street.edge.start()
            street.await_press(45)
            street.check()
