"""The spool against a plain model: whatever happens, each number is its item or a tombstone, in order, once."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.contract.codec import encode_payload
from adapters.contract.message import ReadingsItem, Tombstone
from adapters.contract.vocabulary import Lane, Priority
from edge.known import ConditionKey, ConditionState
from edge.quota import ITEM_OVERHEAD_BYTES, Budget
from edge.reader import Batch, Dropped, SpoolReader
from edge.schema import open_readable
from edge.spool import SPOOL_FULL, TOO_OLD, Drop, Spool

AGE_MS = 1_000
BUDGET = Budget(6_000, AGE_MS)

SHEDDABLE = Priority.MEDIUM.rank
"""What a full spool may give up: medium, low and merely recorded; never critical or high."""


@dataclass
class Track:
    """What the model holds of one lane of one epoch: item or None (dropped) by number."""

    items: dict[int, tuple[bytes, int] | None] = field(default_factory=dict)
    times: dict[int, tuple[int, int]] = field(default_factory=dict)
    """When each was stored, on the machine's clock of its boot and in the machine's life."""
    readings: dict[int, int] = field(default_factory=dict)
    assigned: int = 0
    cursor: int = 0


@dataclass
class Model:
    tracks: dict[tuple[int, Lane], Track] = field(default_factory=dict)
    conditions: dict[ConditionKey, ConditionState] = field(default_factory=dict)
    seen: set[tuple[ConditionKey, str]] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)
    dropped: dict[tuple[Lane, str], tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> Model:
        return Model(
            {
                key: Track(dict(t.items), t.times, t.readings, t.assigned, t.cursor)
                for key, t in self.tracks.items()
            },
            dict(self.conditions),
            set(self.seen),
            set(self.commands),
            dict(self.dropped),
        )


KEY = st.builds(ConditionKey, st.sampled_from(["door-1", "smoke-2"]), st.just(""), st.sampled_from(["a", "b"]))


def make_item(name: str, readings: int) -> bytes:
    """An item of so many readings; without any, plain bytes."""
    if not readings:
        return name.encode()
    return encode_payload(ReadingsItem(0, [(name, "", "")], b"", b"", b"", bytes(readings)))


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sanfang-spool-"))
        self.path = self.folder / "spool.sqlite"
        self.next_epoch = 100
        self.boot = 0
        self.now = 0
        """The machine's monotonic clock in this boot, ms."""
        self.lived = 0
        """How long the machine was on in all, ms: what ages are counted in."""
        self.model = Model()
        self.spool: Spool | None = None
        self.reader: SpoolReader | None = None

    @initialize()
    def first_start(self) -> None:
        self.open()

    def open(self) -> None:
        # Random in life; falling here, so that an order by epoch instead of by age is found out.
        self.next_epoch -= 1
        self.spool = Spool(
            self.path,
            epoch=self.next_epoch,
            opened_at=0,
            budget=BUDGET,
            mono_ms=self.now,
            boot=f"boot-{self.boot}",
        )
        self.reader = SpoolReader(self.path)
        for lane in Lane:
            self.model.tracks[self.next_epoch, lane] = Track()
        self.before = self.model.copy()
        self.spool.begin()

    @rule(
        lane=st.sampled_from(Lane),
        rank=st.integers(0, 4),
        size=st.integers(1, 1_500),
        count=st.integers(1, 4),
    )
    def append(self, lane: Lane, rank: int, size: int, count: int) -> None:
        track = self.model.tracks[self.next_epoch, lane]
        for _ in range(count):
            track.assigned += 1
            held = size % 40 if lane is Lane.TELEMETRY else 0
            data = make_item(f"{self.next_epoch}/{lane}/{track.assigned}".ljust(size - held, "."), held)
            track.items[track.assigned] = (data, rank)
            track.times[track.assigned] = (self.now, self.lived)
            track.readings[track.assigned] = held
            assert self.spool.append(lane, data, rank=rank, mono_ms=self.now) == track.assigned

    @rule(ms=st.integers(0, 700))
    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.lived += ms

    @rule(data=st.data())
    def receipt(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.tracks)))
        track = self.model.tracks[key]
        cursor = data.draw(st.integers(0, track.assigned + 2))
        self.spool.take_receipt(key[0], key[1], cursor)
        track.cursor = max(track.cursor, min(cursor, track.assigned))
        track.items = {n: item for n, item in track.items.items() if n > track.cursor}

    @rule(key=KEY, active=st.booleans(), at=st.integers(0, 9))
    def set_condition(self, key: ConditionKey, active: bool, at: int) -> None:
        self.spool.known.set_condition(key, ConditionState(active, at))
        self.model.conditions[key] = ConditionState(active, at)

    @rule(key=KEY, identity=st.sampled_from("xyz"))
    def see(self, key: ConditionKey, identity: str) -> None:
        assert self.spool.known.has_seen(key, identity) == ((key, identity) in self.model.seen)
        self.spool.known.remember_seen(key, identity)
        self.model.seen.add((key, identity))

    @rule(command=st.sampled_from("pqr"))
    def take_command(self, command: str) -> None:
        assert self.spool.known.take_command(command, "accepted") == (command not in self.model.commands)
        self.model.commands.add(command)

    @rule()
    def commit(self) -> None:
        held_before = {lane: self.spool.held_bytes(lane) for lane in Lane}
        self.spool._aged_check_ms = 0
        drops = self.spool.shed(now_us=7, mono_ms=self.now)
        self.spool.commit()
        self.take_over_drops(drops, held_before)
        self.before = self.model.copy()
        self.spool.begin()

    def take_over_drops(self, drops: list[Drop], held_before: dict[Lane, int]) -> None:
        """The model follows the rules for what must go, oldest first, and counts the readings itself."""
        for drop in drops:
            gone, readings = drop.items, 0
            for (_, lane), track in self.model.tracks.items():
                for number in sorted(track.items):
                    item = track.items[number]
                    if not gone or lane is not drop.lane or item is None:
                        continue
                    if lane is Lane.ALARM and item[1] < SHEDDABLE:
                        continue
                    held_ms = self.lived - track.times[number][1]
                    if drop.reason == TOO_OLD and held_ms <= AGE_MS:
                        continue
                    track.items[number] = None
                    readings += track.readings[number]
                    gone -= 1
            assert not gone, "nothing goes before its time, nothing out of its turn"
            assert readings == drop.readings
            key = (drop.lane, drop.reason)
            items, counted = self.model.dropped.get(key, (0, 0))
            self.model.dropped[key] = (items + drop.items, counted + readings)
        present = self.model.tracks[self.next_epoch, Lane.TELEMETRY]
        for number, item in present.items.items():
            assert item is None or self.lived - present.times[number][1] <= AGE_MS, "too old is dropped"
        full = {drop.lane for drop in drops if drop.reason == SPOOL_FULL}
        telemetry, alarms = Lane.TELEMETRY in full, Lane.ALARM in full
        if alarms:
            assert self.spool.held_bytes(Lane.TELEMETRY) == 0, "telemetry goes before any alarm"
        total = sum(held_before.values())
        if total <= BUDGET.total_bytes and held_before[Lane.TELEMETRY] <= BUDGET.telemetry_bytes:
            assert not telemetry and not alarms, "nothing goes without need"
        assert self.spool.held_bytes(Lane.TELEMETRY) <= BUDGET.telemetry_bytes
        sheddable = any(
            item is not None and (item[1] >= SHEDDABLE or lane is Lane.TELEMETRY)
            for (_, lane), track in self.model.tracks.items()
            for item in track.items.values()
        )
        if sheddable:
            assert sum(self.spool.held_bytes(lane) for lane in Lane) <= BUDGET.total_bytes

    @rule()
    def roll_back(self) -> None:
        self.spool.roll_back()
        self.model = self.before.copy()
        self.spool.begin()

    @rule()
    def crash(self) -> None:
        """The process dies: what was not committed is gone, a new epoch begins."""
        self.spool.close()
        self.reader.close()
        self.model = self.before
        self.open()

    @rule(ms=st.integers(0, 700))
    def reboot(self, ms: int) -> None:
        """The machine was off for any time: its monotonic clock begins anew, its wall clock is not asked."""
        self.boot += 1
        self.now = ms
        self.lived += ms
        self.crash()

    @precondition(lambda self: self.spool is not None)
    @invariant()
    def reads_agree(self) -> None:
        """A reader sees what was last committed, whole and in order."""
        for (epoch, lane), track in self.before.tracks.items():
            position = track.cursor
            while position < track.assigned:
                run = self.reader.read(epoch, lane, position + 1, max_items=3, max_bytes=2_000)
                assert run is not None and run.first == position + 1
                if isinstance(run, Batch):
                    assert len(run.items) <= 3
                    assert len(run.items) == 1 or sum(map(len, run.items)) <= 2_000
                    for offset, data in enumerate(run.items):
                        item = track.items[run.first + offset]
                        assert item is not None and item[0] == data
                        assert run.mono_ms[offset] == track.times[run.first + offset][0]
                else:
                    assert isinstance(run, Dropped) and run.reason in (SPOOL_FULL, TOO_OLD)
                    gone = range(run.first, run.last + 1)
                    assert all(track.items[n] is None for n in gone)
                    tombstone = Tombstone(run.count, run.reason, 0, run.readings)
                    assert tombstone.count_readings() == sum(track.readings[n] for n in gone)
                position = run.last
            assert position == track.assigned
            assert self.reader.read(epoch, lane, track.assigned + 1, max_items=3, max_bytes=2_000) is None

    @precondition(lambda self: self.spool is not None)
    @invariant()
    def books_agree(self) -> None:
        for lane in Lane:
            held = sum(
                len(item[0]) + ITEM_OVERHEAD_BYTES
                for (_, other), track in self.model.tracks.items()
                if other is lane
                for item in track.items.values()
                if item is not None
            )
            assert self.spool.held_bytes(lane) == held
        assert self.spool.sheddable_bytes() == sum(
            len(item[0]) + ITEM_OVERHEAD_BYTES
            for (_, lane), track in self.model.tracks.items()
            if lane is Lane.ALARM
            for item in track.items.values()
            if item is not None and item[1] >= SHEDDABLE
        )
        open_epochs = {
            epoch
            for (epoch, _), track in self.model.tracks.items()
            if track.cursor < track.assigned or epoch == self.next_epoch
        }
        marks = self.spool.marks()
        assert {mark.epoch for mark in marks} >= open_epochs
        assert [mark.epoch for mark in marks] == sorted((mark.epoch for mark in marks), reverse=True)
        for mark in marks:
            track = self.model.tracks[mark.epoch, mark.lane]
            assert (mark.assigned, mark.cursor) == (track.assigned, track.cursor)
        for key, state in self.model.conditions.items():
            assert self.spool.known.condition(key) == state
        counted = {key: (drop.items, drop.readings) for key, drop in self.spool.dropped.items()}
        assert counted == self.model.dropped

    @precondition(lambda self: self.spool is not None)
    @invariant()
    def nothing_is_left_over(self) -> None:
        """The file holds what it must and no row more; neighbouring tombstones are one."""
        with closing(open_readable(self.path)) as db:
            rows = set(db.execute("SELECT epoch, lane, seq FROM item"))
            ranges = db.execute("SELECT epoch, lane, first, reason, count FROM tombstone ORDER BY 1, 2, 3")
            ranges = ranges.fetchall()
            assert set(db.execute("SELECT epoch FROM lane")) == set(db.execute("SELECT epoch FROM epoch"))
        tracks = self.before.tracks.items()
        assert rows == {(*key, n) for key, t in tracks for n, item in t.items.items() if item is not None}
        for (epoch, lane, first, reason, count), following in pairwise(ranges):
            assert following[:4] != (epoch, lane, first + count, reason)

    def teardown(self) -> None:
        if self.spool is not None and self.reader is not None:
            self.reader.close()
            self.spool.close()
        shutil.rmtree(self.folder)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
