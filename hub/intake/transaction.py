"""One transaction: items, cursor, judgement, its consequences and the journal commit together or
not at all (design, invariants 6 and 7).

`write_in_turn` is for the alarm lane, ticks and acts: consume what others journaled, write, judge,
apply. `judge_first` and `write_judged` are for telemetry: judged in memory, and only if something
came of it the site's turn is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from adapters.contract.vocabulary import KINDS, Quality
from hub.commands.desk import apply_result, record_reflex
from hub.dispatch.verdict import apply_verdicts
from hub.domain.judgement import ActInput, EventInput, Input, Verdict
from hub.domain.moment import microseconds
from hub.intake.held import DRIFT, HeldSite, MakeJudge
from hub.intake.lane import follows_in_lane
from hub.intake.parcel import JournalLine, Notice, Parcel
from hub.rulebook.book import RuleBook
from hub.store.checkpoint import save_checkpoints
from hub.store.condition import ConditionKey, ConditionState, save_conditions
from hub.store.cursor import add_tombstones, save_cursors
from hub.store.database import Connection, Row
from hub.store.event import HUB, EventRow, copy_events
from hub.store.history import HistoryRow, append_history, save_consumed
from hub.store.journal import read_journal
from hub.store.quarantine import RETRY, add_quarantine
from hub.store.reading import (
    add_series,
    copy_readings,
    join_blocks,
    newest_per_series,
    save_latest,
)
from hub.store.turn import WORKER, Turn

_ACTS_AT_ONCE: Final = 500
_CONFIGURATION: Final = "configuration.applied"
_NOT_FED: Final = frozenset({"session", "screen", "quarantine"})
"""Nouns of journal rows that no rule can mean."""


@dataclass(frozen=True, slots=True)
class Court:
    """What judging and dispatching need besides the site: the rule book and how to make an engine."""

    book: RuleBook
    make_judge: MakeJudge


@dataclass(frozen=True, slots=True)
class Judged:
    """A parcel that is complete and judged in memory; its rows are not written yet."""

    parcel: Parcel
    position: int | None
    verdicts: list[Verdict]
    conditions: dict[ConditionKey, ConditionState]

    @property
    def needs_turn(self) -> bool:
        """Whether writing it touches the site's domain state or journal."""
        parcel = self.parcel
        return bool(self.verdicts or parcel.reflexes or parcel.results or parcel.journal or parcel.held)


def write_in_turn(connection: Connection, held: HeldSite, parcel: Parcel, court: Court) -> list[int]:
    """Consume acts, judge the parcel and write all of it; the caller opened the transaction and took
    the turn. Returns the quarantine items that people want tried again.
    """
    retries = consume_acts(connection, held, parcel.recorded_at, court)
    write_judged(connection, held, judge_first(held, parcel), court)
    return retries


def judge_first(held: HeldSite, parcel: Parcel, *, fed: bool = True) -> Judged:
    """Complete a parcel (supervision becomes events, conditions are compared) and judge it, in
    memory. With `fed` False the rules are not asked: it is stored only.
    """
    if parcel.retold:
        _leave_out_known(held, parcel)
    if parcel.by_edge:
        _keep_lane_order(held, parcel)
    for device, behind_us in parcel.drift.items():
        wrong = held.clocks.judge(device, behind_us, microseconds(parcel.recorded_at))
        if wrong is not None:
            parcel.note(Notice(DRIFT, device, wrong))
    notices = [notice for notice in parcel.take_notices() if held.is_news(notice)]
    if not notices and not parcel.inputs and not parcel.concerned:
        return Judged(parcel, None, [], {})
    position = held.next_position()
    for ordinal, notice in enumerate(notices):
        _add_notice(held, parcel, position, ordinal, notice)
    conditions = _compare_conditions(held, parcel)
    verdicts = held.judge.judge(position, parcel.inputs) if fed else []
    return Judged(parcel, position, verdicts, conditions)


def write_judged(
    connection: Connection, held: HeldSite, judged: Judged, court: Court, *, fed: bool = True
) -> None:
    """Write a judged parcel's rows, and inside the site's turn what follows from them."""
    parcel, site, at = judged.parcel, held.site, judged.parcel.recorded_at
    turn = Turn(connection, site, at, deferred=True)
    _write_rows(connection, held, judged)
    # Before the verdicts: what the edge does by itself is not ordered a second time.
    for reflex in parcel.reflexes:
        record_reflex(turn, reflex)
    for result in parcel.results:
        apply_result(turn, result.command, result.state, result.detail, result.edge)
    turn.write()
    if judged.verdicts:
        apply_verdicts(connection, site, judged.verdicts, at=at, book=court.book)
    if judged.position is not None:
        save_checkpoints(connection, site, held.judge.changed())
        ref: dict[str, Any] = {"runs": parcel.refs, "inputs": len(parcel.inputs)}
        if parcel.concerned:
            ref["concerned"] = parcel.concerned
        if not fed:
            ref["fed"] = False
        append_history(connection, site, [HistoryRow(judged.position, at, parcel.source, ref)])
    if judged.needs_turn or parcel.source != "telemetry":
        for line in parcel.journal:
            turn.journal(line.subject, line.kind, line.body)
        turn.write()
        held.consumed = save_consumed(connection, site)


def consume_acts(connection: Connection, held: HeldSite, at: datetime, court: Court) -> list[int]:
    """Feed the rules what others journaled since the last turn, in order; returns the quarantine
    items that people want tried again. Inside the site's turn.
    """
    retries: list[int] = []
    while True:
        rows = read_journal(connection, held.site, after=held.consumed, limit=_ACTS_AT_ONCE)
        retries += consume_rows(connection, held, rows, at, court)
        if len(rows) < _ACTS_AT_ONCE:
            return retries


def consume_rows(
    connection: Connection, held: HeldSite, rows: Sequence[Row], at: datetime, court: Court
) -> list[int]:
    """Feed the rules these journal rows, which come next; returns as `consume_acts` does."""
    retries: list[int] = []
    waiting: list[Row] = []
    for row in rows:
        if row["kind"] == _CONFIGURATION:
            _feed_acts(connection, held, waiting, at, court)
            waiting = []
            ref = {"seq": row["seq"], "body": row["body"]}
            history = HistoryRow(held.next_position(), at, "configuration", ref)
            append_history(connection, held.site, [history])
            held.remodel(connection, court.make_judge)
        elif row["kind"] == RETRY:
            retries.append(int(row["body"]["quarantine"]))
        elif row["kind"].partition(".")[0] not in _NOT_FED and row["actor"] != WORKER:
            waiting.append(row)
    _feed_acts(connection, held, waiting, at, court)
    if rows:
        held.consumed = rows[-1]["seq"]
    return retries


def _feed_acts(connection: Connection, held: HeldSite, rows: list[Row], at: datetime, court: Court) -> None:
    if not rows:
        return
    inputs: list[Input] = [
        ActInput(row["seq"], row["at"], row["actor"], row["subject"], row["kind"], row["body"]) for row in rows
    ]
    position = held.next_position()
    verdicts = held.judge.judge(position, inputs)
    ref = {"seqs": [row["seq"] for row in rows]}
    append_history(connection, held.site, [HistoryRow(position, at, "act", ref)])
    if verdicts:
        apply_verdicts(connection, held.site, verdicts, at=at, book=court.book)
    save_checkpoints(connection, held.site, held.judge.changed())


def _write_rows(connection: Connection, held: HeldSite, judged: Judged) -> None:
    parcel, site, at = judged.parcel, held.site, judged.parcel.recorded_at
    if parcel.new_series:
        add_series(connection, site, parcel.new_series)
    if parcel.blocks:
        block = join_blocks(parcel.blocks)
        copy_readings(connection, site, at, block)
        save_latest(connection, site, at, newest_per_series(block))
    if parcel.events:
        copy_events(connection, site, parcel.events)
    if judged.conditions:
        save_conditions(connection, site, judged.conditions)
    if parcel.held:
        numbers = add_quarantine(connection, site, parcel.held, at)
        body = {
            "quarantine": numbers[:100],
            "count": len(numbers),
            "codes": sorted({row.code for row in parcel.held}),
            "edges": sorted({row.edge for row in parcel.held}),
        }
        parcel.journal.append(JournalLine(f"quarantine:{numbers[0]}", "quarantine.held", body))
    if parcel.tombstones:
        add_tombstones(connection, site, parcel.tombstones, at)
    if parcel.cursors:
        save_cursors(connection, site, parcel.cursors, at)
        held.cursors.update(parcel.cursors)


def _add_notice(held: HeldSite, parcel: Parcel, position: int, ordinal: int, notice: Notice) -> None:
    known = notice.device in held.model.devices
    event = EventInput(
        id=f"{HUB}/{position}/{ordinal}",
        device=notice.device,
        address="",
        zone=held.model.zone_of(notice.device, "") if known else None,
        kind=notice.kind,
        active=notice.active,
        observed_at=notice.observed_at or parcel.recorded_at,
        recorded_at=parcel.recorded_at,
        late=False,
        attributes=notice.attributes,
    )
    if notice.kind == DRIFT:
        (held.series.drifting.add if notice.active else held.series.drifting.discard)(notice.device)
    parcel.inputs.append(event)
    parcel.events.append(
        EventRow(
            input=event,
            device_at=None,
            edge_at=parcel.recorded_at,
            edge=HUB,
            epoch=0,
            lane=int(KINDS[notice.kind].lane),
            sequence=position,
            ordinal=ordinal,
            quality=int(Quality.GOOD),
            identity="",
            raw=b"",
        )
    )


def _leave_out_known(held: HeldSite, parcel: Parcel) -> None:
    """Take out what an edge tells anew and is as we know it: no event, no second occurrence of its alarm."""
    active: dict[ConditionKey, bool] = {}
    known: set[str] = set()
    for row in parcel.events:
        event = row.input
        if event.active is None:
            continue
        key = (event.device, event.address, event.kind)
        before = held.conditions.get(key)
        now = active.get(key, None if before is None else before.active)
        if event.id in parcel.retold and now is event.active:
            known.add(event.id)
        else:
            active[key] = event.active
    parcel.events = [row for row in parcel.events if row.input.id not in known]
    parcel.inputs = [each for each in parcel.inputs if not (isinstance(each, EventInput) and each.id in known)]


def _keep_lane_order(held: HeldSite, parcel: Parcel) -> None:
    """What follows in a lane was taken in later. A change that has its time from the edge is therefore never
    older than the one before it in the lane, though the edge's clock was set back between the two.
    """
    newest: dict[ConditionKey, tuple[str, datetime]] = {}
    later: dict[str, EventInput] = {}
    for number, row in enumerate(parcel.events):
        event = row.input
        if event.active is None:
            continue
        key = (event.device, event.address, event.kind)
        known = held.conditions.get(key)
        before = newest.get(key) or (None if known is None else (known.event, known.observed_at))
        if before is not None and before[1] > event.observed_at:
            if event.id not in parcel.by_edge or not follows_in_lane(event.id, before[0]):
                continue
            event = later[event.id] = replace(event, observed_at=before[1])
            parcel.events[number] = replace(row, input=event, quality=int(Quality.UNCERTAIN))
        newest[key] = event.id, event.observed_at
    if later:
        parcel.inputs = [
            later.get(each.id, each) if isinstance(each, EventInput) else each for each in parcel.inputs
        ]


def _compare_conditions(held: HeldSite, parcel: Parcel) -> dict[ConditionKey, ConditionState]:
    """The conditions that the parcel's events set; what is older than the state known is history.
    A change that people should see on a device goes to the journal as `device.status`.
    """
    changes: dict[ConditionKey, ConditionState] = {}
    for row in parcel.events:
        event = row.input
        if event.active is None:
            continue
        key = (event.device, event.address, event.kind)
        before = held.conditions.get(key)
        if before is not None and before.observed_at > event.observed_at:
            continue
        state = ConditionState(event.active, event.observed_at, event.recorded_at, event.id)
        held.conditions[key] = changes[key] = state
        if _is_shown(held, key, before, event.active):
            body: Mapping[str, Any] = {
                "device": event.device,
                "address": event.address,
                "kind": event.kind,
                "active": event.active,
                "event": event.id,
            }
            parcel.journal.append(JournalLine(f"device:{event.device}", "device.status", body))
    return changes


def _is_shown(held: HeldSite, key: ConditionKey, before: ConditionState | None, active: bool) -> bool:
    device, _, kind = key
    if device not in held.model.devices:
        return False
    if kind == "device.offline":
        return before is None or before.active is not active
    if KINDS[kind].default_priority is None:
        return False
    return active if before is None else before.active is not active
