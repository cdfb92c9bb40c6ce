"""An alarm that nobody stores is on the screen all the same: worker dead, then the database too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from adapters.contract.topic import down_topic, lane_topic
from adapters.contract.vocabulary import Lane
from hub.store.database import connect
from hub.store.migration import migrate
from tests.conftest import RunningBroker, RunningPostgres
from tests.raising import beat_as
from tests.running_api import Screen, prepare_site, run_api_here
from tests.unit.test_view_unreceipted import ROOT, SENDER, frame, make_event, receipt
from tests.waiting import wait_until


@contextmanager
def publisher(broker: RunningBroker) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{secrets.token_hex(4)}")
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_heard_without_a_receipt_until_it_is_stored(
    own_postgres: RunningPostgres, broker: RunningBroker, tmp_path: Path
) -> None:
    own_postgres.server.ensure_database("live")
    database = own_postgres.dsn("live")
    migrate(database)
    prepare_site(database)
    connection = connect(database, application="test")
    connection.execute("UPDATE edge SET root_secret = %s", (ROOT,))
    with run_api_here(database, tmp_path, broker.port) as api, publisher(broker) as edge:
        client = api.administrator()
        screen = Screen(client)
        wait_until(lambda: screen.named("beat") and "broker" not in screen.named("beat")[-1].data["missing"])
        assert screen.wait_for("unreceipted").data["items"] == []
        edge.publish(lane_topic(SENDER, Lane.ALARM), frame(make_event()), qos=1)
        (item,) = screen.wait_for("unreceipted", 2).data["items"]
        assert item["id"] == "e1/7/1/1/0"
        assert (item["priority"], item["kind_name"]["zh"]) == ("critical", "一键报警")
        assert (item["device_name"]["zh"], item["zone_name"]["zh"]) == ("按钮", "<img src=x onerror=alert(1)>")
        late = Screen(client)
        assert len(late.wait_for("unreceipted").data["items"]) == 1
        late.close()
        # The hub lives again and stores it.
        told = {"pid": 1, "counts": {"quarantined": 3}, "dropped": {"telemetry": 2}}
        beat_as(connection, "worker", "demo", told)
        beat_as(connection, "worker", "second", told)
        beat_as(connection, "chores", "", {"pid": 2, "failed": {"deadline": 1}})
        edge.publish(down_topic(SENDER, "receipt"), receipt(1), qos=1)
        assert screen.wait_for("unreceipted", 3).data["items"] == []
        # Now the database is gone, too.
        connection.close()
        own_postgres.kill()
        edge.publish(lane_topic(SENDER, Lane.ALARM), frame(make_event("fire.alarm", True), first=2), qos=1)
        (item,) = screen.wait_for("unreceipted", 4).data["items"]
        assert item["kind"] == "fire.alarm"
        edge.publish(down_topic(SENDER, "receipt"), receipt(2), qos=1)
        own_postgres.start()
        assert screen.wait_for("unreceipted", 5, deadline_s=15).data["items"] == []
        figures = client.get("/metrics").text
        assert 'sanfang_intake_total{what="quarantined"} 3.0' in figures, "one worker of two sites counts once"
        assert 'sanfang_intake_dropped_total{lane="telemetry"} 2.0' in figures
        assert 'sanfang_chores_failed_total{chore="deadline"} 1.0' in figures
        assert "sanfang_unreceipted 0.0" in figures
        assert 'sanfang_ready{part="broker"} 1.0' in figures
        screen.close()


def test_the_broker_dies_and_comes_back(database: str, broker: RunningBroker, tmp_path: Path) -> None:
    prepare_site(database)
    connection = connect(database, application="test")
    connection.execute("UPDATE edge SET root_secret = %s", (ROOT,))
    connection.close()
    with run_api_here(database, tmp_path, broker.port) as api:
        client = api.administrator()

        def missing() -> list[str]:
            found: list[str] = client.get("/readyz").json()["missing"]
            return found

        wait_until(lambda: "broker" not in missing())
        broker.kill()
        wait_until(lambda: "broker" in missing())
        broker.start()
        wait_until(lambda: "broker" not in missing(), 15)
        screen = Screen(client)
        screen.wait_for("unreceipted")
        with publisher(broker) as edge:
            edge.publish(lane_topic(SENDER, Lane.ALARM), frame(make_event()), qos=1)
            assert len(screen.wait_for("unreceipted", 2).data["items"]) == 1
        screen.close()
