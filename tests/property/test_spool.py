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

from adapters.contract.vocabulary import Lane, Priority
from edge.known import ConditionKey, ConditionState
from edge.quota import ITEM_OVERHEAD_BYTES, Budget
from edge.reader import Batch, Dropped, SpoolReader
from edge.schema import open_readable
from edge.spool import DROP_REASON, Spool

BUDGET = Budget(6_000)

SHEDDABLE = Priority.MEDIUM.rank
"""What a full spool may give up: medium, low and merely recorded; never critical or high."""


@dataclass
class Track:
    """What the model holds of one lane of one epoch: item or None (dropped) by number."""

    items: dict[int, tuple[bytes, int] | None] = field(default_factory=dict)
    assigned: int = 0
    cursor: int = 0


@dataclass
class Model:
    tracks: dict[tuple[int, Lane], Track] = field(default_factory=dict)
    conditions: dict[ConditionKey, ConditionState] = field(default_factory=dict)
    seen: set[tuple[ConditionKey, str]] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)

    def copy(self) -> Model:
        return Model(
            {key: Track(dict(t.items), t.assigned, t.cursor) for key, t in self.tracks.items()},
            dict(self.conditions),
            set(self.seen),
            set(self.commands),
        )


KEY = st.builds(ConditionKey, st.sampled_from(["door-1", "smoke-2"]), st.just(""), st.sampled_from(["a", "b"]))


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sanfang-spool-"))
        self.path = self.folder / "spool.sqlite"
        self.next_epoch = 100
        self.model = Model()
        self.spool: Spool | None = None
        self.reader: SpoolReader | None = None

    @initialize()
    def first_start(self) -> None:
        self.open()

    def open(self) -> None:
        # Random in life; falling here, so that an order by epoch instead of by age is found out.
        self.next_epoch -= 1
        self.spool = Spool(self.path, epoch=self.next_epoch, opened_at=0, budget=BUDGET)
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
            data = f"{self.next_epoch}/{lane}/{track.assigned}".encode().ljust(size, b".")
            track.items[track.assigned] = (data, rank)
            assert self.spool.append(lane, data, rank=rank, mono_ms=track.assigned) == track.assigned

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
        shed = self.spool.shed(now_us=7)
        self.spool.commit()
        self.take_over_drops(shed.telemetry_items, shed.alarm_items, held_before)
        self.before = self.model.copy()
        self.spool.begin()

    def take_over_drops(self, telemetry: int, alarms: int, held_before: dict[Lane, int]) -> None:
        """The model follows the rules for what must go, oldest first."""
        gone = {Lane.TELEMETRY: telemetry, Lane.ALARM: alarms}
        for (_, lane), track in self.model.tracks.items():
            for number in sorted(track.items):
                item = track.items[number]
                if gone[lane] and item is not None and (lane is Lane.TELEMETRY or item[1] >= SHEDDABLE):
                    track.items[number] = None
                    gone[lane] -= 1
        assert gone == {Lane.TELEMETRY: 0, Lane.ALARM: 0}
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
                        assert run.mono_ms[offset] == run.first + offset
                else:
                    assert isinstance(run, Dropped) and run.reason == DROP_REASON
                    assert all(track.items[n] is None for n in range(run.first, run.last + 1))
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

    @precondition(lambda self: self.spool is not None)
    @invariant()
    def nothing_is_left_over(self) -> None:
        """The file holds what it must and no row more; neighbouring tombstones are one."""
        with closing(open_readable(self.path)) as db:
            rows = set(db.execute("SELECT epoch, lane, seq FROM item"))
            ranges = db.execute("SELECT epoch, lane, first, count FROM tombstone ORDER BY 1, 2, 3").fetchall()
            assert set(db.execute("SELECT epoch FROM lane")) == set(db.execute("SELECT epoch FROM epoch"))
        tracks = self.before.tracks.items()
        assert rows == {(*key, n) for key, t in tracks for n, item in t.items.items() if item is not None}
        for (epoch, lane, first, count), following in pairwise(ranges):
            assert following[:3] != (epoch, lane, first + count)

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
