"""What of an observation becomes items, in the same transaction as what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.contract.codec import decode_item
from adapters.contract.message import Event, EventItem
from adapters.contract.vocabulary import Lane
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.clock import SystemClock
from edge.linkage import Linkage
from edge.quota import Budget
from edge.reader import Batch, Dropped, SpoolReader
from edge.spool import Spool


class House:
    """A spool with its admission; `run` is one transaction."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self.budget = budget
        self.epoch = 0
        self.spool: Spool | None = None
        self.start()

    def start(self) -> None:
        if self.spool is not None:
            self.spool.close()
        self.epoch += 1
        self.spool = Spool(self.path, epoch=self.epoch, opened_at=0, budget=self.budget)
        self.admission = Admission(
            "demo-edge", Chattering(Rate(changes=3)), Linkage("demo-edge", SystemClock()), SystemClock()
        )

    def run(self, *events: Event, fresh: bool = False, commit: bool = True) -> None:
        assert self.spool is not None
        self.spool.begin()
        self.admission.store_events(self.spool, events, fresh=fresh)
        if commit:
            self.admission.before_commit(self.spool)
            self.spool.commit()
            self.admission.after_commit()
        else:
            self.spool.roll_back()
            self.admission.after_roll_back()

    def stored(self, lane: Lane = Lane.ALARM) -> list[Event]:
        reader = SpoolReader(self.path)
        events: list[Event] = []
        position = 1
        while (run := reader.read(self.epoch, lane, position, max_items=500, max_bytes=10**6)) is not None:
            if isinstance(run, Batch):
                items = [decode_item(data) for data in run.items]
                events += [event for item in items if isinstance(item, EventItem) for event in item.events]
            position = run.last + 1
        reader.close()
        return events


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "spool.sqlite", Budget(1_000_000))
    yield house
    assert house.spool is not None
    house.spool.close()


def press(identity: str, at: int = 5) -> Event:
    return Event("button", "", "panic.pressed", None, at, 10, {}, b"", identity)


def smoke(active: bool, identity: str = "", at: int | None = None) -> Event:
    return Event("smoke-1", "", "fire.alarm", active, at, 10, {}, b"", identity)


def test_the_same_message_is_stored_once_across_restarts(house: House) -> None:
    house.run(press("a"), press("b"), press("a"))
    assert [event.identity for event in house.stored()] == ["a", "b"]
    house.start()
    house.run(press("b"), press("c"))
    assert [event.identity for event in house.stored()] == ["c"]
    assert house.admission.repeats == 1


def test_what_was_seen_happening_is_new_though_its_number_came_before(house: House) -> None:
    house.run(press("1:1"))
    house.run(press("1:1"), fresh=True)
    assert len(house.stored()) == 2


def test_what_was_not_committed_was_not_seen(house: House) -> None:
    house.run(press("a"), smoke(True), commit=False)
    assert house.stored() == []
    house.run(press("a"), smoke(True))
    assert len(house.stored()) == 2


def test_conditions_pass_on_changes_across_restarts(house: House) -> None:
    house.run(smoke(False), smoke(False), smoke(True), smoke(True))
    assert [event.active for event in house.stored()] == [False, True]
    house.start()
    house.run(smoke(True), smoke(False))
    assert [event.active for event in house.stored()] == [False]


def test_after_a_panels_reset_what_still_burns_is_told_again(house: House) -> None:
    house.run(smoke(True), smoke(True))
    house.run(Event("smoke-1", "", "fire.reset", None, 5, 11, {}, b"", "r-1"), smoke(True))
    assert [event.kind for event in house.stored()] == ["fire.alarm", "fire.reset", "fire.alarm"]


def test_kinds_ride_their_lanes(house: House) -> None:
    house.run(press("a"), Event("door", "1", "access.granted", None, 1, 2, {"holder": "h-1"}, b"", "g"))
    assert [event.kind for event in house.stored(Lane.ALARM)] == ["panic.pressed"]
    assert [event.kind for event in house.stored(Lane.TELEMETRY)] == ["access.granted"]


@pytest.mark.parametrize(
    "event",
    [
        Event("button", "", "panic.imagined", None, 1, 2),
        Event("button", "", "panic.pressed", True, 1, 2),
        Event("button", "", "fire.alarm", None, 1, 2),
        Event("button", "", "panic.pressed", None, 1, 2, {"text": "x" * 70_000}),
        Event("button", "", "panic.pressed", None, 1, 2, {"nul": "a\0b"}),
        Event("button", "\ud800", "panic.pressed", None, 1, 2),
        Event("button", "", "panic.pressed", None, 2**70, 2),
        Event("No Name!", "x" * 200_000, "panic.pressed", None, 1, 2, {}, b"r" * 100_000),
    ],
    ids=[
        "unknown-kind",
        "active-momentary",
        "no-active",
        "oversized",
        "nul",
        "surrogate",
        "no-int64",
        "no-name",
    ],
)
def test_what_cannot_travel_is_told_and_blocks_nothing(house: House, event: Event) -> None:
    house.run(event, press("after"))
    unreadable, after = house.stored()
    assert unreadable.kind == "intake.unreadable"
    assert unreadable.device == ("button" if event.device == "button" else "demo-edge")
    assert unreadable.attributes["reason"]
    assert after.identity == "after"


def test_dropping_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    house = House(tmp_path / "spool.sqlite", Budget(100_000))
    assert house.spool is not None
    for n in range(100):
        house.spool.begin()
        house.admission.store_readings(house.spool, bytes(2_000))
        house.admission.before_commit(house.spool)
        house.spool.commit()
        house.admission.after_commit()
        house.run(press(str(n)))
    told = [event.active for event in house.stored() if event.kind == "edge.spool_dropping"]
    assert told == [True]
    assert len([event for event in house.stored() if event.kind == "panic.pressed"]) == 100
    reader = SpoolReader(house.path)
    first = reader.read(1, Lane.TELEMETRY, 1, max_items=1, max_bytes=1)
    reader.close()
    assert isinstance(first, Dropped) and first.count == house.spool.dropped[Lane.TELEMETRY, "spool full"].items
    house.spool.begin()
    house.spool.take_receipt(1, Lane.TELEMETRY, 100)
    house.admission.before_commit(house.spool)
    house.spool.commit()
    told = [event.active for event in house.stored() if event.kind == "edge.spool_dropping"]
    assert told == [True, False]
    house.spool.close()


def test_chattering_of_an_earlier_run_ends_with_the_next(house: House) -> None:
    for n in range(12):
        house.run(smoke(n % 2 == 0))
    assert [event.kind for event in house.stored()] == ["fire.alarm"] * 4 + ["device.chattering"]
    house.start()
    assert house.spool is not None
    house.spool.begin()
    house.admission.end_chattering(house.spool)
    house.spool.commit()
    assert [(event.kind, event.active) for event in house.stored()] == [("device.chattering", False)]
    house.run(smoke(False))
    assert len(house.stored()) == 1, "the last state told was off"
    house.run(smoke(True))
    assert len(house.stored()) == 2
