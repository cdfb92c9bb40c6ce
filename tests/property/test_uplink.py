"""The uplink's decisions against a simulated hub and a bad network: stored exactly once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.contract.message import LaneStatus
from adapters.contract.vocabulary import Lane
from edge.spool import LaneMark
from edge.window import Limits, Send, Window

LIMITS = Limits(window_messages=3)
BATCH = 4

Place = tuple[int, Lane]


@dataclass(frozen=True)
class Message:
    epoch: int
    lane: Lane
    first: int
    items: tuple[str, ...]


@dataclass(frozen=True)
class Exchange:
    lanes: tuple[LaneStatus, ...]


@dataclass(frozen=True)
class Receipt:
    cursors: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Gap:
    epoch: int
    lane: int
    expected: int


@dataclass
class Hub:
    """Takes a message as the design says; `stored` is what its database holds, in order."""

    cursors: dict[Place, int] = field(default_factory=dict)
    stored: dict[Place, list[str]] = field(default_factory=dict)

    def take(self, message: Message | Exchange) -> list[Receipt | Gap]:
        if isinstance(message, Exchange):
            return [Receipt(tuple((s.epoch, s.lane, self.exchange(s)) for s in message.lanes))]
        place = (message.epoch, message.lane)
        cursor = self.cursors.get(place, 0)
        last = message.first + len(message.items) - 1
        if message.first > cursor + 1:
            return [Gap(message.epoch, message.lane, cursor + 1)]
        if last > cursor:
            self.stored.setdefault(place, []).extend(message.items[cursor + 1 - message.first :])
            self.cursors[place] = last
        return [Receipt(((message.epoch, message.lane, self.cursors[place]),))]

    def exchange(self, status: LaneStatus) -> int:
        cursor = self.cursors.get((status.epoch, Lane(status.lane)), 0)
        assert cursor >= status.lowest_held - 1, "the edge deleted what the hub does not hold"
        return cursor


class UplinkMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.epoch = 0
        self.spool: dict[Place, list[str]] = {}
        self.cursors: dict[Place, int] = {}
        self.hub = Hub()
        self.up: list[Message | Exchange] = []
        self.down: list[Receipt | Gap] = []
        self.owed_alone: set[int] = set()

    @initialize()
    def start(self) -> None:
        """The edge starts: a new epoch; what it knows of the hub is what is on its disk."""
        self.epoch += 1
        for lane in Lane:
            self.spool[self.epoch, lane] = []
            self.cursors[self.epoch, lane] = 0
        marks = [
            LaneMark(epoch, lane, len(items), self.cursors[epoch, lane])
            for (epoch, lane), items in self.spool.items()
            if epoch >= self.epoch - 1 or any(self.cursors[epoch, x] < len(self.spool[epoch, x]) for x in Lane)
        ]
        self.window = Window(self.epoch, marks, LIMITS)
        self.connected = False
        self.owed_alone.clear()
        self.up.clear()
        self.down.clear()

    @rule()
    def crash_edge(self) -> None:
        self.start()

    @rule(lane=st.sampled_from(Lane), count=st.integers(1, 7))
    def append(self, lane: Lane, count: int) -> None:
        items = self.spool[self.epoch, lane]
        for _ in range(count):
            items.append(f"{self.epoch}/{lane}/{len(items) + 1}")
            if lane is Lane.ALARM and self.connected:
                self.owed_alone.add(len(items))
        self.window.note_stored(self.epoch, lane, len(items))

    @rule()
    def connect(self) -> None:
        self.up.clear()
        self.down.clear()
        self.owed_alone.clear()
        self.connected = True
        self.window.connect()
        self.up.append(Exchange(tuple(self.window.statuses())))

    @rule()
    def lose_connection(self) -> None:
        self.connected = False
        self.owed_alone.clear()
        self.window.disconnect()
        self.up.clear()
        self.down.clear()

    @rule(limit=st.integers(1, 20), telemetry_allowed=st.booleans())
    def send_some(self, limit: int, telemetry_allowed: bool) -> None:
        self.send(limit, telemetry_allowed)

    def send(self, limit: int, telemetry_allowed: bool = True) -> int:
        for n in range(limit):
            send = self.window.next_to_send(telemetry_allowed=telemetry_allowed)
            if send is None:
                assert not self.owed_alone, "a live alarm waits for nothing"
                return n
            assert self.connected
            assert telemetry_allowed or send.lane is Lane.ALARM
            if self.owed_alone:
                assert send.alone and send.first == min(self.owed_alone), "live alarms first, each alone"
                self.owed_alone.discard(send.first)
            self.up.append(self.read(send))
        return limit

    def read(self, send: Send) -> Message:
        place = (send.epoch, send.lane)
        assert send.first > self.cursors[place], "what is receipted is deleted and cannot be sent"
        count = 1 if send.alone else min(BATCH, send.last_assigned - send.first + 1)
        last = send.first + count - 1
        assert last <= len(self.spool[place])
        older = [p for p in self.spool if p[1] is send.lane and p[0] < send.epoch]
        if not send.alone:
            assert all(self.cursors[p] == len(self.spool[p]) for p in older), "older epochs drain first"
        self.window.note_sent(send, last, self.now)
        return Message(*place, send.first, tuple(self.spool[place][send.first - 1 : last]))

    @rule(count=st.integers(1, 10))
    def hub_takes(self, count: int) -> None:
        for _ in range(min(count, len(self.up))):
            self.down.extend(self.hub.take(self.up.pop(0)))

    @rule(count=st.integers(1, 10))
    def edge_hears(self, count: int) -> None:
        for _ in range(min(count, len(self.down))):
            answer = self.down.pop(0)
            if isinstance(answer, Gap):
                self.window.take_gap(answer.epoch, answer.lane, answer.expected, self.now)
                self.up.append(Exchange(tuple(self.window.statuses())))
                continue
            for news in self.window.take_receipt(answer.cursors, self.now):
                assert news.cursor <= self.hub.cursors[news.epoch, news.lane]
                self.cursors[news.epoch, news.lane] = news.cursor

    @rule(data=st.data(), way=st.sampled_from(["up", "down"]), what=st.sampled_from(["lose", "repeat", "swap"]))
    def disturb(self, data: st.DataObject, way: str, what: str) -> None:
        wire = self.up if way == "up" else self.down
        if not wire:
            return
        n = data.draw(st.integers(0, len(wire) - 1))
        if what == "lose":
            wire.pop(n)
        elif what == "repeat":
            wire.append(wire[n])
        else:
            wire.append(wire.pop(n))

    @rule(ms=st.sampled_from([10, 900, 2_500, 5_000, 60_000]))
    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.window.pass_time(self.now)

    @rule()
    def foreign_answers(self) -> None:
        """Positions of no lane of ours, and ones never given out, change nothing."""
        assert not self.window.take_receipt([(999, 1, 5), (self.epoch, 7, 1), (self.epoch, 1, 10**6)], self.now)
        assert not self.window.take_gap(999, 1, 1, self.now)
        assert not self.window.take_gap(self.epoch, 9, 1, self.now)

    @invariant()
    def stored_in_order_once(self) -> None:
        for place, items in self.hub.stored.items():
            assert items == self.spool[place][: len(items)]
        assert not self.window.older_copy

    def teardown(self) -> None:
        """With a good network again, all of it arrives, and quickly."""
        if not self.spool:
            return
        if not self.connected:
            self.connect()
        for _ in range(200):
            busy = bool(self.send(50) or self.up or self.down)
            self.hub_takes(1_000)
            self.edge_hears(1_000)
            deadline = self.window.next_deadline()
            if not busy:
                if deadline is None:
                    break
                self.now = max(self.now, deadline)
                self.window.pass_time(self.now)
        for place, items in self.spool.items():
            assert self.hub.stored.get(place, []) == items
            assert self.cursors[place] == len(items)


TestUplink = UplinkMachine.TestCase
TestUplink.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_a_lossless_street_sends_nothing_twice() -> None:
    """Old alarms, a backlog, live alarms and telemetry among them: an overtaking costs one message, no more."""
    machine = UplinkMachine()
    machine.start()
    machine.append(Lane.ALARM, 1_000)
    machine.crash_edge()
    machine.append(Lane.TELEMETRY, 100)
    machine.append(Lane.ALARM, 1_000)
    machine.connect()
    sent = 0
    for turn in range(1_000):
        if turn % 50 == 0:
            machine.append(Lane.ALARM, 1)
        sent += machine.send(1_000)
        outstanding = [
            message for message in machine.up if isinstance(message, Message) and len(message.items) > 1
        ]
        assert len(outstanding) <= 2 * LIMITS.window_messages
        machine.hub_takes(1_000)
        machine.edge_hears(1_000)
    assert {place: len(items) for place, items in machine.hub.stored.items()} == {
        place: len(items) for place, items in machine.spool.items() if items
    }
    assert machine.window.rewinds == 0
    assert sent <= 2_000 / BATCH + 100 / BATCH + 3 * 20
