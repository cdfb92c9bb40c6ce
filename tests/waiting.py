"""Waiting for a condition with a deadline: the only way in which a test of ours lets time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], deadline_s: float = 10.0, why: str = "", poll_s: float = 0.02) -> T:
    """Call `condition` until it returns something true and return that; AssertionError when time is up."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {why or condition!r} (last: {result!r})")
        time.sleep(poll_s)
