"""Items into a real database: once each, in order, with their consequences, whatever they contain."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.contract.codec import encode_payload
from adapters.contract.message import AGE_UNKNOWN, ReadingsItem, Type
from adapters.contract.vocabulary import Lane, Quality
from hub.domain.error import StoreUnavailable
from hub.domain.judgement import EventInput, Input, ReadingInput, TickInput, Verdict
from hub.intake.clerk import Clerk, Outcome
from hub.intake.clock import ClockSight
from hub.intake.gate import Gate, Message
from hub.intake.inbox import Arrival
from hub.intake.parcel import Parcel
from hub.intake.quarantine import retry_item
from hub.intake.run import open_run
from hub.intake.transaction import Court
from hub.rulebook.book import load_book
from hub.rules.engine import Engine
from hub.store.database import connect, site_turn
from hub.store.journal import append_journal
from hub.store.quarantine import list_quarantine, request_retry
from hub.store.reading import prepare_connection
from hub.store.site import edge_keys
from tests.intake_scene import (
    EDGE,
    SENDER,
    SITE,
    count,
    event,
    frame,
    furnish,
    items_frame,
    now_us,
    pack_event,
    pack_result,
    pack_values,
    tombstone_frame,
)

CONFIG = Path(__file__).parents[2] / "config"
BOOK = load_book(CONFIG / "rules", CONFIG / "plans")
SECOND = 1_000_000
PANIC = ("panic.pressed", "gate-button")


class Hub:
    """A clerk over a furnished database, fed frame by frame."""

    def __init__(self, dsn: str, make_engine: type[Engine] = Engine) -> None:
        self.connection = prepare_connection(connect(dsn, application="test"))
        court = Court(BOOK, lambda model: make_engine(BOOK, model))
        self.clerk = Clerk(self.connection, court, lambda sender: self.sight)
        self.clerk.hold(SITE, datetime.now(UTC))
        self.sight: ClockSight | None = None
        self._gate = Gate(lambda: edge_keys(self.connection))

    def take(self, *frames: bytes, lane: Lane = Lane.ALARM, waited: timedelta = timedelta(0)) -> Outcome:
        """Take frames that came in `waited` ago."""
        runs = []
        for data in frames:
            arrival = Arrival(SENDER, lane.name.lower(), data, datetime.now(UTC) - waited)
            message = self._gate.admit(arrival)
            assert isinstance(message, Message), message
            runs.append(open_run(message))
        return self.clerk.take_runs(runs, datetime.now(UTC))

    def alarms(self, first: int, items: Sequence[bytes], **more: Any) -> Outcome:
        return self.take(items_frame(Lane.ALARM, first, items, **more))

    def telemetry(self, first: int, items: Sequence[bytes], **more: Any) -> Outcome:
        return self.take(items_frame(Lane.TELEMETRY, first, items, **more), lane=Lane.TELEMETRY)

    def events(self) -> list[str]:
        """Kinds as stored, in order, the hub's own aside."""
        rows = self.rows("SELECT kind FROM events WHERE edge <> 'hub' ORDER BY epoch, lane, sequence, ordinal")
        return [row[0] for row in rows]

    def own_events(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT kind, device, active FROM events WHERE edge = 'hub' ORDER BY recorded_at, event"
        )

    def open_alarms(self) -> set[tuple[str, str]]:
        return set(self.rows("SELECT subject, kind FROM alarm WHERE state <> 'closed'"))  # type: ignore[arg-type]

    def held(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT code, sequence, ordinal FROM quarantine ORDER BY quarantine")

    def cursor(self, lane: Lane = Lane.ALARM, epoch: int = 7) -> int:
        query = "SELECT coalesce(max(position), 0) FROM cursor WHERE edge = %s AND lane = %s AND epoch = %s"
        return count(self.connection, query, EDGE, int(lane), epoch)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()  # type: ignore[call-overload,no-any-return]


OpenHub = Callable[..., Hub]


@pytest.fixture
def open_hub() -> Iterator[OpenHub]:
    """Opens hubs over a database; closes their connections at the end."""
    with ExitStack() as stack:

        def open_one(dsn: str, make_engine: type[Engine] = Engine) -> Hub:
            opened = Hub(dsn, make_engine)
            stack.callback(opened.connection.close)
            return opened

        yield open_one


@pytest.fixture
def hub(any_database: str, open_hub: OpenHub) -> Hub:
    furnish(any_database)
    return open_hub(any_database)


@pytest.fixture
def native(database: str, open_hub: OpenHub) -> Hub:
    furnish(database)
    return open_hub(database)


def press(**more: Any) -> bytes:
    return pack_event(event(*PANIC, **more))


def receipted(outcome: Outcome, lane: Lane = Lane.ALARM, epoch: int = 7) -> int | None:
    return outcome.cursors.get(SENDER, {}).get((epoch, int(lane)))


def test_a_press_becomes_an_event_an_alarm_a_cursor_and_journal_rows(hub: Hub) -> None:
    assert receipted(hub.alarms(1, [press()])) == 1
    assert hub.events() == ["panic.pressed"]
    assert hub.cursor() == 1
    assert hub.open_alarms() == {("gate-button", "panic.pressed")}
    kinds = [row[0] for row in hub.rows("SELECT kind FROM journal ORDER BY seq")]
    assert "alarm.raised" in kinds
    assert hub.rows("SELECT source, ref -> 'runs' FROM history") == [("alarm", [[EDGE, 7, 1, 1, 1]])]


def test_duplicates_are_receipted_and_change_nothing(hub: Hub) -> None:
    data = items_frame(Lane.ALARM, 1, [press(), press()])
    hub.take(data)
    before = hub.rows("SELECT * FROM journal"), hub.rows("SELECT * FROM alarm")
    assert receipted(hub.take(data, data)) == 2
    assert (hub.rows("SELECT * FROM journal"), hub.rows("SELECT * FROM alarm")) == before
    assert len(hub.events()) == 2


def test_an_overlap_stores_only_what_is_new(native: Hub) -> None:
    native.alarms(1, [press(), press()])
    outcome = native.alarms(2, [press(), press(), press()])
    assert receipted(outcome) == 4
    assert native.rows("SELECT sequence FROM events ORDER BY sequence") == [(1,), (2,), (3,), (4,)]


def test_items_that_come_too_early_are_asked_for_in_order(native: Hub) -> None:
    outcome = native.alarms(3, [press()])
    assert outcome.gaps == {(SENDER, 7, 1): 1}
    assert outcome.cursors == {}
    assert native.events() == []
    # In one batch, out of order: the first that fits is taken, the gap is told.
    one, two, three = (items_frame(Lane.ALARM, first, [press()]) for first in (1, 2, 3))
    outcome = native.take(three, one, two)
    assert (receipted(outcome), outcome.gaps) == (2, {(SENDER, 7, 1): 1})
    assert receipted(native.take(three)) == 3
    assert len(native.events()) == 3


def test_epochs_and_lanes_have_cursors_of_their_own(native: Hub) -> None:
    native.alarms(1, [press()])
    native.alarms(1, [press()], epoch=8)
    native.telemetry(1, [pack_values("lab-air", "temperature_c", [1.0])])
    assert (native.cursor(), native.cursor(epoch=8), native.cursor(Lane.TELEMETRY)) == (1, 1, 1)
    assert len(native.events()) == 2


def test_a_tombstone_moves_the_cursor_and_is_kept_and_told(hub: Hub) -> None:
    hub.alarms(1, [press()])
    outcome = hub.take(tombstone_frame(Lane.ALARM, 2, 50, "disk full"))
    assert receipted(outcome) == 51
    assert outcome.dropped == {SENDER}
    assert hub.rows("SELECT first, count, reason FROM tombstone") == [(2, 50, "disk full")]
    assert ("edge.spool_dropping", f"edge:{EDGE}", True) in hub.own_events()
    assert receipted(hub.alarms(52, [press()])) == 52


def test_half_a_tombstone_counts_only_its_new_half(native: Hub) -> None:
    native.alarms(1, [press()])
    native.take(tombstone_frame(Lane.ALARM, 1, 5, readings=struct.pack("<5H", 1_000, 1, 20, 300, 2_000)))
    assert native.rows("SELECT first, count, readings FROM tombstone") == [(2, 4, 2_321)]


def test_a_tombstone_that_miscounts_its_readings_is_held_and_the_lane_goes_on(native: Hub) -> None:
    assert receipted(native.take(tombstone_frame(Lane.ALARM, 1, 5, readings=b"\0\1"))) == 5
    assert native.rows("SELECT code FROM quarantine") == [("miscounted",)]


POISON = {
    "junk": (b"\xff\x00junk", "malformed_item"),
    "empty": (b"", "malformed_item"),
    "oversized": (press(raw=b"x" * 70_000), "malformed_item"),
    "nul": (pack_event(event(*PANIC, attributes={"holder": "a\0b"})), "malformed_item"),
    "unknown kind": (pack_event(event("panic.imagined", "gate-button")), "malformed_item"),
    "momentary with a state": (
        pack_event(event("panic.pressed", "gate-button", active=True)),
        "malformed_item",
    ),
    "wrong types": (
        encode_payload(ReadingsItem(0, [("a", "b", "c")], b"1", b"2", b"3", b"4")),
        "malformed_item",
    ),
    "unknown device": (pack_event(event("panic.pressed", "no-such-button")), "misaddressed"),
    "other edge's device": (pack_event(event("door.forced", "far-door", active=True)), "misaddressed"),
    "endless address": (pack_event(event(*PANIC, address="x" * 5_000)), "misaddressed"),
    "endless identity": (pack_event(event(*PANIC, identity="x" * 5_000)), "malformed_item"),
    "no state of a command": (pack_result("c1", "maybe"), "malformed_item"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_in_the_middle_is_held_whole_and_the_lane_goes_on(native: Hub, name: str) -> None:
    data, code = POISON[name]
    good = press()
    assert receipted(native.alarms(1, [good, data, good])) == 3
    assert native.events() == ["panic.pressed", "panic.pressed"]
    assert [(held_code, sequence) for held_code, sequence, _ in native.held()] == [(code, 2)]
    if code == "malformed_item":
        assert native.rows("SELECT payload FROM quarantine") == [(data,)]
    assert any(kind == "intake.unreadable" for kind, _, _ in native.own_events())
    assert any(kind == "intake.unreadable" for _, kind in native.open_alarms())
    assert native.clerk.counts["quarantined"] == 1


def test_one_bad_event_of_an_item_is_held_alone(native: Hub) -> None:
    native.alarms(1, [pack_event(event(*PANIC), event("door.forced", "far-door", active=True), event(*PANIC))])
    assert native.events() == ["panic.pressed", "panic.pressed"]
    assert native.held() == [("misaddressed", 1, 1)]


@pytest.mark.parametrize(("payload", "carried"), [(b"", 1), (b"\x93\x00", 1), (b"\xc1" * 100, 3)])
def test_a_payload_that_cannot_be_opened_is_held_and_the_cursor_moves(
    native: Hub, payload: bytes, carried: int
) -> None:
    outcome = native.take(frame(Type.ITEMS, payload, lane=Lane.ALARM, first=1, count=3))
    assert receipted(outcome) == carried, "as far as its bytes can reach, and no further"
    assert native.held() == [("malformed_payload", 1, None)]
    assert receipted(native.alarms(carried + 1, [press()])) == carried + 1


def test_readings_are_stored_once_with_the_newest_value(hub: Hub) -> None:
    now = now_us()
    first = pack_values(
        "lab-air", "temperature_c", [20.0, 21.0], at=[now - 2 * SECOND, now - SECOND], edge_at=now
    )
    outcome = hub.telemetry(1, [first])
    assert receipted(outcome, Lane.TELEMETRY) == 1
    hub.telemetry(1, [first])
    older = pack_values("lab-air", "temperature_c", [5.0], at=[now - 3 * SECOND], edge_at=now)
    hub.telemetry(2, [older])
    assert hub.rows("SELECT value FROM readings ORDER BY observed_at") == [(5.0,), (20.0,), (21.0,)]
    assert hub.rows("SELECT value, quality FROM latest") == [(21.0, 0)]
    assert hub.rows("SELECT device, address, point FROM series") == [("lab-air", "", "temperature_c")]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_is_a_fault_not_a_number(native: Hub, value: float) -> None:
    native.telemetry(1, [pack_values("lab-air", "gas_lel_pct", [value])])
    assert native.rows("SELECT quality FROM readings") == [(int(Quality.BAD),)]
    assert native.open_alarms() == set()


@pytest.mark.parametrize("device_at", [5 * SECOND, 4_294_967_295 * SECOND, -(2**63), 2**63 - 1])
def test_a_lying_device_clock_loses_no_event_and_makes_no_partition(hub: Hub, device_at: int) -> None:
    before = hub.rows("SELECT count(*) FROM pg_inherits")
    hub.alarms(1, [press(at=device_at)])
    hub.telemetry(1, [pack_values("lab-air", "temperature_c", [1.0], at=[device_at])])
    ((observed, recorded, quality, word),) = hub.rows(
        "SELECT observed_at, recorded_at, quality, device_at FROM events WHERE edge <> 'hub'"
    )
    assert abs(observed - recorded) < timedelta(seconds=5)
    assert quality == int(Quality.UNCERTAIN)
    assert word is None or abs(word.year - 1970) < 2 or word.year == 2106
    assert hub.rows("SELECT quality FROM readings") == [(int(Quality.UNCERTAIN),)]
    drifts = [row for row in hub.own_events() if row[0] == "device.clock_drift"]
    assert drifts == [("device.clock_drift", "gate-button", True), ("device.clock_drift", "lab-air", True)]
    if hub.rows("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'") == []:
        assert hub.rows("SELECT count(*) FROM pg_inherits") == before


def test_drift_is_told_once_and_cleared_once(native: Hub) -> None:
    for first, at in ((1, 5 * SECOND), (2, 6 * SECOND), (3, None), (4, "now"), (5, "now")):
        native.alarms(first, [press(at=now_us() if at == "now" else at)])
    drifts = [row for row in native.own_events() if row[0] == "device.clock_drift"]
    assert [active for _, _, active in drifts] == [True, False]


def test_a_reading_of_a_closed_day_is_held_alone(native: Hub) -> None:
    long_ago = now_us() - 40 * 86_400 * SECOND
    item = pack_values("lab-air", "temperature_c", [1.0], at=[long_ago], edge_at=long_ago)
    outcome = native.telemetry(1, [item, pack_values("lab-air", "temperature_c", [2.0])], age_ms=AGE_UNKNOWN)
    assert receipted(outcome, Lane.TELEMETRY) == 2
    assert native.rows("SELECT value FROM readings") == [(2.0,)]
    assert native.held() == [("outside_open_range", 1, 0)]


def test_readings_of_strangers_are_held_and_the_others_stored(native: Hub) -> None:
    items = [
        pack_values("far-door", "battery_pct", [1.0]),
        pack_values("lab-air", "temperature_c", [2.0]),
        pack_values("lab-air", "no_such_point", [3.0]),
    ]
    native.telemetry(1, items)
    assert native.rows("SELECT value FROM readings") == [(2.0,)]
    assert [row[0] for row in native.held()] == ["misaddressed", "misaddressed"]
    assert native.rows("SELECT count(*) FROM series") == [(1,)]


@pytest.mark.parametrize(("age_ms", "late"), [(100, False), (61_000, True), (AGE_UNKNOWN, True)])
def test_late_is_decided_once_and_stored(native: Hub, age_ms: int, late: bool) -> None:
    native.alarms(1, [press()], age_ms=age_ms)
    assert native.rows("SELECT late FROM events") == [(late,)]
    assert native.rows("SELECT late FROM alarm") == [(late,)]


@pytest.mark.parametrize(("waited_s", "late"), [(2, False), (61, True), (-300, False)])
def test_what_waited_here_for_the_store_has_grown_older(native: Hub, waited_s: int, late: bool) -> None:
    # A database that was away for long must not let the hub act on what came in before (invariant 9).
    smoke = [pack_event(event("fire.alarm", device, active=True)) for device in ("lab-smoke", "lab-heat")]
    native.take(items_frame(Lane.ALARM, 1, smoke, age_ms=100), waited=timedelta(seconds=waited_s))
    assert native.rows("SELECT DISTINCT late FROM events WHERE edge <> 'hub'") == [(late,)]
    assert native.rows("SELECT state FROM incident") == [("proposed" if late else "triggered",)]


def test_an_unknown_age_stays_unknown_while_it_waits(native: Hub) -> None:
    native.take(items_frame(Lane.ALARM, 1, [press()], age_ms=AGE_UNKNOWN), waited=timedelta(seconds=10))
    assert native.rows("SELECT late FROM events") == [(True,)]


def test_an_older_change_of_a_condition_is_history(native: Hub) -> None:
    now = now_us()
    smoke = ("fire.alarm", "lab-smoke")
    native.alarms(1, [pack_event(event(*smoke, active=True, edge_at=now))])
    native.alarms(1, [pack_event(event(*smoke, active=False, edge_at=now - 30 * SECOND))], epoch=6)
    assert native.rows("SELECT active FROM condition WHERE kind = 'fire.alarm'") == [(True,)]
    assert native.events() == ["fire.alarm", "fire.alarm"]
    assert ("lab-smoke", "fire.alarm") in native.open_alarms()
    assert native.rows("SELECT active FROM alarm WHERE subject = 'lab-smoke'") == [(True,)]


@pytest.mark.parametrize("set_back_s", [3, 20, 7_200])
def test_what_follows_in_the_lane_is_newer_though_the_edges_clock_was_set_back(
    native: Hub, set_back_s: int
) -> None:
    now, back = now_us(), set_back_s * SECOND
    native.sight = ClockSight(0, 50_000, now)
    door = ("door.forced", "gate-door")
    native.alarms(1, [pack_event(event(*door, active=True, edge_at=now))], sent_at=now, uptime_ms=50_000)
    over = pack_event(event(*door, active=False, edge_at=now - back))
    native.alarms(2, [over], sent_at=now - back, uptime_ms=50_000)
    assert native.rows("SELECT active FROM condition WHERE kind = 'door.forced'") == [(False,)]
    assert native.rows("SELECT active FROM alarm WHERE subject = 'gate-door'") == [(False,)]
    begun, ended = native.rows("SELECT observed_at FROM events WHERE edge <> 'hub' ORDER BY sequence")
    assert begun <= ended


def test_changes_of_one_message_are_in_the_lanes_order_too(native: Hub) -> None:
    now = now_us()
    door = ("door.forced", "gate-door")
    turns = [(True, 0), (False, 3), (True, 4), (False, 2)]
    items = [pack_event(event(*door, active=is_open, edge_at=now - s * SECOND)) for is_open, s in turns]
    native.alarms(1, items)
    assert native.rows("SELECT active FROM condition WHERE kind = 'door.forced'") == [(False,)]
    assert native.rows("SELECT active FROM alarm WHERE subject = 'gate-door'") == [(False,)]


class Faulty(Engine):
    """An engine that breaks on the heat detector, on hot air, and on ticks."""

    def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        for each in inputs:
            hot = isinstance(each, ReadingInput) and each.value > 1_000
            if (
                hot
                or isinstance(each, TickInput)
                or (isinstance(each, EventInput) and each.device == "lab-heat")
            ):
                raise ZeroDivisionError("a broken rule")
        return super().judge(position, inputs)

    def concerns(self, device: str, address: str, point: str) -> bool:
        return True


def test_what_the_rules_fail_on_is_stored_and_raised_unjudged(any_database: str, open_hub: OpenHub) -> None:
    furnish(any_database)
    hub = open_hub(any_database, Faulty)
    heat = pack_event(event("fire.alarm", "lab-heat", active=True))
    assert receipted(hub.alarms(1, [press(), heat, press(address="2")])) == 3
    assert hub.events() == ["panic.pressed", "fire.alarm", "panic.pressed"]
    assert hub.open_alarms() >= {
        ("gate-button", "panic.pressed"),
        ("gate-button:2", "panic.pressed"),
        ("lab-heat", "fire.alarm"),
    }
    assert hub.rows("SELECT unjudged, priority FROM alarm WHERE subject = 'lab-heat'") == [(True, "high")]
    assert any(kind == "rule.broken" for _, kind in hub.open_alarms())
    assert hub.held() == []
    assert receipted(hub.alarms(4, [press()])) == 4


def test_an_older_change_of_a_condition_is_history_and_shown_to_nobody(native: Hub) -> None:
    now = now_us()
    burns = event("fire.alarm", "lab-smoke", active=True, at=now - 1 * SECOND)
    earlier = event("fire.alarm", "lab-smoke", active=False, at=now - 3 * SECOND)
    native.alarms(1, [pack_event(burns)])
    native.alarms(2, [pack_event(earlier)])
    assert native.events() == ["fire.alarm", "fire.alarm"]
    assert native.clerk.sites[SITE].conditions["lab-smoke", "", "fire.alarm"].active
    assert native.rows("SELECT active FROM condition WHERE kind = 'fire.alarm'") == [(True,)]
    assert native.rows("SELECT body -> 'active' FROM journal WHERE kind = 'device.status'") == [(True,)]
    assert native.rows("SELECT active FROM alarm") == [(True,)]


def test_readings_the_rules_fail_on_are_stored_and_a_broken_tick_does_not_stop_the_worker(
    database: str, open_hub: OpenHub
) -> None:
    furnish(database)
    hub = open_hub(database, Faulty)
    items = [pack_values("lab-air", "temperature_c", [value]) for value in (20.0, 5_000.0, 21.0)]
    assert receipted(hub.telemetry(1, items), Lane.TELEMETRY) == 3
    assert sorted(hub.rows("SELECT value FROM readings")) == [(20.0,), (21.0,), (5_000.0,)]
    assert any(kind == "rule.broken" for _, kind in hub.open_alarms())
    now = datetime.now(UTC)
    hub.clerk.write(SITE, lambda held: Parcel(SITE, held.next_moment(now), "tick", inputs=[TickInput(now)]))
    assert receipted(hub.alarms(1, [press()])) == 1


def test_a_failed_batch_leaves_nothing_in_memory(database: str, open_hub: OpenHub) -> None:
    failures = [ZeroDivisionError("once")]

    class FailsOnce(Faulty):
        def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
            if failures:
                raise failures.pop()
            return Engine.judge(self, position, inputs)

    furnish(database)
    hub = open_hub(database, FailsOnce)
    hub.telemetry(1, [pack_values("lab-air", "temperature_c", [20.0])])
    # The batch that failed had numbered the series; the one that went in must have stored it.
    assert hub.rows("SELECT device, point FROM series") == [("lab-air", "temperature_c")]
    assert hub.rows("SELECT position FROM history") == [(1,)]


def test_a_lost_connection_leaves_nothing_behind_and_the_same_message_goes_in_later(
    database: str, open_hub: OpenHub
) -> None:
    furnish(database)
    hub, killer = open_hub(database), open_hub(database).connection
    hub.alarms(1, [press()])
    killer.execute("SELECT pg_terminate_backend(%s)", (hub.connection.info.backend_pid,))
    data = items_frame(Lane.ALARM, 2, [press(), press(address="3")])
    with pytest.raises(StoreUnavailable):
        hub.take(data)
    assert count(killer, "SELECT count(*) FROM events") == 1
    again = open_hub(database)
    assert receipted(again.take(data)) == 3
    assert len(again.events()) == 3


def test_the_rules_remember_across_a_restart(native: Hub, database: str, open_hub: OpenHub) -> None:
    native.alarms(1, [pack_event(event("fire.alarm", "lab-smoke", active=True))])
    again = open_hub(database)
    again.alarms(2, [pack_event(event("fire.alarm", "lab-heat", active=True))])
    priorities = again.rows("SELECT priority FROM alarm WHERE kind = 'fire.alarm' ORDER BY subject")
    assert priorities == [("critical",), ("critical",)]
    assert again.rows("SELECT count(*) FROM incident") == [(1,)]


def test_what_is_mended_is_tried_again_and_goes_in_once(native: Hub, caplog: pytest.LogCaptureFixture) -> None:
    native.alarms(1, [pack_event(event("panic.pressed", "new-button"))])
    (row,) = list_quarantine(native.connection, SITE)
    number = row["quarantine"]
    assert "not in the configuration" in retry_item(native.clerk, SITE, number, datetime.now(UTC))
    assert "not in the configuration" in caplog.text
    assert "Traceback" not in caplog.text, "a refusal is an answer, not a fault of the program"
    with native.connection.transaction():
        native.connection.execute(
            "INSERT INTO device (site, device, name, family, zone, edge, connection, profile) VALUES"
            " (%s, 'new-button', '{}', 'panic_button', 'gate', %s, 'c', 'p')",
            (SITE, EDGE),
        )
        site_turn(native.connection, SITE)
        append_journal(
            native.connection,
            SITE,
            at=datetime.now(UTC),
            actor="system:hub",
            subject="site",
            kind="configuration.applied",
            body={},
        )
        request_retry(native.connection, SITE, number, actor="someone", at=datetime.now(UTC))
    ((site, wanted),) = native.alarms(2, [press()]).retries or [(SITE, number)]
    assert retry_item(native.clerk, site, wanted, datetime.now(UTC)) == ""
    assert native.rows("SELECT event, late FROM events WHERE device = 'new-button'") == [
        (f"{EDGE}/7/1/1/0", True)
    ]
    assert ("new-button", "panic.pressed") in native.open_alarms()
    assert retry_item(native.clerk, SITE, number, datetime.now(UTC)) == "it has been taken already"
    kinds = {row[0] for row in native.rows("SELECT kind FROM journal")}
    assert {"quarantine.held", "quarantine.refused", "quarantine.retried"} <= kinds


def test_every_recorded_time_names_one_batch(native: Hub) -> None:
    for first in range(1, 6):
        native.alarms(first, [press()])
    times = [row[0] for row in native.rows("SELECT DISTINCT recorded_at FROM events WHERE edge <> 'hub'")]
    assert len(times) == 5
