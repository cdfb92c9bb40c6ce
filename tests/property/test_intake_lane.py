"""The lane's logic against a plain model: whatever is lost, doubled or reordered, every item is taken
once and in its order, once the edge has sent again what it was asked for.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hub.intake.lane import Move, Throttle, decide


@st.composite
def journeys(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """How many items an edge has, and runs of them as they may arrive."""
    total = draw(st.integers(1, 60))
    runs = draw(
        st.lists(
            st.integers(1, total).flatmap(
                lambda first: st.tuples(st.just(first), st.integers(1, total - first + 1))
            ),
            max_size=60,
        )
    )
    return total, runs


@given(journeys())
def test_each_item_is_taken_once_and_in_order(journey: tuple[int, list[tuple[int, int]]]) -> None:
    total, runs = journey
    cursor = 0
    taken: list[int] = []
    for first, count in runs:
        step = decide(cursor, first, count)
        run = list(range(first, first + count))
        if step.move is Move.NEXT:
            assert step.skip < count
            taken += run[step.skip :]
            assert step.cursor == run[-1]
        else:
            assert step.cursor == cursor
            assert (step.move is Move.GAP) == (first > cursor + 1)
            assert (step.move is Move.DUPLICATE) == (run[-1] <= cursor)
        cursor = step.cursor
    assert taken == list(range(1, cursor + 1))
    # Go-back-n: asked for cursor + 1, the edge sends the rest, and everything is there.
    if cursor < total:
        step = decide(cursor, cursor + 1, total - cursor)
        assert (step.move, step.skip, step.cursor) == (Move.NEXT, 0, total)


@given(st.integers(0, 2**62), st.integers(1, 2**62), st.integers(1, 2**32))
def test_the_cursor_never_goes_back_nor_jumps(cursor: int, first: int, count: int) -> None:
    step = decide(cursor, first, count)
    assert step.cursor >= cursor
    if step.cursor > cursor:
        assert first + step.skip == cursor + 1


@given(st.lists(st.floats(0, 10), max_size=50))
def test_a_throttled_key_passes_at_most_so_often(waits: list[float]) -> None:
    throttle = Throttle[str](0.2)
    now_s, passed = 0.0, []
    for wait in waits:
        now_s += wait
        if throttle.passes("lane", now_s):
            passed.append(now_s)
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(passed))
    assert not waits or len(passed) >= 1
