"""A site as its worker holds it: the rules' state and the positions, all of it the database's.

Everything here is memory of committed rows. After a failed commit it is thrown away and loaded anew
(design, invariant 6), so nothing in it has to be undone by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from hub.clock import steady_s
from hub.domain.judgement import Checkpoint, Input, Quiet, SiteModel, Verdict
from hub.intake.drift import ClockWatch
from hub.intake.parcel import Notice
from hub.intake.series import SeriesBook
from hub.store.checkpoint import load_checkpoints, save_checkpoints
from hub.store.condition import ConditionKey, ConditionState, load_conditions
from hub.store.cursor import LaneKey, last_recorded, load_cursors
from hub.store.database import Connection
from hub.store.history import last_position, load_consumed
from hub.store.person import pseudonym_secret
from hub.store.reading import load_series
from hub.store.site import load_site_model

STEP = timedelta(seconds=1)
"""What a clock slews away by itself is no step."""
PACE = 0.5
"""How fast recorded time goes on while it is ahead of the clock: in order, and the clock catches up."""
DRIFT = "device.clock_drift"
OFFLINE = "edge.offline"


class Judge(Protocol):
    """The rule engine as intake uses it: pure, fed by position."""

    def restore(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Take up the state of these checkpoints."""

    def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        """What the inputs at a position mean."""

    def changed(self) -> list[Checkpoint]:
        """The state that changed since the last call."""

    def next_timer(self) -> datetime | None:
        """When a tick is due, if ever."""

    def concerns(self, device: str, address: str, point: str) -> bool:
        """Whether readings of a point must be fed."""

    def quiet(self, device: str, address: str, point: str) -> Quiet | None:
        """Which of them need not be, while the point is not awake."""

    def awake(self, keys: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Of which points something is remembered."""


MakeJudge = Callable[[SiteModel], Judge]


@dataclass(slots=True)
class HeldSite:
    """One site's memory between two commits."""

    site: str
    model: SiteModel
    judge: Judge
    series: SeriesBook
    cursors: dict[LaneKey, int]
    conditions: dict[ConditionKey, ConditionState]
    position: int
    consumed: int
    recorded_at: datetime
    clocks: ClockWatch = field(default_factory=ClockWatch)
    ahead: timedelta = timedelta(0)
    """By how much the last recorded time is ahead of the clock: hours, where that was set back."""
    _asked_s: float = field(default_factory=steady_s)

    def next_position(self) -> int:
        """Open the next position of the history."""
        self.position += 1
        return self.position

    def next_moment(self, now: datetime) -> datetime:
        """The hub's clock, but later than everything recorded at this site before: a recorded time
        names its batch. Where what is recorded lies ahead of the clock (it was set back), time goes on from
        there a little slower until the clock has caught up: what comes later is recorded later.
        """
        self.recorded_at = max(self.present(now), self.recorded_at + timedelta(microseconds=1))
        self._asked_s = steady_s()
        self.ahead = self.recorded_at - now
        return self.recorded_at

    def present(self, now: datetime) -> datetime:
        """What time it is at this site, recording nothing: the rules' timers and listening go by it."""
        if self.recorded_at - now <= STEP:
            return max(now, self.recorded_at)
        return self.recorded_at + timedelta(seconds=PACE * (steady_s() - self._asked_s))

    def is_active(self, device: str, kind: str) -> bool | None:
        """What a condition of a device is now; None if it was never reported."""
        state = self.conditions.get((device, "", kind))
        return None if state is None else state.active

    def is_news(self, notice: Notice) -> bool:
        """Whether a supervision event tells anything: a change, or something momentary. That an edge
        is heard for the first time is news, too: until then it was unknown.
        """
        known = self.is_active(notice.device, notice.kind)
        if notice.active is None or (known is None and notice.kind == OFFLINE):
            return True
        return bool(known) is not notice.active

    def remodel(self, connection: Connection, make_judge: MakeJudge) -> None:
        """Take a new version of the configuration: the rules keep their state. In a turn."""
        save_checkpoints(connection, self.site, self.judge.changed())
        self.model = load_site_model(connection, self.site)
        self.judge = make_judge(self.model)
        self.judge.restore(load_checkpoints(connection, self.site))
        self.series = replace(self.series, model=self.model, rules=self.judge, _known={})


def load_held(connection: Connection, site: str, make_judge: MakeJudge, now: datetime) -> HeldSite:
    """Build a site's memory from what is committed (or, inside a transaction, from what it sees)."""
    model = load_site_model(connection, site)
    judge = make_judge(model)
    judge.restore(load_checkpoints(connection, site))
    position, at = last_position(connection, site)
    conditions = load_conditions(connection, site)
    drifting = {device for (device, _, kind), state in conditions.items() if kind == DRIFT and state.active}
    return HeldSite(
        site=site,
        model=model,
        judge=judge,
        series=SeriesBook(
            model, judge, load_series(connection, site), drifting, pseudonym_secret(connection, site)
        ),
        cursors=load_cursors(connection, site),
        conditions=conditions,
        position=position,
        consumed=load_consumed(connection, site),
        # A clock that stands behind what was recorded (set back, another machine's) repeats no moment of it.
        recorded_at=max(each for each in (now, at, last_recorded(connection, site)) if each is not None),
    )
