"""A hub whose clock says 1970 takes events, makes no partition of 1970, and says that its clock is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.vocabulary import Lane
from hub import clock
from hub.store.database import connect
from hub.store.liveness import last_alive, save_liveness
from hub.store.migration import layout_of
from hub.store.partition import held_days
from tests.conftest import RunningBroker
from tests.intake_scene import SITE, StandIn, count, event, furnish, items_frame, pack_event
from tests.integration.test_restored_hub import alarms, working
from tests.waiting import wait_until

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock begins at 1970."""
    began_s = clock.steady_s()
    monkeypatch.setattr(clock._Unset, "at", clock.EARLIEST)
    monkeypatch.setattr(clock._Unset, "at_s", began_s)
    for name in ("hub.clock.wall_now", "hub.intake.warden.wall_now"):
        monkeypatch.setattr(name, lambda: EPOCH + timedelta(seconds=clock.steady_s() - began_s))


@pytest.mark.usefixtures("unset")
def test_time_goes_on_from_what_was_recorded_last() -> None:
    newest = datetime(2026, 11, 1, tzinfo=UTC)
    clock.resume_from(newest)
    assert newest <= clock.utc_now() < newest + timedelta(minutes=1)


@pytest.mark.usefixtures("unset")
def test_a_first_start_without_a_clock_begins_at_the_earliest() -> None:
    clock.resume_from(None)
    assert clock.EARLIEST <= clock.utc_now() < clock.EARLIEST + timedelta(minutes=1)


def test_a_clock_that_was_set_is_believed() -> None:
    before = clock.utc_now()
    clock.resume_from(before + timedelta(days=300))
    assert clock.utc_now() < before + timedelta(minutes=1)


@pytest.mark.usefixtures("unset")
def test_events_are_taken_and_nothing_is_made_for_1970(any_database: str, broker: RunningBroker) -> None:
    furnish(any_database)
    with connect(any_database, application="test") as connection:
        now = datetime.now(UTC)
        save_liveness(connection, "worker", [SITE], started_at=now, at=now, detail={})
        assert last_alive(connection) == now
        edge = StandIn(broker.host, broker.port)
        try:
            with working(any_database, broker):
                frame = items_frame(Lane.ALARM, 1, [pack_event(event("panic.pressed", "gate-button"))])
                wait_until(
                    lambda: edge.send(Lane.ALARM, frame) or edge.receipts(), 20, "it is taken", poll_s=0.5
                )
                wait_until(
                    lambda: count(connection, "SELECT count(*) FROM hazard WHERE device = 'hub:clock'"),
                    20,
                    "the clock is told",
                )
            assert ("gate-button", "panic.pressed") in alarms(connection)
            assert count(connection, "SELECT count(*) FROM events WHERE recorded_at < %s", now) == 0
            assert count(connection, "SELECT count(*) FROM alarm WHERE raised_at < %s", now) == 0
            for table in ("events", "readings"):
                assert all(day.year >= 2026 for day in held_days(connection, layout_of(connection), table))
        finally:
            edge.close()
