"""Work off what desks return, in the same transaction, until nothing follows any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

MAX_DEPTH: Final = 100

T = TypeVar("T")


def work_off(first: Iterable[T], handle: Callable[[T], Iterable[T]]) -> T | None:
    """Handle everything and all that follows, in order of appearance.

    Returns None; or, where something follows from itself more than `MAX_DEPTH` deep, the thing at which
    the chain was cut.
    """
    waiting = deque((thing, 0) for thing in first)
    while waiting:
        thing, depth = waiting.popleft()
        if depth >= MAX_DEPTH:
            return thing
        waiting.extend((each, depth + 1) for each in handle(thing))
    return None
