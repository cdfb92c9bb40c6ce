"""What goes into the store in one transaction for one site: plain rows, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.domain.command import ReflexDone
from hub.domain.judgement import Input
from hub.domain.moment import microseconds
from hub.store.cursor import LaneKey, TombstoneRow
from hub.store.event import EventRow
from hub.store.quarantine import QuarantineRow
from hub.store.reading import ReadingBlock, SeriesKey


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the hub itself observed, to become an event of edge `hub` (supervision)."""

    kind: str
    device: str
    active: bool | None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What an edge says became of a command, and the item that said it."""

    command: str
    state: str
    detail: str
    edge: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A fact to journal beside the rows."""

    subject: str
    kind: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class Parcel:
    """One site's share of a transaction, in the order in which it came."""

    site: str
    recorded_at: datetime
    source: str
    """For the history: alarm, telemetry or tick."""
    events: list[EventRow] = field(default_factory=list)
    blocks: list[ReadingBlock] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    concerned: int = 0
    """Readings that concern a rule; those that could change nothing are counted here and not fed."""
    stirred: set[SeriesKey] = field(default_factory=set)
    """Series of which readings are among the inputs: what comes behind them is fed, too."""
    by_edge: set[str] = field(default_factory=set)
    """Events that have their time from the edge: their device gave none or a wrong one, or goes by the edge's
    clock, which is off."""
    retold: set[str] = field(default_factory=set)
    """Events that an edge tells anew because we lost track: only where they change something are they news."""
    reflexes: list[ReflexDone] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    held: list[QuarantineRow] = field(default_factory=list)
    tombstones: list[TombstoneRow] = field(default_factory=list)
    cursors: dict[LaneKey, int] = field(default_factory=dict)
    new_series: dict[SeriesKey, int] = field(default_factory=dict)
    journal: list[JournalLine] = field(default_factory=list)
    drift: dict[str, int] = field(default_factory=dict)
    """Device -> by how many µs its word was behind the edge's time where it had to be set aside
    (negative: ahead), 0 where all of it could be believed."""
    refs: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    """(edge, epoch, lane, first, count) of the runs inside, for the history."""
    recorded_us: int = field(init=False)
    _notices: dict[tuple[object, ...], Notice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recorded_us = microseconds(self.recorded_at)

    def note(self, notice: Notice) -> None:
        """Add a supervision event; the same one twice is told once, with its count. Two lanes or epochs of an
        edge are not the same: each gap is announced by its own numbers.
        """
        place = (notice.attributes.get("epoch"), notice.attributes.get("lane"))
        key = (notice.kind, notice.device, notice.active, *place)
        before = self._notices.get(key)
        if before is None:
            self._notices[key] = notice
        else:
            count = before.attributes.get("count", 1)
            told = {**before.attributes, "count": int(count) + 1}
            self._notices[key] = replace(before, attributes=told)

    def note_drift(self, device: str, behind_us: int) -> None:
        """Remember what a device's times were like; the one furthest off decides."""
        before = self.drift.get(device, 0)
        self.drift[device] = behind_us if abs(behind_us) > abs(before) else before

    def take_notices(self) -> list[Notice]:
        """All notices so far, handed over once."""
        notices = list(self._notices.values())
        self._notices.clear()
        return notices
