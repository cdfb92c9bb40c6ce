"""The alarm's table is exactly the vocabulary's, row by row; everything else is illegal."""

from __future__ import annotations

import itertools

import pytest

from adapters.contract.vocabulary import KINDS
from hub.domain.alarm import ALARM_TABLE, AlarmAction, AlarmState, nature_of, next_alarm_state, subject_of
from hub.domain.machine import IllegalTransition, Nature

U, A, R, L, C = AlarmState
PLAIN, LATCHING, MOMENTARY, STICKY = Nature

# The vocabulary's table, written out once more by hand: state, action -> state by nature.
WANTED: dict[tuple[AlarmState, str], dict[Nature, AlarmState]] = {
    (U, "acknowledge"): {PLAIN: A, LATCHING: A, MOMENTARY: C, STICKY: L},
    (U, "clear"): {PLAIN: R, LATCHING: R},
    (A, "clear"): {PLAIN: C, LATCHING: L},
    (R, "acknowledge"): {PLAIN: C, LATCHING: L},
    (R, "raise"): {PLAIN: U, LATCHING: U},
    (L, "raise"): {LATCHING: U, STICKY: U},
    (U, "raise"): {PLAIN: U, LATCHING: U, MOMENTARY: U, STICKY: U},
    (A, "raise"): {PLAIN: A, LATCHING: A},
    (U, "realarm"): {PLAIN: U, LATCHING: U, MOMENTARY: U, STICKY: U},
    (A, "realarm"): {PLAIN: U, LATCHING: U},
    (U, "escalate"): {PLAIN: U, LATCHING: U, MOMENTARY: U, STICKY: U},
    (A, "escalate"): {PLAIN: U, LATCHING: U},
    (R, "escalate"): {PLAIN: R, LATCHING: R},
    (L, "escalate"): {LATCHING: R, STICKY: U},
    (R, "clear"): {PLAIN: R, LATCHING: R},
    (L, "clear"): {LATCHING: L},
    (L, "reset"): {LATCHING: C, STICKY: C},
}


@pytest.mark.parametrize(
    ("state", "action", "nature"), list(itertools.product(AlarmState, AlarmAction, Nature)), ids=str
)
def test_every_pair_is_as_the_vocabulary_says(state: AlarmState, action: AlarmAction, nature: Nature) -> None:
    wanted = WANTED.get((state, action.value), {}).get(nature)
    if wanted is None:
        with pytest.raises(IllegalTransition, match=f"cannot {action} what is {state}"):
            next_alarm_state(state, action, nature)
    else:
        assert next_alarm_state(state, action, nature) is wanted


def test_refusal_says_what_is_possible() -> None:
    with pytest.raises(IllegalTransition, match="possible now: clear, escalate, raise, realarm"):
        next_alarm_state(A, AlarmAction.RESET, PLAIN)
    with pytest.raises(IllegalTransition, match="possible now: nothing"):
        next_alarm_state(C, AlarmAction.ACKNOWLEDGE, PLAIN)


def test_nothing_leaves_closed() -> None:
    assert not [key for key in ALARM_TABLE if key[0] is C]


def test_nature_follows_the_vocabulary() -> None:
    assert nature_of("fire.alarm") is LATCHING
    assert nature_of("door.held") is PLAIN
    assert nature_of("panic.pressed") is STICKY
    assert nature_of("access.denied") is MOMENTARY
    assert nature_of("many-doors-at-once") is PLAIN, "a correlation is a condition"
    for kind in KINDS.values():
        assert nature_of(kind.name).momentary is not kind.condition
        assert nature_of(kind.name).latches is kind.latching


def test_subject_has_the_address_where_there_is_one() -> None:
    assert subject_of("panel", "12") == "panel:12"
    assert subject_of("gate-button", "") == "gate-button"
