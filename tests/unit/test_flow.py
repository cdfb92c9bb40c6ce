"""Many edges come back at once, and the hub is slower than they: throughput does not collapse."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.codec import VERSION, read_header, seal
from adapters.contract.message import Direction, Header, Type
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from edge.pace import LEAST_BYTES, MOST_BYTES, Pace
from edge.spool import LaneMark
from edge.window import Limits, Window
from hub.intake.inbox import BOUNDS, TELEMETRY, Arrival, Inbox
from hub.intake.lane import Move, Throttle, decide

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = 5


def frame(sender: Sender, first: int, lane: Lane = Lane.TELEMETRY) -> bytes:
    header = Header(
        sender.site, sender.edge, Type.ITEMS, Direction.UP, lane, EPOCH, first, 1, key_number=1, version=VERSION
    )
    return seal(header, b"x" * 50, b"k")


def catch_up(edges: int, backlog: int, per_s: int) -> tuple[int, float]:
    """Every edge has a backlog of messages, the hub takes `per_s` of them in a second: the messages that were
    sent, and the seconds until all are taken. 20 ms from edge to hub, as much back.
    """
    senders = [Sender("s", f"e{number}") for number in range(edges)]
    windows = {
        sender: Window(
            EPOCH, [LaneMark(EPOCH, Lane.ALARM, 0, 0), LaneMark(EPOCH, Lane.TELEMETRY, backlog, 0)], Limits()
        )
        for sender in senders
    }
    for window in windows.values():
        window.connect()
    inbox, asked, cursors = Inbox(), Throttle[Sender](), dict.fromkeys(senders, 0)
    up: deque[tuple[int, Sender, int]] = deque()
    down: deque[tuple[int, Sender, str, int]] = deque()
    sent = now = 0
    credit = 0.0
    while any(cursor < backlog for cursor in cursors.values()):
        now += 10
        assert now < 600_000, "it collapsed"
        for sender, window in windows.items():
            window.pass_time(now)
            while (send := window.next_to_send()) is not None:
                window.note_sent(send, send.first, now)
                up.append((now + 20, sender, send.first))
                sent += 1
        while up and up[0][0] <= now:
            _, sender, first = up.popleft()
            inbox.put(Arrival(sender, TELEMETRY, frame(sender, first), NOW + timedelta(milliseconds=now)))
        for sender, _, _, first in inbox.missed():
            down.append((now + 20, sender, "gap", first))
        credit += per_s / 100
        for arrival in inbox.take(TELEMETRY, int(credit), 10**9):
            credit -= 1
            header, _ = read_header(arrival.frame)
            step = decide(cursors[arrival.sender], header.first, 1)
            if step.move is Move.GAP:
                if asked.passes(arrival.sender, now / 1_000):
                    down.append((now + 20, arrival.sender, "gap", cursors[arrival.sender] + 1))
                continue
            cursors[arrival.sender] = step.cursor
            down.append((now + 20, arrival.sender, "receipt", step.cursor))
        credit = min(credit, per_s / 100)
        while down and down[0][0] <= now:
            _, sender, what, number = down.popleft()
            if what == "gap":
                windows[sender].take_gap(EPOCH, Lane.TELEMETRY, number, now)
            else:
                windows[sender].take_receipt([(EPOCH, Lane.TELEMETRY, number)], now)
    return sent, now / 1_000


@pytest.mark.parametrize("edges", [1, 25, 60, 150])
def test_edges_that_return_together_send_little_twice_and_keep_the_hub_busy(edges: int) -> None:
    backlog = 6_000 // edges
    sent, took_s = catch_up(edges, backlog, per_s=200)
    assert sent <= 1.4 * edges * backlog, "sent again"
    assert took_s <= 1.3 * edges * backlog / 200, "the hub waited"


def test_the_fullest_edge_gives_way_and_what_it_lost_is_asked_for_once() -> None:
    inbox = Inbox()
    flood, quiet = Sender("s", "flood"), Sender("s", "quiet")
    for first in range(1, BOUNDS[TELEMETRY] + 1):
        inbox.put(Arrival(flood, TELEMETRY, frame(flood, first), NOW))
    inbox.put(Arrival(quiet, TELEMETRY, frame(quiet, 1), NOW))
    last = BOUNDS[TELEMETRY]
    inbox.put(Arrival(flood, TELEMETRY, frame(flood, last + 1), NOW))
    assert inbox.dropped == {TELEMETRY: 2}, "its newest, and what came behind the hole"
    assert inbox.missed() == [], "there is no room yet"
    taken = [each.sender for each in inbox.take(TELEMETRY, last, 10**9)]
    assert quiet in taken
    assert inbox.missed() == [(flood, EPOCH, int(Lane.TELEMETRY), last)]
    assert inbox.missed() == []
    inbox.put(Arrival(flood, TELEMETRY, frame(flood, last), NOW))
    inbox.put(Arrival(flood, TELEMETRY, frame(flood, last + 1), NOW))
    assert inbox.depth()[TELEMETRY] == 2, "it came back to the hole and goes on"


def test_a_hole_to_which_an_edge_does_not_come_back_is_forgotten() -> None:
    inbox = Inbox()
    one = Sender("s", "one")
    for first in range(1, BOUNDS[TELEMETRY] + 2):
        inbox.put(Arrival(one, TELEMETRY, frame(one, first), NOW))
    inbox.take(TELEMETRY, 10**6, 10**9)
    inbox.put(Arrival(one, TELEMETRY, frame(one, 999), NOW + timedelta(seconds=1)))
    assert inbox.depth()[TELEMETRY] == 0
    inbox.put(Arrival(one, TELEMETRY, frame(one, 999), NOW + timedelta(seconds=6)))
    assert inbox.depth()[TELEMETRY] == 1


def test_telemetry_messages_shrink_on_a_slow_line_and_grow_on_a_quick_one() -> None:
    def drive(bytes_per_ms: float, latency_ms: int) -> int:
        pace, now = Pace(), 0
        for message in range(40):
            pace.note_sent(message, pace.message_bytes, now)
            now += latency_ms + int(pace.message_bytes / bytes_per_ms)
            assert pace.note_acknowledged(message, now)
        return pace.message_bytes

    assert drive(8, 40) <= 8 * 1024, "64 kbit/s: an alarm waits for little"
    assert drive(100_000, 1) == MOST_BYTES
    assert drive(1_000, 600) == MOST_BYTES, "a satellite is far, not slow"
    pace = Pace()
    pace.note_sent(1, LEAST_BYTES, 0)
    pace.begin()
    assert pace.on_the_wire == 0 and pace.message_bytes == LEAST_BYTES
