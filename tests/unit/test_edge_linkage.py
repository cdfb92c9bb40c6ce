"""Reflexes in the spool's transaction: told in the item, taken once, undone by a roll-back, kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.contract.codec import decode_item
from adapters.contract.command import derive_command
from adapters.contract.message import Command, Event, EventItem, Reflex, ResultItem
from adapters.contract.vocabulary import Lane
from edge.admission import Admission
from edge.chattering import Chattering, Rate
from edge.linkage import REPERFORM_US, Linkage
from edge.quota import Budget
from edge.reader import Batch, SpoolReader
from edge.reflex import REPEAT_US, Effect, ReflexRule, Table, Target
from edge.spool import Spool

SECOND = 1_000_000
SIREN = Target("siren", "", "siren.on")
DOOR = Target("door", "", "door.release")


def rule(name: str, kinds: set[str], count: int, *targets: Target, different: str = "address") -> ReflexRule:
    causes = {(device, "*"): "here" for device in ("button", "smoke-1", "smoke-2", "panel")}
    effects = {"here": tuple(Effect(target, {}) for target in targets)}
    return ReflexRule(name, 2, frozenset(kinds), 1, count, 600 * SECOND, different, causes, effects)


TABLE = Table(
    (
        rule("pressed", {"panic.pressed"}, 1, SIREN),
        rule("verified", {"fire.alarm"}, 2, SIREN, DOOR),
    )
)


class HandClock:
    """Time as the test sets it."""

    def __init__(self) -> None:
        self.us = 1_800_000_000 * SECOND

    def now_us(self) -> int:
        return self.us

    def monotonic_ms(self) -> int:
        return self.us // 1_000

    def monotonic_s(self) -> float:
        return self.us / SECOND


class House:
    """A spool on the disk with its linkage; `run` is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self.epoch = 0
        self.performed: list[Reflex] = []
        self.spool: Spool | None = None
        self.start()

    def start(self) -> list[Reflex]:
        """Begin anew, as after a stop; what is to be performed again."""
        if self.spool is not None:
            self.spool.close()
        self.epoch += 1
        self.spool = Spool(self.path, epoch=self.epoch, opened_at=0, budget=Budget(1_000_000))
        self.linkage = Linkage("edge", self.clock)
        self.linkage.on_fired = self.performed.extend
        self.admission = Admission("edge", Chattering(Rate()), self.linkage, self.clock)
        again = self.linkage.load(self.spool)
        self.use(TABLE)
        return again

    def use(self, table: Table) -> None:
        assert self.spool is not None
        self.spool.begin()
        self.linkage.use(self.spool, table)
        self.admission.before_commit(self.spool)
        self.spool.commit()
        self.admission.after_commit()

    def hear(self, *events: Event, commit: bool = True, waited_ms: int = 0) -> list[Reflex]:
        """Store events; what is performed because of them."""
        assert self.spool is not None
        self.performed.clear()
        self.spool.begin()
        heard_ms = self.clock.monotonic_ms() - waited_ms
        self.admission.store_events(self.spool, events, heard_ms=heard_ms)
        self.admission.before_commit(self.spool)
        if commit:
            self.spool.commit()
            self.admission.after_commit()
        else:
            self.spool.roll_back()
            self.admission.after_roll_back()
        return list(self.performed)

    def end(self, command: str, state: str) -> None:
        assert self.spool is not None
        self.spool.begin()
        assert self.spool.known.finish_command(command, state)
        self.admission.store_result(self.spool, ResultItem(command, state, "", 0))
        self.admission.before_commit(self.spool)
        self.spool.commit()
        self.admission.after_commit()

    def hold(self, kind: str) -> str:
        return self.linkage.find_hold(Command("c", "door", "", kind, {}, 0, 0, 1_000))

    def items(self) -> list[EventItem]:
        reader = SpoolReader(self.path)
        run = reader.read(self.epoch, Lane.ALARM, 1, max_items=500, max_bytes=10**6)
        reader.close()
        assert isinstance(run, Batch)
        return [item for item in map(decode_item, run.items) if isinstance(item, EventItem)]

    def press(self) -> Event:
        return Event("button", "", "panic.pressed", None, None, self.clock.us)

    def fire(self, device: str, *, active: bool = True, replayed: bool = False, address: str = "") -> Event:
        return Event(device, address, "fire.alarm", active, None, self.clock.us, replayed=replayed)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "spool.sqlite")
    yield house
    assert house.spool is not None
    house.spool.close()


def kinds(reflexes: list[Reflex]) -> list[str]:
    return [reflex.kind for reflex in reflexes]


def test_the_item_says_what_is_done_under_the_id_of_its_event(house: House) -> None:
    (done,) = house.hear(house.press())
    (item,) = house.items()
    assert item.reflexes == [done]
    assert done.evidence == ["edge/1/1/1/0"]
    assert done.command == derive_command("rule:pressed", 2, "edge/1/1/1/0", "siren", "", "siren.on")
    assert house.spool is not None and house.spool.known.interrupted_commands() == [done.command]


def test_what_is_not_committed_is_not_done_and_leaves_nothing_behind(house: House) -> None:
    house.hear(house.fire("smoke-1"))
    assert house.hear(house.fire("smoke-2"), commit=False) == []
    assert kinds(house.hear(house.fire("smoke-2"))) == ["siren.on", "door.release"]
    assert len(house.items()[-1].reflexes[0].evidence) == 2


def test_two_detectors_over_a_stop_between_them(house: House) -> None:
    house.hear(house.fire("smoke-1"))
    assert house.start() == []
    house.clock.us += 60 * SECOND
    assert kinds(house.hear(house.fire("smoke-2"))) == ["siren.on", "door.release"]


def test_a_first_detector_that_was_told_before_there_was_a_table_counts(house: House) -> None:
    house.use(Table())
    house.hear(house.fire("smoke-1"))
    house.use(TABLE)
    assert kinds(house.hear(house.fire("smoke-2"))) == ["siren.on", "door.release"]


def test_one_detector_twice_and_two_too_far_apart_are_no_fire(house: House) -> None:
    assert house.hear(house.fire("smoke-1"), house.fire("smoke-1", active=False), house.fire("smoke-1")) == []
    house.hear(house.fire("smoke-1", active=False))
    house.clock.us += 601 * SECOND
    assert house.hear(house.fire("smoke-2")) == []


def test_old_news_counts_as_a_sign_and_does_nothing(house: House) -> None:
    assert house.hear(house.press(), waited_ms=61_000) == []
    assert house.items()[-1].reflexes == []
    assert house.hear(house.fire("smoke-1"), house.fire("smoke-2", replayed=True)) == []
    house.hear(house.fire("smoke-1", active=False))
    assert kinds(house.hear(house.fire("smoke-1"))) == ["siren.on", "door.release"], (
        "live news beside the memory"
    )


def test_an_order_that_stands_is_not_given_again_for_a_while(house: House) -> None:
    (first,) = house.hear(house.press())
    house.clock.us += REPEAT_US
    assert house.hear(house.press()) == []
    assert house.items()[-1].reflexes == []
    house.clock.us += 1
    (second,) = house.hear(house.press())
    assert first.command != second.command


def test_an_order_that_failed_or_was_undone_is_given_at_the_next_sign(house: House) -> None:
    (first,) = house.hear(house.press())
    house.end(first.command, "unconfirmed")
    (second,) = house.hear(house.press())
    house.end(second.command, "confirmed")
    assert house.hear(house.press()) == []
    assert house.linkage.find_hold(Command("c", "siren", "", "siren.off", {}, 0, 0, 1_000)) == ""
    assert kinds(house.hear(house.press())) == ["siren.on"]


def test_what_a_stop_cut_off_is_done_again_while_it_is_young(house: House) -> None:
    (done,) = house.hear(house.press())
    house.clock.us += REPERFORM_US
    assert house.start() == [done]
    house.clock.us += 1
    assert house.start() == []
    house.clock.us -= 3600 * SECOND
    assert house.start() == [], "with a clock that was set back nobody knows how old it is"
    house.end(done.command, "unconfirmed")
    house.clock.us += 3600 * SECOND - 10
    assert house.start() == [], "it has ended"


def test_a_released_door_is_held_while_one_of_its_signs_holds(house: House) -> None:
    assert house.hold("door.lock") == ""
    house.hear(house.fire("smoke-1"), house.fire("smoke-2"))
    for kind in ("door.lock", "door.restore", "door.pulse"):
        assert "a fire holds this door open: fire.alarm of smoke-1" in house.hold(kind)
    house.start()
    assert house.spool is not None
    house.spool.begin()
    house.spool.known.forget_conditions()  # the hub asked for all of them anew
    house.spool.commit()
    house.hear(house.fire("smoke-1", active=False))
    assert "smoke-2" in house.hold("door.restore")
    house.hear(house.fire("smoke-2", active=False))
    assert house.hold("door.restore") == ""


def test_a_panels_reset_ends_its_signs(house: House) -> None:
    house.hear(house.fire("panel", address="1"), house.fire("panel", address="2"))
    assert house.hold("door.lock")
    house.clock.us += 40 * SECOND
    house.hear(Event("panel", "", "fire.reset", None, None, house.clock.us))
    assert house.hold("door.lock") == ""
    house.clock.us += 700 * SECOND
    assert house.hear(house.fire("smoke-1")) == [], "what the reset ended does not verify for ever"


def test_a_damaged_note_is_forgotten_and_the_edge_goes_on(house: House) -> None:
    assert house.spool is not None
    house.spool.begin()
    house.spool.known.write_note("reflexes", "{}")
    house.spool.commit()
    assert house.start() == []
    assert kinds(house.hear(house.press())) == ["siren.on"]


def test_an_item_never_grows_beyond_what_the_hub_takes(house: House) -> None:
    many = tuple(Target(f"siren-{n}", "", "siren.on") for n in range(900))
    house.use(Table((rule("pressed", {"panic.pressed"}, 1, *many),)))
    assert len(house.hear(house.press())) == 900
    assert 0 < len(house.items()[-1].reflexes) < 900
