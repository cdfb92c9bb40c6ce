"""The whole street against a plain model: real spool, real window, the hub's real decisions, and between them
a broker that loses, repeats, delays and reorders. Whoever crashes, is restored or rolled back: what was sent
is stored once and in its order, or its place says why not, and no lane stands still for ever.

`EXAMPLES=5000 pytest tests/property/test_transport.py` is the long run.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.contract.codec import encode_payload
from adapters.contract.message import Heartbeat, ReadingsItem, Tombstone
from adapters.contract.vocabulary import Lane
from edge.quota import Budget
from edge.reader import Batch, SpoolReader
from edge.schema import Memory
from edge.spool import Spool
from edge.window import Limits, Window
from hub.intake.exchange import answer_heartbeat
from hub.intake.lane import Move, decide
from hub.store.cursor import LaneKey

EDGE = "edge-1"
LIMITS = Limits(window_messages=3)
BUDGET = Budget(9_000, 100_000)
BATCH = 4
UNREAD_MS = 5_000

EDGE_EVENTS = (
    "lose_connection",
    "connect",
    "connect",
    "crash_edge",
    "disk_refuses",
    "disk_takes_writes",
    "disk_cannot_be_read",
    "copy_spool",
    "roll_spool_back",
)
HUB_EVENTS = ("hub_crashes", "hub_is_backed_up", "hub_is_restored")

Place = tuple[int, int]


@dataclass(frozen=True)
class Run:
    """A message of a lane: items, or a tombstone."""

    epoch: int
    lane: int
    first: int
    count: int
    items: tuple[bytes, ...] = ()
    tombstone: Tombstone | None = None


@dataclass(frozen=True)
class Beat:
    heartbeat: Heartbeat


@dataclass(frozen=True)
class Receipt:
    cursors: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Gap:
    epoch: int
    lane: int
    expected: int


@dataclass
class Store:
    """A hub's database: what is committed, by place and number. An item; or why there is none."""

    cursors: dict[LaneKey, int] = field(default_factory=dict)
    items: dict[Place, dict[int, bytes | str]] = field(default_factory=dict)
    readings_dropped: dict[Place, dict[int, int]] = field(default_factory=dict)
    """By the tombstone's last number."""
    newest: Place | None = None


class Hub:
    """Takes messages in transactions, as the clerk does; answers only for what is committed."""

    def __init__(self) -> None:
        self.store = Store()
        self.backup = Store()
        self.begin()

    def begin(self) -> None:
        self.work = copy.deepcopy(self.store)
        self.answers: list[Receipt | Gap] = []

    def take(self, message: Run | Beat) -> None:
        if isinstance(message, Beat):
            answer = answer_heartbeat(EDGE, message.heartbeat, self.work.cursors)
            for key, position in answer.closed.items():
                held = self.work.items.setdefault(key[1:], {})
                for number in range(self.work.cursors.get(key, 0) + 1, position + 1):
                    held[number] = "gap"
            self.work.cursors.update(answer.closed)
            told = tuple((epoch, lane, position) for (_, epoch, lane), position in answer.cursors.items())
            self.answers.append(Receipt(told))
            return
        key, place = (EDGE, message.epoch, message.lane), (message.epoch, message.lane)
        cursor = self.work.cursors.get(key, 0)
        step = decide(cursor, message.first, message.count)
        if step.move is Move.GAP:
            self.answers.append(Gap(*place, cursor + 1))
            return
        if step.move is Move.NEXT:
            held = self.work.items.setdefault(place, {})
            if message.tombstone is None:
                for offset, data in enumerate(message.items[step.skip :]):
                    self.put(held, message.first + step.skip + offset, data)
            else:
                for number in range(message.first + step.skip, message.first + message.count):
                    self.put(held, number, message.tombstone.reason)
                counted = self.work.readings_dropped.setdefault(place, {})
                counted[step.cursor] = message.tombstone.count_readings(step.skip)
            self.work.cursors[key] = step.cursor
            self.work.newest = place
        self.answers.append(Receipt(((*place, step.cursor),)))

    def put(self, held: dict[int, bytes | str], number: int, what: bytes | str) -> None:
        assert number not in held, "stored twice"
        assert not held or number > next(reversed(held)), "stored out of order"
        held[number] = what

    def commit(self) -> list[Receipt | Gap]:
        self.store, answers = self.work, self.answers
        self.begin()
        return answers

    def crash(self) -> list[Receipt | Gap]:
        """What was not committed is gone; a new worker asks for what comes next."""
        self.begin()
        place = self.store.newest
        return [] if place is None else [Gap(*place, self.store.cursors[EDGE, *place] + 1)]


class TransportMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp("", "sanfang-transport-", memory if memory.is_dir() else None))
        self.path = self.folder / "spool.sqlite"
        self.now = 0
        self.next_epoch = 1_000
        self.hub = Hub()
        self.hub_restored = False
        self.up: list[Run | Beat] = []
        self.down: list[Receipt | Gap] = []
        self.sent: dict[Place, dict[int, tuple[bytes, int]]] = {}
        """Everything that a spool committed: item and its number of readings."""
        self.excused: set[tuple[int, int, int]] = set()
        """Items that went with a spool that was rolled back, or with a memory that was never relied on."""
        self.uncommitted: list[tuple[Place, int, tuple[bytes, int]]] = []
        self.receipts: list[tuple[int, Lane, int]] = []
        """Taken in the spool's open transaction."""
        self.copied: Path | None = None
        self.copies = 0
        self.rolled_back = False
        self.disk: Spool | None = None
        self.spool: Spool | None = None

    # The edge.

    @initialize()
    def start(self) -> None:
        self.up.clear()
        self.down.clear()
        self.disk = self.open(self.path)
        self.take_into_use(self.disk, first=True)

    def open(self, place: Path | Memory, adopt: Spool | None = None) -> Spool:
        self.next_epoch -= 1
        self.now += 1
        return Spool(
            place,
            epoch=self.next_epoch,
            opened_at=0,
            budget=BUDGET,
            mono_ms=self.now,
            boot="boot",
            adopt=adopt,
        )

    def take_into_use(self, spool: Spool, *, first: bool = False) -> None:
        self.spool = spool
        reader = SpoolReader(spool.place)
        whole = not isinstance(spool.place, Memory)
        if first:
            self.window = Window(spool.epoch, spool.marks(), LIMITS)
            self.connected = False
            self.readers = {0: reader}
        elif whole:
            self.close_readers()
            self.readers = {0: reader}
            self.window.begin_epoch(spool.epoch, spool.marks(), whole=True)
        else:
            self.readers[spool.epoch] = reader
            self.window.begin_epoch(spool.epoch, spool.marks(), whole=False)
        for lane in Lane:
            self.sent.setdefault((spool.epoch, int(lane)), {})
        self.uncommitted.clear()
        self.receipts.clear()
        spool.begin()

    def close_readers(self) -> None:
        for reader in self.readers.values():
            reader.close()
        self.readers = {}

    def lose_everything_open(self) -> None:
        """The process ends: nothing is rolled forward, memory is gone."""
        self.close_readers()
        for spool in {id(each): each for each in (self.spool, self.disk) if each is not None}.values():
            spool.close()

    @rule(
        lane=st.sampled_from(Lane),
        count=st.integers(1, 6),
        size=st.integers(1, 900),
        rank=st.integers(0, 4),
        commits=st.integers(0, 3),
    )
    def store(self, lane: Lane, count: int, size: int, rank: int, commits: int) -> None:
        self.append(lane, count, size, rank)
        if commits:
            self.commit()

    def append(self, lane: Lane, count: int, size: int, rank: int) -> None:
        for _ in range(count):
            readings = size % 7 if lane is Lane.TELEMETRY else 0
            name = f"{self.spool.epoch}/{lane.name}/{self.spool.assigned(lane) + 1}".ljust(size, ".")
            data = encode_payload(ReadingsItem(0, [(name, "", "")], b"", b"", b"", bytes(readings)))
            number = self.spool.append(lane, data, rank=rank, mono_ms=self.now)
            self.uncommitted.append(((self.spool.epoch, int(lane)), number, (data, readings)))

    def commit(self) -> None:
        self.spool.shed(0, self.now)
        self.spool.commit()
        for place, number, item in self.uncommitted:
            self.sent[place][number] = item
        self.uncommitted.clear()
        self.receipts.clear()
        for lane in Lane:
            self.window.note_stored(self.spool.epoch, lane, self.spool.assigned(lane))
        self.spool.begin()

    def crash_edge(self) -> None:
        if isinstance(self.spool.place, Memory):
            self.excuse_beyond_the_hub(self.spool.epoch)
        self.lose_everything_open()
        self.start()

    def excuse_beyond_the_hub(self, *epochs: int) -> None:
        for (epoch, lane), items in self.sent.items():
            if epoch in epochs:
                self.excused |= {(epoch, lane, number) for number in items}

    def disk_refuses(self) -> None:
        """Memory takes the disk's place, for what comes; what is on the disk can still be read. The receipts
        of the transaction that failed are taken again there, as the writer does.
        """
        self.spool.roll_back()
        again = list(self.receipts)
        self.take_into_use(self.open(Memory(f"transport-{id(self)}-{self.next_epoch}")))
        for epoch, lane, cursor in again:
            self.spool.take_receipt(epoch, lane, cursor)
        self.commit()

    def disk_takes_writes(self) -> None:
        self.commit()
        memory = self.spool
        memory.roll_back()
        disk = self.open(self.path, adopt=memory)
        self.disk.close()
        self.disk = disk
        self.take_into_use(disk)
        memory.close()

    def disk_cannot_be_read(self) -> None:
        for epoch in {epoch for epoch, _ in self.sent} - self.readers.keys():
            self.window.set_aside(epoch, self.now + UNREAD_MS)

    def copy_spool(self) -> None:
        """Somebody makes a backup of the edge's disk."""
        self.commit()
        self.spool.roll_back()
        self.copies += 1
        self.copied = self.folder / f"copy-{self.copies}"
        self.copied.mkdir()
        for part in self.folder.glob("spool.sqlite*"):
            shutil.copy(part, self.copied / part.name)
        self.spool.begin()

    def roll_spool_back(self) -> None:
        """The backup is put back: what came since is excused, what the hub has of it is not taken twice."""
        self.lose_everything_open()
        for (epoch, lane), items in self.sent.items():
            self.excused |= {(epoch, lane, number) for number in items}
        for part in self.folder.glob("spool.sqlite*"):
            part.unlink()
        for part in self.copied.iterdir():
            shutil.copy(part, self.folder / part.name)
        self.rolled_back = True
        self.start()
        # What the copy holds itself must arrive all the same.
        for mark in self.spool.marks():
            place = (mark.epoch, int(mark.lane))
            self.excused -= {(*place, number) for number in range(mark.cursor + 1, mark.assigned + 1)}

    def connect(self) -> None:
        self.up.clear()
        self.down.clear()
        self.connected = True
        self.window.connect()
        self.beat()

    def beat(self) -> None:
        if self.connected:
            self.up.append(Beat(Heartbeat(1, 0, 0, self.window.statuses(), 0)))

    def lose_connection(self) -> None:
        self.connected = False
        self.window.disconnect()

    @rule(appended=st.integers(0, 8), lane=st.sampled_from(Lane), heard=st.sampled_from([0, 0, 1, 50]))
    def go_well(self, appended: int, lane: Lane, heard: int) -> None:
        """The daily life: stored, sent, taken, committed; receipts are heard or not yet."""
        self.append(lane, appended, 300, 1)
        self.commit()
        if not self.connected:
            self.connect()
        self.send(20, telemetry_allowed=True)
        self.hub_takes(50)
        self.down += self.hub.commit()
        self.edge_hears(heard)

    @rule(before=st.integers(0, 5), after=st.integers(0, 9), lane=st.sampled_from(Lane))
    def restore_in_mid_life(self, before: int, after: int, lane: Lane) -> None:
        """A copy is made, life goes on, the copy comes back: the hub is ahead of it."""
        if isinstance(self.spool.place, Memory):
            self.disk_takes_writes()
        self.append(lane, before, 300, 1)
        self.copy_spool()
        self.go_well(after, lane, 50)
        self.roll_spool_back()

    @rule(
        limit=st.integers(0, 12),
        telemetry_allowed=st.booleans(),
        taken=st.integers(0, 12),
        commits=st.integers(0, 4),
        heard=st.integers(0, 12),
        keeps=st.booleans(),
    )
    def converse(
        self, limit: int, telemetry_allowed: bool, taken: int, commits: int, heard: int, keeps: bool
    ) -> None:
        """Some of it goes up, some of it is taken, some of the answers are heard, some of them kept."""
        if not self.connected:
            self.connect()
        self.send(limit, telemetry_allowed=telemetry_allowed)
        self.hub_takes(taken)
        if commits:
            self.down += self.hub.commit()
        self.edge_hears(heard)
        if keeps:
            self.commit()

    def send(self, limit: int, *, telemetry_allowed: bool) -> int:
        for n in range(limit):
            send = self.window.next_to_send(telemetry_allowed=telemetry_allowed)
            if send is None:
                return n
            reader = self.readers.get(send.epoch) or self.readers[0]
            most = 1 if send.alone else min(BATCH, send.last_assigned - send.first + 1)
            run = reader.read(send.epoch, send.lane, send.first, max_items=most, max_bytes=2_000)
            assert run is not None, "what was given out and not receipted is there, or a tombstone is"
            place = (send.epoch, int(send.lane))
            if isinstance(run, Batch):
                message = Run(*place, send.first, len(run.items), tuple(run.items))
            else:
                count = min(run.count, send.last_assigned - run.first + 1)
                tombstone = Tombstone(count, run.reason, run.dropped_at, run.readings[: 2 * count])
                message = Run(*place, send.first, count, (), tombstone)
            self.up.append(message)
            self.window.note_sent(send, send.first + message.count - 1, self.now)
        return limit

    def edge_hears(self, count: int) -> None:
        for _ in range(min(count, len(self.down))):
            answer = self.down.pop(0)
            if not self.connected:
                continue
            if isinstance(answer, Gap):
                self.window.take_gap(answer.epoch, answer.lane, answer.expected, self.now)
                self.beat()
                continue
            for news in self.window.take_receipt(answer.cursors, self.now):
                self.spool.take_receipt(news.epoch, news.lane, news.cursor)
                self.receipts.append((news.epoch, news.lane, news.cursor))
        assert not self.window.older_copy or self.rolled_back

    @rule(ms=st.sampled_from([10, 900, 5_000, 60_000]))
    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.window.pass_time(self.now)

    # The broker.

    @rule(data=st.data(), way=st.sampled_from(["up", "down"]), what=st.sampled_from(["lose", "repeat", "swap"]))
    def disturb(self, data: st.DataObject, way: str, what: str) -> None:
        wire: list = self.up if way == "up" else self.down
        if not wire:
            return
        n = data.draw(st.integers(0, len(wire) - 1))
        if what == "lose":
            wire.pop(n)
        elif what == "repeat":
            wire.append(wire[n])
        else:
            wire.append(wire.pop(n))

    # The hub.

    def hub_takes(self, count: int) -> None:
        for _ in range(min(count, len(self.up))):
            self.hub.take(self.up.pop(0))

    def hub_crashes(self) -> None:
        self.down += self.hub.crash()

    def hub_is_backed_up(self) -> None:
        self.hub.backup = copy.deepcopy(self.hub.store)

    def hub_is_restored(self) -> None:
        self.hub.store = copy.deepcopy(self.hub.backup)
        self.hub_restored = True
        self.down += self.hub.crash()

    # What befalls them.

    @rule(what=st.sampled_from(EDGE_EVENTS))
    def strike_edge(self, what: str) -> None:
        in_memory = isinstance(self.spool.place, Memory)
        if what in ("disk_takes_writes", "disk_cannot_be_read") and not in_memory:
            what = "disk_refuses"
        elif what in ("disk_refuses", "copy_spool") and in_memory:
            what = "disk_takes_writes"
        elif what == "roll_spool_back" and self.copied is None:
            what = "disk_takes_writes" if in_memory else "copy_spool"
        getattr(self, what)()

    @rule(what=st.sampled_from(HUB_EVENTS))
    def strike_hub(self, what: str) -> None:
        getattr(self, what)()

    # What must hold.

    @invariant()
    def what_is_stored_was_sent(self) -> None:
        for place, held in self.hub.store.items.items():
            assert list(held) == list(range(1, self.hub.store.cursors[EDGE, *place] + 1)), "no hole, in order"
            for number, what in held.items():
                if isinstance(what, bytes):
                    assert self.sent[place][number][0] == what
                elif what == "gap":
                    assert self.hub_restored, "a gap is closed only where the hub had lost something"

    def teardown(self) -> None:
        """With a good network, a hub that lives and a disk that works, everything finds its end."""
        if self.spool is None:
            return
        try:
            if isinstance(self.spool.place, Memory):
                self.disk_takes_writes()
            self.commit()
            self.connect()
            self.drain()
            self.check_the_account()
        finally:
            self.lose_everything_open()
            shutil.rmtree(self.folder)

    def drain(self) -> None:
        for turn in range(400):
            busy = bool(self.send(50, telemetry_allowed=True) or self.up or self.down)
            self.hub_takes(1_000)
            self.down += self.hub.commit()
            self.edge_hears(1_000)
            self.commit()
            if not busy:
                deadline = self.window.next_deadline()
                if deadline is None:
                    if all(mark.cursor >= mark.assigned for mark in self.spool.marks()):
                        return
                    deadline = self.now + 1_000
                    self.beat()
                self.now = max(self.now + 1, deadline)
                self.window.pass_time(self.now)
            elif turn % 20 == 0:
                self.beat()
        raise AssertionError("a lane stands still for ever")

    def check_the_account(self) -> None:
        for place, items in self.sent.items():
            held = self.hub.store.items.get(place, {})
            for number in items:
                if number not in held:
                    assert (*place, number) in self.excused or self.hub_restored, f"{place} {number} is lost"
        for place, tombstones in self.hub.store.readings_dropped.items():
            held = self.hub.store.items[place]
            dropped = [n for n, what in held.items() if isinstance(what, str) and what != "gap"]
            assert sum(tombstones.values()) == sum(self.sent[place][n][1] for n in dropped), "counted exactly"


TestTransport = TransportMachine.TestCase
TestTransport.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "100")),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
