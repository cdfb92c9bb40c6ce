"""How far a message that cannot be read carries its lane: never over items that have not come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.codec import VERSION, encode_payload
from adapters.contract.message import Direction, Header, Items, Tombstone, Type
from adapters.contract.vocabulary import Lane
from hub.domain.moment import microseconds
from hub.intake.gate import Message
from hub.intake.run import Run, open_run
from tests.intake_scene import EDGE, SENDER, SITE


def run(payload: bytes, count: int, kind: Type = Type.ITEMS) -> Run:
    header = Header(SITE, EDGE, kind, Direction.UP, Lane.ALARM, 7, 5, count, 1, VERSION)
    return open_run(Message(SENDER, header, payload, datetime.now(UTC)))


def items(number: int, ages: int) -> bytes:
    return encode_payload(Items(0, [0] * ages, [b"x"] * number))


@pytest.mark.parametrize(
    ("payload", "claimed", "carried"),
    [
        (items(1, 1), 2**32 - 1, 1),  # one item that says it is four thousand million
        (items(3, 3), 2, 2),  # more than it says: the lane's numbers are the header's
        (items(2, 1), 2, 2),
        (items(0, 0), 9, 1),  # the lane goes on, whatever comes
        (b"not a payload", 2, 2),
        (b"not a payload", 1_000, 6),
        (b"", 1_000, 1),
    ],
)
def test_what_is_spoiled_carries_no_further_than_what_has_come(
    payload: bytes, claimed: int, carried: int
) -> None:
    opened = run(payload, claimed)
    assert opened.spoiled is not None
    assert opened.spoiled.payload == payload
    assert (opened.first, opened.count) == (5, carried)


def test_what_a_spoiled_tombstone_names_comes_no_more() -> None:
    for payload in (b"junk", encode_payload(Tombstone(7, "full", 0))):
        opened = run(payload, 1_000_000, Type.TOMBSTONE)
        assert opened.spoiled is not None
        assert opened.count == 1_000_000


NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("set_by", [timedelta(hours=8), timedelta(hours=-8)])
def test_a_run_that_waits_while_the_clock_is_set_is_as_old_as_it_is(set_by: timedelta) -> None:
    header = Header(SITE, EDGE, Type.ITEMS, Direction.UP, Lane.ALARM, 7, 5, 1, 1, VERSION)
    payload = encode_payload(Items(microseconds(NOON), [0], [b"x"]))
    came = open_run(Message(SENDER, header, payload, NOON, 100.0))
    now = NOON + set_by + timedelta(seconds=2)
    taken = came.by_clock(now, 102.0)
    assert taken.waited_ms(now) == 2_000
    assert taken.offset_us == -(set_by // timedelta(microseconds=1)), "our clock was set, not the edge's"
    assert came.by_clock(NOON + timedelta(seconds=2.5), 102.0) == came, "what a clock slews is no step"
