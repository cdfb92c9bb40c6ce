"""Takes runs, supervision and ticks into the store: together if it goes, one by one if it must.

First a whole batch in one transaction. If that fails for any reason but an outage, the batch is taken
apart, item by item in savepoints, by the ways of `_WAYS`: judged; stored but not judged, with an
alarm; held in quarantine. What stands at the end is committed with the cursor.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.contract.error import WireError
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import KINDS, Lane
from hub.clock import utc_now
from hub.dispatch.verdict import raise_unjudged
from hub.domain.error import ActRefused, DataRefused, HubError
from hub.intake.attempt import attempt
from hub.intake.clock import UNBELIEVED_US, ClockSight, offset_at
from hub.intake.held import HeldSite, load_held
from hub.intake.lane import Move, Step, decide
from hub.intake.parcel import Notice, Parcel
from hub.intake.run import RawItem, Run
from hub.intake.transaction import (
    Court,
    consume_acts,
    consume_rows,
    judge_first,
    write_in_turn,
    write_judged,
)
from hub.intake.unpack import Origin, hold, take_item
from hub.intake.whole import take_whole
from hub.store.cursor import LaneKey
from hub.store.database import Connection, Row, savepoint, site_turn, transaction
from hub.store.history import note_consumed, save_consumed
from hub.store.journal import read_journal

_log: Final = logging.getLogger(__name__)

_FAILED: Final = "the rules failed on what the hub itself observed"
_IN_STEP: Final = timedelta(milliseconds=10)
"""A site's recorded time that is no further ahead of the clock goes with it."""

Build = Callable[[HeldSite], Parcel]
"""Makes a parcel from a site's memory; called again after that memory was loaded anew."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to get something into the store, from the best to the last."""

    build: Build
    fed: bool = True
    """Do the rules see it?"""
    error: str = ""
    """Why it is not judged: its events raise their kind's own alarm, marked 未判定. Empty: they do not."""


@dataclass(slots=True)
class Outcome:
    """What is to be said to the edges once everything is committed."""

    cursors: dict[Sender, dict[tuple[int, int], int]] = field(default_factory=dict)
    """Per edge: (epoch, lane) -> position."""
    gaps: dict[tuple[Sender, int, int], int] = field(default_factory=dict)
    """(edge, epoch, lane) -> the item that is expected."""
    retries: list[tuple[str, int]] = field(default_factory=list)
    """(site, quarantine) that people want tried again."""
    dropped: set[Sender] = field(default_factory=set)
    """Edges of which a tombstone was taken."""

    def receipt(self, sender: Sender, key: LaneKey, position: int) -> None:
        self.cursors.setdefault(sender, {})[key[1], key[2]] = position


class Clerk:
    """Everything that the worker writes goes through here, over its one dedicated connection."""

    def __init__(
        self, connection: Connection, court: Court, sights: Callable[[Sender], ClockSight | None]
    ) -> None:
        self.connection = connection
        self.court = court
        self.sites: dict[str, HeldSite] = {}
        self.counts: Counter[str] = Counter()
        """What was done since this connection: items, duplicates, gaps, quarantined, unjudged."""
        self._sights = sights

    def hold(self, site: str, now: datetime) -> HeldSite:
        """Load a site that this connection holds, or load it anew."""
        self.sites[site] = held = load_held(self.connection, site, self.court.make_judge, now)
        return held

    def take_runs(self, runs: Sequence[Run], now: datetime) -> Outcome:
        """Store and judge runs of one lane. Raises StoreUnavailable; then nothing was changed and
        this clerk is not to be used any more.
        """
        runs = [run for run in runs if run.sender.site in self.sites]
        outcome = Outcome()
        error = attempt(lambda: self._take_together(runs, now, outcome))
        if error is None:
            return outcome
        _log.warning("a batch of %d runs is taken apart: %r", len(runs), error)
        for site in {run.sender.site for run in runs}:
            self.hold(site, now)
        outcome = Outcome()
        for run in runs:
            self._take_apart(run, now, outcome)
        return outcome

    def write(
        self, site: str, build: Build, *, before: Callable[[Connection], None] | None = None
    ) -> list[int]:
        """Write a parcel of the hub's own (supervision, a tick, closed gaps) in a transaction and a
        turn; if the rules fail on it, unjudged. `before` writes what belongs into the same
        transaction. Returns the quarantine items that people want tried again.
        """
        retries: list[int] = []
        with transaction(self.connection):
            site_turn(self.connection, site)
            if before is not None:
                before(self.connection)
            retries += self._consume(site)
            self._by_ways(site, [Way(build), Way(build, fed=False, error=_FAILED), Way(build, fed=False)])
        return retries

    def consume(self, site: str) -> list[int]:
        """Feed what others journaled, in a turn of its own."""
        with transaction(self.connection):
            site_turn(self.connection, site)
            retries = self._consume(site)
            self.sites[site].consumed = save_consumed(self.connection, site)
        return retries

    def retry(self, site: str, build: Build, after: Callable[[Connection], None]) -> Exception | None:
        """Take a quarantined item again in a turn, judged or not at all; the error if it fails again.
        `after` writes what belongs to its success.
        """
        with transaction(self.connection):
            site_turn(self.connection, site)
            self._consume(site)
            error = self._try(site, Way(build))
            if error is None:
                after(self.connection)
            return error

    def _take_together(self, runs: Sequence[Run], now: datetime, outcome: Outcome) -> None:
        parcels: dict[str, Parcel] = {}
        for run in runs:
            held = self.sites[run.sender.site]
            parcel = parcels.get(held.site)
            if parcel is None:
                source = "alarm" if run.lane is Lane.ALARM else "telemetry"
                parcel = parcels[held.site] = Parcel(held.site, held.next_moment(now), source)
            step = self._place(run, parcel.cursors, outcome)
            if step is not None:
                self._fill(parcel, held, run, step)
        full = [parcel for parcel in parcels.values() if parcel.cursors]
        if full and full[0].source == "alarm":
            self._write_alarms(full, outcome)
        elif full:
            self._write_telemetry(full, outcome)
        for parcel in full:
            self.counts["items"] += sum(ref[4] for ref in parcel.refs)
            self.counts["quarantined"] += len(parcel.held)

    def _write_alarms(self, parcels: Sequence[Parcel], outcome: Outcome) -> None:
        with transaction(self.connection):
            site_turn(self.connection, *(parcel.site for parcel in parcels))
            for parcel in parcels:
                held = self.sites[parcel.site]
                retries = write_in_turn(self.connection, held, parcel, self.court)
                outcome.retries += [(parcel.site, number) for number in retries]

    def _write_telemetry(self, parcels: Sequence[Parcel], outcome: Outcome) -> None:
        judged = [judge_first(self.sites[parcel.site], parcel) for parcel in parcels]
        with transaction(self.connection):
            turns = [each.parcel.site for each in judged if each.needs_turn]
            site_turn(self.connection, *turns)
            for each in judged:
                held = self.sites[each.parcel.site]
                if each.needs_turn:
                    retries = consume_acts(self.connection, held, each.parcel.recorded_at, self.court)
                    outcome.retries += [(held.site, number) for number in retries]
                write_judged(self.connection, held, each, self.court)

    def _place(self, run: Run, ahead: dict[LaneKey, int], outcome: Outcome) -> Step | None:
        """Where a run stands; None where there is nothing to take."""
        cursor = ahead.get(run.key, self.sites[run.sender.site].cursors.get(run.key, 0))
        step = decide(cursor, run.first, run.count)
        if step.move is Move.GAP:
            self.counts["gaps"] += 1
            outcome.gaps.setdefault((run.sender, run.epoch, int(run.lane)), cursor + 1)
            return None
        outcome.receipt(run.sender, run.key, step.cursor)
        if run.tombstone is not None:
            outcome.dropped.add(run.sender)
        if step.move is Move.DUPLICATE:
            self.counts["duplicates"] += run.count
            return None
        return step

    def _fill(self, parcel: Parcel, held: HeldSite, run: Run, step: Step) -> None:
        """Put a run into a parcel, behind what is stored of it already."""
        if run.items:
            now = parcel.recorded_at - held.ahead
            offset, waited_ms = self.offset(run), run.waited_ms(now)
            for raw in run.items[step.skip :]:
                take_item(parcel, held.series, _origin(run, raw, waited_ms, offset), raw.data)
        else:
            take_whole(parcel, run, step)
        self._advance(parcel, run, step)

    def _advance(self, parcel: Parcel, run: Run, step: Step) -> None:
        parcel.cursors[run.key] = step.cursor
        first, count = run.first + step.skip, run.count - step.skip
        parcel.refs.append((run.sender.edge, run.epoch, int(run.lane), first, count))

    def _take_apart(self, run: Run, now: datetime, outcome: Outcome) -> None:
        """One run, item by item, in one transaction."""
        step = self._place(run, {}, outcome)
        if step is None:
            return
        site = run.sender.site
        source = "alarm" if run.lane is Lane.ALARM else "telemetry"

        def begin(held: HeldSite) -> Parcel:
            return Parcel(site, held.next_moment(now), source)

        def build_whole(held: HeldSite) -> Parcel:
            parcel = begin(held)
            take_whole(parcel, run, step)
            return parcel

        with transaction(self.connection):
            site_turn(self.connection, site)
            outcome.retries += [(site, number) for number in self._consume(site)]
            offset, waited_ms = self.offset(run), run.waited_ms(now)
            for raw in run.items[step.skip :]:
                self._take_one(begin, _origin(run, raw, waited_ms, offset), raw, site)
            if not run.items:
                self._by_ways(site, [Way(build_whole), Way(build_whole, fed=False, error=_FAILED)])
            held = self.sites[site]
            last = begin(held)
            self._advance(last, run, step)
            write_judged(self.connection, held, judge_first(held, last), self.court)
        self.counts["items"] += run.count - step.skip

    def _take_one(self, begin: Build, origin: Origin, raw: RawItem, site: str) -> None:
        """One item by the best way that goes."""

        def build_item(held: HeldSite) -> Parcel:
            parcel = begin(held)
            parcel.refs.append((origin.edge, origin.epoch, int(origin.lane), origin.sequence, 1))
            take_item(parcel, held.series, origin, raw.data)
            return parcel

        judged = self._try(site, Way(build_item))
        if judged is None:
            return

        def build_unjudged(held: HeldSite) -> Parcel:
            parcel = build_item(held)
            if not parcel.events:
                parcel.note(Notice("rule.broken", "hub", True, {"error": repr(judged)[:200]}))
            return parcel

        def build_held(held: HeldSite) -> Parcel:
            parcel = begin(held)
            hold(parcel, origin, raw.data, _reason(judged), device="")
            return parcel

        why = repr(judged)[:500]
        ways = [Way(build_held), Way(build_held, fed=False, error=why), Way(build_held, fed=False)]
        if not isinstance(judged, DataRefused):
            ways.insert(0, Way(build_unjudged, fed=False, error=why))
        self._by_ways(site, ways)

    def _by_ways(self, site: str, ways: Iterable[Way]) -> None:
        """The first way that goes; the last one's error is a fault of the program and ends it."""
        error: Exception | None = None
        for way in ways:
            error = self._try(site, way)
            if error is None:
                return
        if error is not None:
            raise error

    def _try(self, site: str, way: Way) -> Exception | None:
        """Write by one way in a savepoint; after a failure the site's memory is loaded anew."""
        error = attempt(lambda: self._write_by(self.sites[site], way))
        if error is not None:
            # A refusal is an answer to the person who asked; anything else needs its traceback.
            trace = None if isinstance(error, ActRefused) else error
            _log.warning("%s: not taken (fed: %s): %r", site, way.fed, error, exc_info=trace)
            self.hold(site, utc_now())
        return error

    def _write_by(self, held: HeldSite, way: Way) -> None:
        with savepoint(self.connection):
            parcel = way.build(held)
            judged = judge_first(held, parcel, fed=way.fed)
            write_judged(self.connection, held, judged, self.court, fed=way.fed)
            if way.error:
                self._raise_unjudged(held, parcel, way.error)
        self.counts["quarantined"] += len(parcel.held)

    def _raise_unjudged(self, held: HeldSite, parcel: Parcel, error: str) -> None:
        alarming = [row for row in parcel.events if KINDS[row.input.kind].default_priority is not None]
        for row in alarming or parcel.events[:1]:
            self.counts["unjudged"] += 1
            raise_unjudged(self.connection, held.site, row.input, at=parcel.recorded_at, error=error)
        held.consumed = save_consumed(self.connection, held.site)

    def _consume(self, site: str) -> list[int]:
        """Feed what others journaled; if that fails, row by row, and only the row on which the rules fail is
        passed over, with an alarm.
        """
        retries: list[int] = []

        def consume() -> None:
            with savepoint(self.connection):
                held = self.sites[site]
                retries.extend(consume_acts(self.connection, held, held.next_moment(utc_now()), self.court))

        error = attempt(consume)
        if error is not None:
            self.hold(site, utc_now())
            retries.extend(self._consume_singly(site))
        return retries

    def _consume_singly(self, site: str) -> list[int]:
        retries: list[int] = []
        passed: Exception | None = None
        while rows := read_journal(self.connection, site, after=self.sites[site].consumed, limit=1):

            def consume(rows: list[Row] = rows) -> None:
                with savepoint(self.connection):
                    held = self.sites[site]
                    at = held.next_moment(utc_now())
                    retries.extend(consume_rows(self.connection, held, rows, at, self.court))
                    note_consumed(self.connection, site, held.consumed)

            error = attempt(consume)
            if error is not None:
                passed = error
                _log.warning("%s: journal row %d is passed over", site, rows[0]["seq"], exc_info=error)
                note_consumed(self.connection, site, rows[0]["seq"])
                self.hold(site, utc_now())
        if passed is not None:
            # Last, because writing it moves the reader to the journal's end.
            self._by_ways(site, [Way(lambda held: _broken(held, passed), fed=False, error=repr(passed)[:500])])
        return retries

    def offset(self, run: Run) -> int:
        """By how much the edge's clock was ahead of ours at sending, in µs."""
        if self.sites[run.sender.site].ahead > _IN_STEP:
            # Edges are measured by the clock, but what they say is ordered by what the site has recorded: by
            # its age, from the first moment on to the last, and not only beyond some difference.
            return UNBELIEVED_US
        return offset_at(self._sights(run.sender), run.sight)


def _origin(run: Run, raw: RawItem, waited_ms: int, offset_us: int) -> Origin:
    # An unknown age (negative) stays unknown.
    age_ms = raw.age_ms if raw.age_ms < 0 else raw.age_ms + waited_ms
    return Origin(run.sender.edge, run.epoch, run.lane, raw.sequence, age_ms, offset_us)


def _broken(held: HeldSite, error: Exception | None) -> Parcel:
    parcel = Parcel(held.site, held.next_moment(utc_now()), "tick")
    parcel.note(Notice("rule.broken", "hub", True, {"error": repr(error)[:200]}))
    return parcel


def _reason(error: Exception) -> WireError:
    """An error as the reason of a quarantined item."""
    reason = WireError(str(error) or type(error).__name__)
    reason.code = error.code if isinstance(error, HubError) else "failed"
    return reason
