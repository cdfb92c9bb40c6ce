"""What of an observation becomes items: repeats and unchanged states are left out, chattering is collapsed,
what cannot travel is replaced by `intake.unreadable`. Runs inside the spool's transaction.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from adapters.contract.codec import decode_item, encode_payload
from adapters.contract.error import MalformedItem
from adapters.contract.message import MAX_EVENT_BYTES, MAX_RAW_BYTES, Event, EventItem, ResultItem
from adapters.contract.vocabulary import KINDS, Lane, Priority
from edge.chattering import Chattering
from edge.clock import Clock
from edge.condition import judge_event
from edge.known import ConditionKey, ConditionState
from edge.linkage import Linkage
from edge.spool import SPOOL_FULL, Drop, Spool

_log = logging.getLogger(__name__)

RECORDED_RANK: Final = 4
"""Rank of what is only recorded: it goes before any alarm when the spool is full."""
TELEMETRY_RANK: Final = 9
PANEL_RESET: Final = "fire.reset"
"""The hub takes it as the end of every fire condition of that panel; what still holds must be news again."""
DROPPING: Final = "edge.spool_dropping"
CALM_MS: Final = 60_000
"""Dropping for age, or for a full disk, has ended when nothing was dropped for so long."""
_DROPPING_NOTE: Final = "dropping"
_TEXT_BYTES: Final = 512


class Admission:
    """Stores events and results. All methods but the constructor run in the writer's thread and transaction.

    `edge_name` is the device of the events that the edge reports about itself.
    """

    def __init__(self, edge_name: str, chattering: Chattering, linkage: Linkage, clock: Clock) -> None:
        self._edge_name = edge_name
        self._chattering = chattering
        self._linkage = linkage
        self._clock = clock
        self.repeats = 0
        self.unreadable = 0
        self._dropped_ms: int | None = None
        """When something was dropped for age or for a full disk, last in this run."""

    def store_events(
        self, spool: Spool, events: Iterable[Event], *, fresh: bool = False, heard_ms: int | None = None
    ) -> int:
        """Store what is news; returns the number of items. `fresh`: an id seen before is no repeat;
        `heard_ms`: when they came in (monotonic), where they had to wait.
        """
        now = self._clock.monotonic_ms()
        stored = 0
        for event in events:
            if self._is_unchanged(spool, event):
                continue
            for admitted in self._admit(spool, self._make_storable(event), now, fresh=fresh):
                self._write(spool, admitted, now, heard_ms)
                stored += 1
        return stored

    def store_result(self, spool: Spool, result: ResultItem) -> None:
        """Store what became of a command, on the alarm lane."""
        if result.state != "accepted":
            self._linkage.end(result.command, result.state)
        rank = Priority.HIGH.rank
        spool.append(Lane.ALARM, encode_payload(result), rank=rank, mono_ms=self._clock.monotonic_ms())

    def store_readings(self, spool: Spool, item: bytes) -> None:
        """Store an encoded readings item."""
        spool.append(Lane.TELEMETRY, item, rank=TELEMETRY_RANK, mono_ms=self._clock.monotonic_ms())

    def report_own(
        self, spool: Spool, kind: str, active: bool | None, *, identity: str = "", **attributes: str | int
    ) -> None:
        """Report a condition or event of the edge itself."""
        now_us = self._clock.now_us()
        event = Event(self._edge_name, "", kind, active, None, now_us, dict(attributes), identity=identity)
        self.store_events(spool, (event,))

    def end_chattering(self, spool: Spool) -> None:
        """At start: what an earlier run told of chattering ends, for its rates are forgotten."""
        for key in spool.known.active_conditions("device.chattering"):
            ended = Event(key.device, key.address, key.kind, False, None, self._clock.now_us())
            self.store_events(spool, (ended,))

    def before_commit(self, spool: Spool) -> None:
        """Keep the budget, and tell what chattering has to tell."""
        now = self._clock.monotonic_ms()
        for event in self._chattering.collect_due(now, self._clock.now_us()):
            self._note_state(spool, event)
            self._write(spool, event, now)
        self.report_drops(spool, spool.shed(self._clock.now_us(), now))
        self._linkage.before_commit(spool)

    def report_drops(self, spool: Spool, drops: Sequence[Drop]) -> None:
        """Tell of dropping: when it begins, when it comes to another lane or reason, and when it ends."""
        now = self._clock.monotonic_ms()
        if any(drop.reason != SPOOL_FULL for drop in drops):
            self._dropped_ms = now
        note = spool.known.read_note(_DROPPING_NOTE) if drops or self._is_dropping(spool) else None
        told: list[str] = json.loads(note)["told"] if note else []
        for drop in drops:
            name = f"{drop.lane.name.lower()}, {drop.reason}"
            if name in told:
                continue
            if not told:
                _log.warning("the spool drops: %s", name)
            told.append(name)
            since = json.loads(note)["since"] if note else _sum_drops(spool, but=drops)
            note = json.dumps({"told": told, "since": since})
            spool.known.write_note(_DROPPING_NOTE, note)
            self.report_own(
                spool,
                DROPPING,
                True,
                identity=f"dropping {spool.epoch} {drop.lane.name} {spool.assigned(drop.lane)} {drop.reason}",
                lane=drop.lane.name.lower(),
                reason=drop.reason,
                items=drop.items,
                readings=drop.readings,
            )
        if drops or not self._is_dropping(spool):
            return
        calm = self._dropped_ms is None or now - self._dropped_ms >= CALM_MS
        if calm and sum(map(spool.held_bytes, Lane)) < spool.budget.relaxed_bytes:
            _log.warning("the spool drops no more")
            items, readings = _sum_drops(spool)
            before = json.loads(note)["since"] if note else [items, readings]
            self.report_own(spool, DROPPING, False, items=items - before[0], readings=readings - before[1])
            spool.known.write_note(_DROPPING_NOTE, json.dumps({"told": [], "since": [items, readings]}))

    def after_commit(self) -> None:
        self._chattering.commit()
        self._linkage.after_commit()

    def after_roll_back(self) -> None:
        self._chattering.roll_back()
        self._linkage.after_roll_back()

    def _is_dropping(self, spool: Spool) -> bool:
        state = spool.known.condition(ConditionKey(self._edge_name, "", DROPPING))
        return state is not None and state.active

    def _is_unchanged(self, spool: Spool, event: Event) -> bool:
        """The common case, found quickly: a polled state that is what it was."""
        if event.active is None or event.identity or self._chattering.is_collapsing(event):
            return False
        known = spool.known.condition(ConditionKey(event.device, event.address, event.kind))
        return known is not None and known.active == event.active

    def _admit(self, spool: Spool, event: Event, now: int, *, fresh: bool) -> Sequence[Event]:
        key = ConditionKey(event.device, event.address, event.kind)
        seen = bool(event.identity) and not fresh and spool.known.has_seen(key, event.identity)
        if not seen and self._chattering.is_collapsing(event):
            self._chattering.hold(event, now)
            return ()
        judgement = judge_event(event, spool.known.condition(key), seen=seen)
        if not judgement.news:
            self.repeats += seen
            return ()
        if event.identity:
            spool.known.remember_seen(key, event.identity)
        if judgement.state is not None:
            spool.known.set_condition(key, judgement.state)
        if event.kind == PANEL_RESET:
            spool.known.forget_active(event.device, "fire.")
        admitted = self._chattering.admit(event, now)
        for told in admitted[1:]:
            self._note_state(spool, told)
        return admitted

    def _note_state(self, spool: Spool, event: Event) -> None:
        if event.active is not None:
            key = ConditionKey(event.device, event.address, event.kind)
            spool.known.set_condition(key, ConditionState(event.active, event.edge_at))

    def _write(self, spool: Spool, event: Event, now: int, heard_ms: int | None = None) -> None:
        kind = KINDS[event.kind]
        reflexes = self._linkage.follow(spool, event, kind.lane, heard_ms)
        data = encode_payload(EventItem([event], reflexes))
        while reflexes and len(data) > MAX_EVENT_BYTES:
            # They are performed all the same; the hub orders what it was not told of under the same id.
            reflexes = reflexes[: len(reflexes) // 2]
            data = encode_payload(EventItem([event], reflexes))
        if kind.lane is Lane.TELEMETRY:
            rank = TELEMETRY_RANK
        else:
            rank = RECORDED_RANK if kind.default_priority is None else kind.default_priority.rank
        spool.append(kind.lane, data, rank=rank, mono_ms=now)

    def _make_storable(self, event: Event) -> Event:
        """The event itself, or what stands for it where the wire could not carry it."""
        try:
            data = encode_payload(EventItem([event]))
            decode_item(data)
        except (MalformedItem, msgspec.MsgspecError, UnicodeEncodeError, OverflowError, TypeError) as error:
            self.unreadable += 1
            return self._replace_unreadable(event, str(error))
        return event

    def _replace_unreadable(self, event: Event, reason: str) -> Event:
        _log.warning("%s: an event cannot travel: %s", event.device, reason[:_TEXT_BYTES])
        stand_in = Event(
            device=event.device,
            address=_clean(event.address),
            kind="intake.unreadable",
            active=None,
            observed_at=None,
            edge_at=event.edge_at,
            attributes={"reason": _clean(reason), "kind": _clean(event.kind)},
            raw=event.raw[:MAX_RAW_BYTES],
            identity=_clean(event.identity),
        )
        try:
            decode_item(encode_payload(EventItem([stand_in])))
        except MalformedItem:
            # Not even the device's name is one: the edge answers for it.
            attributes = {**stand_in.attributes, "device": _clean(event.device)}
            return msgspec.structs.replace(stand_in, device=self._edge_name, attributes=attributes)
        return stand_in


def _sum_drops(spool: Spool, but: Sequence[Drop] = ()) -> list[int]:
    """Items and readings that were ever dropped, without these."""
    all_drops = spool.dropped.values()
    return [
        sum(drop.items for drop in all_drops) - sum(drop.items for drop in but),
        sum(drop.readings for drop in all_drops) - sum(drop.readings for drop in but),
    ]


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace")[:_TEXT_BYTES].decode("utf-8", "ignore").replace("\0", "�")
