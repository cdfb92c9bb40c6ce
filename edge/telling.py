"""Tells the hub all conditions anew when it says that it has lost track of them.

The hub's answers carry a mark of what it knows (`Receipt.telling`). Another mark than before: its database was
restored from a backup, or items of ours on the alarm lane never came. What it takes for quiet may not be quiet.
"""

from __future__ import annotations

import logging
from typing import Final

from adapters.contract.codec import encode_payload
from adapters.contract.message import RETOLD, Attribute, Event, EventItem
from adapters.contract.vocabulary import KINDS, Lane
from edge.admission import RECORDED_RANK, TELEMETRY_RANK
from edge.clock import Clock
from edge.known import ConditionKey, ConditionState
from edge.spool import Spool

_log = logging.getLogger(__name__)

_NOTE: Final = "telling"


def tell_again(spool: Spool, telling: str, clock: Clock) -> int:
    """Store each known condition as it is, dated and aged by when it began, if the mark is another one than the
    last; returns how many. In the writer's transaction, which also notes the mark. So it is at the first mark
    ever, too: what was told before may have been told to another database.
    """
    if spool.known.read_note(_NOTE) == telling:
        return 0
    spool.known.write_note(_NOTE, telling)
    conditions = spool.known.conditions()
    for key, state in conditions.items():
        _write(spool, key, state, clock)
    _log.info("the hub's mark is another one: %d conditions are told anew", len(conditions))
    return len(conditions)


def _write(spool: Spool, key: ConditionKey, state: ConditionState, clock: Clock) -> None:
    """As old as the condition is, so that the hub takes old news for old; no reflex follows from it here."""
    kind = KINDS[key.kind]
    told: dict[str, Attribute] = {RETOLD: True}
    event = Event(key.device, key.address, key.kind, state.active, None, state.observed_at, told, replayed=True)
    rank = RECORDED_RANK if kind.default_priority is None else kind.default_priority.rank
    age_ms = max(0, clock.now_us() - state.observed_at) // 1_000
    spool.append(
        kind.lane,
        encode_payload(EventItem([event])),
        rank=TELEMETRY_RANK if kind.lane is Lane.TELEMETRY else rank,
        mono_ms=clock.monotonic_ms() - age_ms,
    )
