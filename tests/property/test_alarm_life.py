"""Whatever happens to an alarm, people can bring it to its end once the condition is clear."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.alarm import ALARM_TABLE, FIRST_STATE, AlarmAction, AlarmState, next_alarm_state
from hub.domain.machine import IllegalTransition, Nature

PEOPLE = (AlarmAction.ACKNOWLEDGE, AlarmAction.RESET)


def ending(state: AlarmState, nature: Nature) -> list[AlarmAction] | None:
    """The shortest acts to `closed`, once the condition has cleared (momentary ones have none)."""
    queue: deque[tuple[AlarmState, list[AlarmAction]]] = deque([(state, [])])
    seen = {state}
    while queue:
        at, path = queue.popleft()
        if at is AlarmState.CLOSED:
            return path
        for action in PEOPLE:
            following = ALARM_TABLE.get((at, action, nature))
            if following is not None and following not in seen:
                seen.add(following)
                queue.append((following, [*path, action]))
    return None


@settings(deadline=None)
@given(
    nature=st.sampled_from(Nature),
    actions=st.lists(st.sampled_from(AlarmAction), max_size=40),
)
def test_every_reachable_state_has_an_end(nature: Nature, actions: list[AlarmAction]) -> None:
    state, active = FIRST_STATE, not nature.momentary
    for action in actions:
        if state is AlarmState.CLOSED or (action is AlarmAction.RESET and active):
            break
        try:
            following = next_alarm_state(state, action, nature)
        except IllegalTransition:
            continue
        if action in (AlarmAction.RAISE, AlarmAction.REALARM):
            active = not nature.momentary
        elif action is AlarmAction.CLEAR:
            active = False
        # latching: a condition's alarm never ends while nobody has acknowledged it
        if following is AlarmState.CLOSED and state is AlarmState.UNACKNOWLEDGED:
            assert nature is Nature.MOMENTARY
        if nature.latches and following is AlarmState.CLOSED:
            assert action is AlarmAction.RESET, "a latched alarm ends only by a reset"
        state = following
    if state is not AlarmState.CLOSED and active:
        state = next_alarm_state(state, AlarmAction.CLEAR, nature)
    path = [] if state is AlarmState.CLOSED else ending(state, nature)
    assert path is not None, f"{state} of {nature} has no end"
    assert len(path) <= 2


@settings(deadline=None)
@given(nature=st.sampled_from(Nature), actions=st.lists(st.sampled_from(AlarmAction), max_size=30))
def test_momentary_alarms_never_return_nor_stay_acknowledged(
    nature: Nature, actions: list[AlarmAction]
) -> None:
    state = FIRST_STATE
    for action in actions:
        try:
            state = next_alarm_state(state, action, nature)
        except IllegalTransition:
            continue
        if nature.momentary:
            assert state not in (AlarmState.RETURNED, AlarmState.ACKNOWLEDGED)
        if not nature.latches:
            assert state is not AlarmState.LATCHED


@settings(deadline=None)
@given(nature=st.sampled_from(Nature), actions=st.lists(st.sampled_from(AlarmAction), max_size=30))
def test_a_raise_or_a_realarm_is_never_lost(nature: Nature, actions: list[AlarmAction]) -> None:
    state = FIRST_STATE
    for action in actions:
        try:
            state = next_alarm_state(state, action, nature)
        except IllegalTransition:
            continue
        if state is not AlarmState.CLOSED:
            raised = next_alarm_state(state, AlarmAction.RAISE, nature)
            assert raised in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
