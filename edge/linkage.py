"""Reflexes in the edge's own transactions: judged as an event is stored, told in its item, performed after the
commit. What they remember is a note in the spool's file, so that it changes with the items.

All methods but the constructor run in the writer's thread (or before it was started).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final

from adapters.contract.message import LATE_AFTER_MS, Command, Event, Reflex
from adapters.contract.vocabulary import Lane
from edge.clock import Clock
from edge.reflex import State, Table, Target, finish, give, judge, pack, release, seed, undo, unpack
from edge.spool import Spool

_log = logging.getLogger(__name__)

REPERFORM_US: Final = 60_000_000
"""A reflex that a stop of the edge cut off is performed again at start when it is younger than this."""
_NOTE: Final = "reflexes"
_CLOSING: Final = frozenset({"door.lock", "door.restore", "door.pulse"})


class Linkage:
    """The reflex table in force, and what it remembers."""

    def __init__(self, edge_name: str, clock: Clock) -> None:
        self._edge_name = edge_name
        self._clock = clock
        self._table = Table()
        self._state = self._committed = State()
        self._fired: list[Reflex] = []
        self.on_fired: Callable[[list[Reflex]], None] = lambda fired: None
        """Called after the commit with what is to be performed, in the writer's thread."""

    def load(self, spool: Spool) -> list[Reflex]:
        """Take up what is on the disk; returns what is to be performed again because a stop cut it off."""
        note = spool.known.read_note(_NOTE)
        if note is None:
            return []
        try:
            self._state = self._committed = unpack(json.loads(note))
        except (ValueError, KeyError, TypeError) as error:
            _log.error("what reflexes remembered cannot be read and is forgotten: %s", error)
            return []
        now = self._clock.now_us()
        return [each for at, each in self._state.pending.values() if 0 <= now - at <= REPERFORM_US]

    def use(self, spool: Spool, table: Table) -> None:
        """Put a table in force."""
        self._table = table
        active = {}
        for kind in sorted({kind for rule in table.rules for kind in rule.kinds}):
            for key in spool.known.active_conditions(kind):
                known = spool.known.condition(key)
                if known is not None:
                    active[key] = known.observed_at
        self._state = seed(table, self._state, active)

    def follow(self, spool: Spool, event: Event, lane: Lane, heard_ms: int | None) -> list[Reflex]:
        """What the event that is about to be stored brings about. `heard_ms`: when it came in, monotonic."""
        if not self._table.rules or lane is not Lane.ALARM or event.device == self._edge_name:
            return []
        waited_ms = 0 if heard_ms is None else self._clock.monotonic_ms() - heard_ms
        event_id = f"{self._edge_name}/{spool.epoch}/{int(lane)}/{spool.assigned(lane) + 1}/0"
        self._state, fired = judge(self._table, self._state, event, event_id, late=waited_ms > LATE_AFTER_MS)
        if not fired:
            return []
        self._state, told = give(self._state, fired, self._clock.now_us())
        self._fired += [each for each in told if spool.known.take_command(each.command, "accepted")]
        return told

    def end(self, command: str, outcome: str) -> None:
        """A command has ended so; of a reflex that is noted."""
        self._state = finish(self._state, command, outcome)

    def find_hold(self, command: Command) -> str:
        """Why a command of the hub may not undo a reflex now; empty where it may. A door that a verified fire
        released stays released while one of its signs holds: nobody is locked in by an order that was given
        before the hub knew of the fire.
        """
        causes = self._state.holds.get((command.device, command.address))
        if causes and command.kind in _CLOSING:
            for key in sorted(causes):
                if self._state.conditions.get(key, (False, 0))[0]:
                    return f"a fire holds this door open: {key.kind} of {key.device} {key.address}".rstrip()
            self._state = release(self._state, command.device, command.address)
        self._state = undo(self._state, Target(command.device, command.address, command.kind))
        return ""

    def before_commit(self, spool: Spool) -> None:
        if self._state is not self._committed:
            spool.known.write_note(_NOTE, json.dumps(pack(self._state), ensure_ascii=False))

    def after_commit(self) -> None:
        self._committed = self._state
        fired, self._fired = self._fired, []
        if fired:
            self.on_fired(fired)

    def after_roll_back(self) -> None:
        self._state = self._committed
        self._fired.clear()
