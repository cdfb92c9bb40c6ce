"""Whether an event is news: conditions by their last known state, messages by the device's own id. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.contract.message import Event
from edge.known import ConditionState


class Reason(StrEnum):
    """Why an event is passed on or not."""

    MOMENTARY = "momentary"
    FIRST = "first report"
    CHANGE = "change"
    OWN_MESSAGE = "a message of its own about a state already known"
    HISTORY = "older than what is known"
    REPEAT = "same message again"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of an event. `state` is what to remember of its condition; None: nothing new."""

    news: bool
    reason: Reason
    state: ConditionState | None = None


def judge_event(event: Event, known: ConditionState | None, *, seen: bool) -> Judgement:
    """Whether an event is news to the hub.

    `known`: the state last told for its (device, address, kind). `seen`: the device's own id of this
    message was stored before. A message with an id of its own is a fact of its own and is passed on
    once, even when it changes no state; a state without one (polled, retained) only when it differs.
    """
    if event.identity and seen:
        return Judgement(news=False, reason=Reason.REPEAT)
    if event.active is None:
        return Judgement(news=True, reason=Reason.MOMENTARY)
    # A device's clock that runs ahead must not turn all that follows into history.
    claimed = event.edge_at if event.observed_at is None else min(event.observed_at, event.edge_at)
    if known is None:
        return Judgement(news=True, reason=Reason.FIRST, state=ConditionState(event.active, claimed))
    if event.identity:
        if claimed < known.observed_at:
            return Judgement(news=True, reason=Reason.HISTORY)
        reason = Reason.OWN_MESSAGE if event.active == known.active else Reason.CHANGE
        return Judgement(news=True, reason=reason, state=ConditionState(event.active, claimed))
    if event.active == known.active:
        return Judgement(news=False, reason=Reason.UNCHANGED)
    # Without an id the device tells what is now, whatever its clock says.
    return Judgement(
        news=True, reason=Reason.CHANGE, state=ConditionState(event.active, max(claimed, known.observed_at))
    )
