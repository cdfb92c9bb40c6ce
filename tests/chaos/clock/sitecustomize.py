"""On the PYTHONPATH of a program under fire: its clock is the machine's plus what a file says, in seconds.

libfaketime cannot be used: under it, Python 3.11's `time.sleep` (clock_nanosleep, absolute) fails with EINVAL.
Edge and hub ask the time in one file each, so replacing that is enough; the monotonic clocks stay true.
"""

import importlib
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

_FILE = os.environ.get("CHAOS_CLOCK", "")
_OF = os.environ.get("CHAOS_CLOCK_OF", "")
_READ_EVERY_S = 0.2
_shift = {"s": 0.0, "due": 0.0}


def shift_s() -> float:
    now = time.monotonic()
    if now >= _shift["due"]:
        _shift["due"] = now + _READ_EVERY_S
        with suppress(OSError, ValueError):  # it is being written: the last one holds
            _shift["s"] = float(Path(_FILE).read_text(encoding="ascii") or 0)
    return _shift["s"]


if _FILE and _OF == "hub":
    clock = importlib.import_module("hub.clock")
    true_now = clock.wall_now
    clock.wall_now = lambda: true_now() + timedelta(seconds=shift_s())
elif _FILE and _OF == "edge":
    clock = importlib.import_module("edge.clock")
    true_us = clock.SystemClock.now_us
    clock.SystemClock.now_us = lambda self: true_us(self) + int(shift_s() * 1_000_000)
