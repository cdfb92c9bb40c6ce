"""The tables of hazard, incident, step and command are the vocabulary's."""

from __future__ import annotations

import itertools

import pytest

from hub.domain.command import COMMAND_TABLE, RESULT_ACTIONS, CommandState, next_command_state
from hub.domain.hazard import HAZARD_TABLE, HazardAction, HazardState, next_hazard_state
from hub.domain.incident import (
    INCIDENT_TABLE,
    STEP_TABLE,
    IncidentAction,
    IncidentState,
    StepState,
    next_incident_state,
)
from hub.domain.machine import IllegalTransition, Nature, build


def arrows(table: dict) -> set[str]:  # type: ignore[type-arg]
    return {f"{key[0]} -{key[1]}-> {to}" for key, to in table.items()}


def test_hazard_table() -> None:
    assert arrows(HAZARD_TABLE) == {
        "reported -confirm-> confirmed",
        "reported -dismiss-> dismissed",
        "confirmed -assign-> assigned",
        "assigned -begin-> rectifying",
        "rectifying -submit-> submitted",
        "submitted -close-> closed",
        "submitted -reject-> rectifying",
        "rectifying -defer-> deferred",
        "deferred -resume-> rectifying",
        "closed -recur-> rectifying",
    }


def test_incident_table() -> None:
    assert arrows(INCIDENT_TABLE) == {
        "proposed -start-> triggered",
        "proposed -dismiss-> dismissed",
        "triggered -respond-> responding",
        "triggered -dismiss-> dismissed",
        "responding -contain-> contained",
        "responding -dismiss-> dismissed",
        "contained -close-> closed",
        "contained -flare_up-> responding",
        "closed -review-> reviewed",
        "triggered -suspend-> suspended",
        "responding -suspend-> suspended",
        "contained -suspend-> suspended",
        "suspended -resume-> responding",
        "suspended -dismiss-> dismissed",
    }


def test_step_table() -> None:
    assert arrows(STEP_TABLE) == {
        "pending -notify-> notified",
        "notified -accept-> accepted",
        "accepted -finish-> done",
        "notified -expire-> expired",
        "accepted -expire-> expired",
        "expired -accept-> accepted",
        "pending -skip-> skipped",
        "notified -skip-> skipped",
        "accepted -skip-> skipped",
        "expired -skip-> skipped",
    }


def test_command_is_never_done_without_feedback() -> None:
    into = {key for key, to in COMMAND_TABLE.items() if to is CommandState.CONFIRMED}
    assert {key[1] for key in into} == {"confirm"}
    given_up = (CommandState.UNCONFIRMED, CommandState.EXPIRED)
    ends = [state for state in CommandState if not state.pending and state not in given_up]
    for state in ends:
        assert not [key for key in COMMAND_TABLE if key[0] is state], f"{state} is an end"


@pytest.mark.parametrize("word", sorted(RESULT_ACTIONS))
def test_every_word_of_an_edge_fits_a_sent_command(word: str) -> None:
    assert next_command_state(CommandState.SENT, RESULT_ACTIONS[word]).value == word


def test_states_and_actions_of_the_schema_are_all_reachable() -> None:
    for states, table in (
        (HazardState, HAZARD_TABLE),
        (IncidentState, INCIDENT_TABLE),
        (StepState, STEP_TABLE),
        (CommandState, COMMAND_TABLE),
    ):
        named = {str(key[0]) for key in table} | {str(to) for to in table.values()}
        assert named == {str(state) for state in states}  # type: ignore[attr-defined]


def test_absent_pairs_raise() -> None:
    legal = {(key[0], key[1]) for key in HAZARD_TABLE}
    for state, action in itertools.product(HazardState, HazardAction):
        if (state, action) not in legal:
            with pytest.raises(IllegalTransition):
                next_hazard_state(state, action)
    with pytest.raises(IllegalTransition, match="cannot close what is responding; possible now: contain"):
        next_incident_state(IncidentState.RESPONDING, IncidentAction.CLOSE)


def test_a_table_that_contradicts_itself_does_not_build() -> None:
    rows = [
        ((HazardState.REPORTED,), HazardAction.CONFIRM, HazardState.CONFIRMED, (Nature.PLAIN,)),
        ((HazardState.REPORTED,), HazardAction.CONFIRM, HazardState.CLOSED, (Nature.PLAIN,)),
    ]
    with pytest.raises(ValueError, match="stands twice"):
        build(rows)
