"""What is kept long enough goes, and nothing else: open things, evidence, the chain of the journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.vocabulary import Lane
from hub.domain.chain import Seal, canonical, hash_row
from hub.domain.retention import AUDIT_DAYS, CLASSES, DEFAULT, read_days
from hub.jobs.retention import Retention
from hub.store.database import Connection, connect, transaction
from hub.store.journal import append_journal
from hub.store.liveness import save_liveness
from hub.store.migration import layout_of
from hub.store.partition import attach, day_span, drop_day, drop_partition, held_days, named_partitions
from hub.store.retention import drop_rollups, is_rolled_up
from hub.store.rollup import make_rollup_partitions
from tests.intake_scene import SITE, count, event, furnish, items_frame, pack_event
from tests.integration.test_intake import Hub

NOW = datetime.now(UTC)


@pytest.fixture
def connection(any_database: str) -> Iterator[Connection]:
    furnish(any_database)
    opened = connect(any_database, application="test")
    yield opened
    opened.close()


def unsigned(site: str, seq: int, row_hash: bytes, at: datetime) -> Seal:
    return Seal(site, seq, at, row_hash)


def clean(connection: Connection, now: datetime, **kept: int | None) -> None:
    """A whole round."""
    retention = Retention(unsigned, {**DEFAULT, **kept})
    retention.work(connection, [SITE], now)
    while retention.busy:
        retention.work(connection, [SITE], now)


def test_an_alarm_shows_its_evidence_when_all_events_and_readings_are_gone(any_database: str) -> None:
    furnish(any_database)
    hub = Hub(any_database)
    try:
        hub.take(
            items_frame(
                Lane.ALARM,
                1,
                [
                    pack_event(event("panic.pressed", "gate-button", attributes={"button": 2})),
                    pack_event(event("fire.alarm", "lab-smoke", active=True)),
                    pack_event(event("fire.alarm", "lab-heat", active=True)),
                    pack_event(event("device.battery_low", "gate-button", active=True)),
                ],
            )
        )
        open_before = hub.open_alarms()
        assert len(open_before) >= 3
        layout = layout_of(hub.connection)
        for table in ("events", "readings"):
            for day in held_days(hub.connection, layout, table):
                drop_day(hub.connection, layout, table, day)
        assert count(hub.connection, "SELECT count(*) FROM events") == 0
        clean(hub.connection, NOW + timedelta(days=5_000))
        assert hub.open_alarms() == open_before
        evidence = hub.rows("SELECT body ->> 'kind', body -> 'values' ->> 'button' FROM alarm_evidence")
        assert ("panic.pressed", "2") in evidence
        assert count(hub.connection, "SELECT count(DISTINCT alarm) FROM alarm_evidence") == count(
            hub.connection, "SELECT count(*) FROM alarm"
        )
        assert count(hub.connection, "SELECT count(*) FROM hazard") == count(
            hub.connection, "SELECT count(*) FROM hazard WHERE jsonb_array_length(evidence) > 0"
        )
        assert count(hub.connection, "SELECT count(*) FROM hazard") >= 1
    finally:
        hub.connection.close()


def put_alarm(connection: Connection, number: int, state: str, closed_at: datetime | None) -> None:
    connection.execute(
        "INSERT INTO alarm (site, alarm, subject, condition, kind, priority, state, nature, rule, rule_version,"
        " owner_post, observed_at, raised_at, last_raised_at, closed_at)"
        " VALUES (%s, %s, %s, 'c', 'k', 'low', %s, 'plain', 'r', 1, 'p', %s, %s, %s, %s)",
        (SITE, number, f"s{number}", state, NOW, NOW, NOW, closed_at),
    )
    connection.execute(
        "INSERT INTO alarm_evidence (site, alarm, ordinal, event, recorded_at, body)"
        " VALUES (%s, %s, 1, 'e', %s, '{}')",
        (SITE, number, NOW),
    )


def test_closed_alarms_go_with_their_evidence_a_hundred_at_a_turn_and_open_ones_stay(
    connection: Connection,
) -> None:
    old = NOW - timedelta(days=1_200)
    for number in range(1, 251):
        put_alarm(connection, number, "closed", old)
    put_alarm(connection, 251, "closed", NOW - timedelta(days=30))
    put_alarm(connection, 252, "unacknowledged", None)
    clean(connection, NOW)
    assert connection.execute("SELECT array_agg(alarm ORDER BY alarm) FROM alarm").fetchone() == ([251, 252],)
    assert count(connection, "SELECT count(*) FROM alarm_evidence") == 2
    clean(connection, NOW + timedelta(days=9_000), alarms=None)
    assert count(connection, "SELECT count(*) FROM alarm") == 2


def test_a_pruned_journal_leaves_the_hash_at_which_its_chain_begins(connection: Connection) -> None:
    for days in range(1_300, 0, -10):
        at = NOW - timedelta(days=days)
        append_journal(connection, SITE, at=at, actor="a", subject="s", kind="k", body={"days": days})
    clean(connection, NOW)
    anchor = connection.execute("SELECT seq, hash FROM journal_anchor WHERE site = %s", (SITE,)).fetchone()
    assert anchor is not None
    seq, chained = anchor[0], bytes(anchor[1])
    rows = connection.execute(
        "SELECT seq, at, actor, subject, kind, body, prev_hash, hash FROM journal ORDER BY seq"
    ).fetchall()
    assert rows[0][0] == seq + 1 and rows[0][1] >= NOW - timedelta(days=1_096)
    for number, at, actor, subject, kind, body, prev_hash, row_hash in rows:
        assert bytes(prev_hash) == chained
        chained = hash_row(chained, SITE, number, at, actor, subject, kind, canonical(body))
        assert bytes(row_hash) == chained
    # However old all of it is, the head stays: the next row is chained to it.
    clean(connection, NOW + timedelta(days=9_000))
    assert count(connection, "SELECT count(*) FROM journal") == 1
    assert (
        append_journal(connection, SITE, at=NOW, actor="a", subject="s", kind="k", body={}) == rows[-1][0] + 1
    )


def test_the_newest_position_of_the_history_stays(connection: Connection) -> None:
    for position in range(1, 2_101):
        connection.execute(
            "INSERT INTO history (site, position, at, source, ref) VALUES (%s, %s, %s, 'tick', '{}')",
            (SITE, position, NOW - timedelta(days=500)),
        )
    clean(connection, NOW)
    assert connection.execute("SELECT array_agg(position) FROM history").fetchone() == ([2_100],)


def test_raw_readings_stay_until_they_are_in_the_rollups(connection: Connection) -> None:
    day = NOW.date()
    assert is_rolled_up(connection, day)
    connection.execute("INSERT INTO readings VALUES (%s, 1, %s, %s, 1, 0)", (SITE, NOW, NOW))
    assert not is_rolled_up(connection, day)
    connection.execute("INSERT INTO rollup_mark VALUES (%s, %s)", (SITE, NOW - timedelta(seconds=1)))
    assert not is_rolled_up(connection, day)
    assert is_rolled_up(connection, day - timedelta(days=1))
    connection.execute("UPDATE rollup_mark SET recorded_at = %s", (NOW,))
    assert is_rolled_up(connection, day)


def test_rollups_go_by_their_level_and_day_rollups_stay(connection: Connection) -> None:
    make_rollup_partitions(connection, NOW - timedelta(days=400), NOW)
    assert drop_rollups(connection, 60, NOW.date() - timedelta(days=90)) == 310
    assert drop_rollups(connection, 900, NOW.date() - timedelta(days=366)) == 1
    assert drop_rollups(connection, 3_600, NOW.date() - timedelta(days=1_827)) == 0
    assert len(named_partitions(connection, "rollup_60")) == 91
    connection.execute(
        "INSERT INTO rollup VALUES (%s, 1, 86400, %s, 1, 1, 1, 1, 1, 1, %s, 1)", (SITE, NOW, NOW)
    )
    clean(connection, NOW + timedelta(days=20_000))
    assert count(connection, "SELECT count(*) FROM rollup") == 1
    assert named_partitions(connection, "rollup_60") == []


def test_a_clock_that_leapt_ahead_drops_nothing(connection: Connection) -> None:
    put_alarm(connection, 1, "closed", NOW - timedelta(days=1))
    save_liveness(connection, "chores", [""], started_at=NOW, at=NOW, detail={})
    leapt = NOW + timedelta(days=80 * 365)
    retention = Retention(unsigned)
    assert retention.work(connection, [SITE], leapt) == 0
    assert retention.work(connection, [SITE], leapt + timedelta(seconds=5)) == 0
    # Under its eyes, too.
    watching = Retention(unsigned)
    save_liveness(connection, "chores", [""], started_at=NOW, at=leapt, detail={})
    watching.work(connection, [SITE], leapt - timedelta(days=29_000))
    assert watching.work(connection, [SITE], leapt) == 0
    assert count(connection, "SELECT count(*) FROM alarm") == 1


def test_neither_making_nor_dropping_a_partition_waits_for_a_reader_or_holds_a_writer_up(database: str) -> None:
    """An export of an hour must not stop intake for a second."""
    with connect(database, application="test") as reader, connect(database, application="test") as chores:
        with transaction(reader):
            reader.execute("SELECT count(*) FROM events, readings")
            chores.execute("SET lock_timeout = '1s'")
            span = day_span("readings", NOW.date() - timedelta(days=100))
            assert attach(chores, "readings", [span]) == [span.name]
        with transaction(reader):
            reader.execute("INSERT INTO readings VALUES ('s', 1, %s, %s, 1, 0)", (NOW, NOW))
            chores.execute("SET statement_timeout = '300ms'")
            # It waits for who may still use that partition, is cut off, and holds nobody up meanwhile.
            with pytest.raises(Exception, match="timeout"):
                drop_partition(chores, "readings", span.name)
            with connect(database, application="test") as writer:
                writer.execute("SET lock_timeout = '1s'")
                writer.execute("INSERT INTO readings VALUES ('s', 1, %s, %s, 1, 0)", (NOW, NOW))
        drop_partition(chores, "readings", span.name)
        assert span.name not in named_partitions(chores, "readings")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_no_class_goes_below_its_floor(name: str) -> None:
    kind = CLASSES[name]
    assert read_days(name, kind.floor) == kind.floor
    assert read_days(name, "forever") is None
    assert kind.days is None or kind.days >= kind.floor
    for wrong in (kind.floor - 1, 0, -1, "30", 1.5, True, 40_000):
        with pytest.raises(ValueError, match=r"; write "):
            read_days(name, wrong)
    if name in ("journal", "events", "alarms", "incidents", "hazards", "commands"):
        assert kind.floor >= AUDIT_DAYS
