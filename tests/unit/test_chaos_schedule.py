"""The schedule of a chaos run comes from its seed alone, leaves nothing out, breaks no part twice at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.fault import FAULTS
from tests.chaos.schedule import Shape, plan

SHAPES = {kind: fault.shape for kind, fault in FAULTS.items()}


@given(st.integers(0, 2**32))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert plan(seed, 12, SHAPES) == plan(seed, 12, SHAPES)


@given(st.integers(0, 2**32))
def test_a_longer_run_begins_like_the_shorter(seed: int) -> None:
    assert list(plan(seed, 30, SHAPES))[:7] == list(plan(seed, 7, SHAPES))


@given(st.integers(0, 2**32))
def test_each_kind_has_its_turn_before_any_has_its_second(seed: int) -> None:
    first = [one.blows[0].kind for one in plan(seed, len(SHAPES), SHAPES)]
    assert sorted(first) == sorted(SHAPES)


@given(st.integers(0, 2**32), st.floats(0.1, 60.0))
def test_two_faults_at_once_touch_different_parts_and_last_as_long_as_their_kinds_say(
    seed: int, longest_s: float
) -> None:
    for one in plan(seed, 40, SHAPES, longest_s=longest_s):
        touched = [part for blow in one.blows for part in SHAPES[blow.kind].touches]
        assert len(touched) == len(set(touched))
        for blow in one.blows:
            assert blow.lasts_s <= min(SHAPES[blow.kind].lasts_s[1], longest_s)


def test_a_run_can_be_reduced_to_some_kinds() -> None:
    planned = plan(3, 20, SHAPES, ("kill_worker", "half_open_hub_broker"))
    assert {blow.kind for one in planned for blow in one.blows} == {"kill_worker", "half_open_hub_broker"}


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="FAULTS: kill_moon is no fault; use some of cut"):
        plan(3, 1, {"cut": Shape((0, 0), frozenset())}, ("kill_moon",))
