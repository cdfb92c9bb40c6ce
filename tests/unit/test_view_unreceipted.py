"""What has no receipt: kept by its id, shown after two seconds, gone when stored; never without bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.codec import derive_key, encode_payload, seal
from adapters.contract.message import (
    Direction,
    Event,
    EventItem,
    Header,
    Items,
    Receipt,
    ResultItem,
    Type,
)
from adapters.contract.topic import Sender, down_topic, lane_topic
from adapters.contract.vocabulary import Lane
from hub.api import unreceipted as module
from hub.api.unreceipted import Unreceipted
from hub.store.site import EdgeKey

SENDER = Sender("demo", "e1")
ROOT = b"r" * 32
T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
LATER = T0 + timedelta(seconds=2)


def make_event(kind: str = "panic.pressed", active: bool | None = None, device: str = "button") -> Event:
    return Event(device, "", kind, active, None, 1_772_352_000_000_000)


def frame(
    *events: Event,
    first: int = 1,
    epoch: int = 7,
    key_number: int = 1,
    root: bytes = ROOT,
    sender: Sender = SENDER,
) -> bytes:
    header = Header(
        sender.site, sender.edge, Type.ITEMS, Direction.UP, Lane.ALARM, epoch, first, len(events), key_number, 1
    )
    items = [encode_payload(EventItem([event])) for event in events]
    payload = encode_payload(Items(0, [0] * len(items), items))
    return seal(header, payload, derive_key(root, key_number))


def receipt(position: int, epoch: int = 7, root: bytes = ROOT) -> bytes:
    header = Header("demo", "e1", Type.RECEIPT, Direction.DOWN, None, epoch, 0, 0, 1, 1)
    payload = encode_payload(Receipt(0, 0, [(epoch, int(Lane.ALARM), position)]))
    return seal(header, payload, derive_key(root, 1))


@pytest.fixture
def heard() -> Unreceipted:
    unreceipted = Unreceipted()
    unreceipted.set_keys({("demo", "e1"): EdgeKey(ROOT, 1)})
    return unreceipted


def hear(heard: Unreceipted, data: bytes, now: datetime = T0) -> None:
    heard.hear(lane_topic(SENDER, Lane.ALARM), data, now)


def settle(heard: Unreceipted, data: bytes, now: datetime) -> None:
    heard.hear(down_topic(SENDER, "receipt"), data, now)


def names(heard: Unreceipted, now: datetime) -> list[str]:
    return [item.id for item in heard.shown("demo", now)]


def test_shown_after_two_seconds_and_not_before(heard: Unreceipted) -> None:
    hear(heard, frame(make_event()))
    assert names(heard, T0 + timedelta(seconds=1.9)) == []
    assert names(heard, LATER) == ["e1/7/1/1/0"]
    assert heard.shown("other", LATER) == []


def test_receipted_goes_once_the_journal_was_read_after_it(heard: Unreceipted) -> None:
    hear(heard, frame(make_event(), make_event(), make_event(), first=5))
    settle(heard, receipt(6), T0 + timedelta(seconds=3))
    heard.release("demo", T0 + timedelta(seconds=2.5))
    assert len(names(heard, LATER)) == 3
    heard.release("other", T0 + timedelta(seconds=4))
    assert len(names(heard, LATER)) == 3
    heard.release("demo", T0 + timedelta(seconds=4))
    assert names(heard, LATER) == ["e1/7/1/7/0"]


def test_sent_again_it_is_the_same(heard: Unreceipted) -> None:
    hear(heard, frame(make_event()))
    hear(heard, frame(make_event()), T0 + timedelta(seconds=5))
    assert [item.first_seen_at for item in heard.shown("demo", LATER)] == [T0]


def test_sent_again_after_its_receipt_it_is_old(heard: Unreceipted) -> None:
    settle(heard, receipt(3), T0)
    hear(heard, frame(make_event(), first=3))
    assert len(heard) == 0
    hear(heard, frame(make_event(), first=3, epoch=8))
    assert len(heard) == 1


def test_a_restored_hub_hears_again_what_it_lost(heard: Unreceipted) -> None:
    settle(heard, receipt(9), T0)
    settle(heard, receipt(2), T0)
    hear(heard, frame(make_event(), first=3))
    assert len(heard) == 1


def test_only_what_could_sound_is_kept(heard: Unreceipted) -> None:
    hear(
        heard,
        frame(
            make_event("fire.alarm", active=False),
            make_event("panic.test"),
            make_event("door.opened", active=True),
            make_event("fire.alarm", active=True),
        ),
    )
    assert [item.kind for item in heard.shown("demo", LATER)] == ["fire.alarm"]


def test_most_urgent_first(heard: Unreceipted) -> None:
    hear(heard, frame(make_event("door.held", active=True), first=1))
    hear(heard, frame(make_event("panic.pressed"), first=2), T0 + timedelta(seconds=1))
    shown = heard.shown("demo", T0 + timedelta(seconds=9))
    assert [item.kind for item in shown] == ["panic.pressed", "door.held"]


@pytest.mark.parametrize(
    "forged",
    [
        frame(make_event(), root=b"x" * 32),
        frame(make_event(), sender=Sender("demo", "e2")),
        frame(make_event(), sender=Sender("other", "e1")),
        b"",
        b"SF" + b"\0" * 80,
        frame(make_event())[:-1],
    ],
)
def test_what_does_not_prove_its_sender_is_not_shown(heard: Unreceipted, forged: bytes) -> None:
    hear(heard, forged)
    assert (len(heard), heard.unverified) == (0, 1)


def test_a_key_number_below_the_known_one_is_refused(heard: Unreceipted) -> None:
    heard.set_keys({("demo", "e1"): EdgeKey(ROOT, 2)})
    hear(heard, frame(make_event(), key_number=1))
    assert len(heard) == 0
    hear(heard, frame(make_event(), key_number=3))
    assert len(heard) == 1


def test_a_forged_receipt_hides_nothing(heard: Unreceipted) -> None:
    hear(heard, frame(make_event()))
    settle(heard, receipt(9, root=b"x" * 32), LATER)
    heard.hear(lane_topic(SENDER, Lane.ALARM), receipt(9), LATER)  # true, but on the wrong side
    heard.release("demo", LATER + timedelta(seconds=9))
    assert len(names(heard, LATER)) == 1


def test_one_broken_item_does_not_hide_the_others(heard: Unreceipted) -> None:
    header = Header("demo", "e1", Type.ITEMS, Direction.UP, Lane.ALARM, 7, 1, 3, 1, 1)
    items = [
        b"\xc1 broken",
        encode_payload(EventItem([make_event()])),
        encode_payload(ResultItem("c", "done", "", 0)),
    ]
    hear(heard, seal(header, encode_payload(Items(0, [0, 0, 0], items)), derive_key(ROOT, 1)))
    assert names(heard, LATER) == ["e1/7/1/2/0"]


def test_a_full_list_keeps_the_urgent_and_counts_the_rest(
    heard: Unreceipted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ITEMS", 10)
    hear(heard, frame(*[make_event("door.held", active=True)] * 12))
    assert (len(heard), heard.dropped) == (10, 2)
    hear(heard, frame(*[make_event()] * 3, first=13))
    assert len(heard) == 10
    kinds = [item.kind for item in heard.shown("demo", LATER)]
    assert kinds.count("panic.pressed") == 3
    assert heard.dropped == 5


def test_an_edge_time_that_no_calendar_holds(heard: Unreceipted) -> None:
    hear(heard, frame(Event("button", "", "panic.pressed", None, None, 2**62)))
    assert [item.edge_at for item in heard.shown("demo", LATER)] == [T0]
