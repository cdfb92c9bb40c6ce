"""A process of the hub that hangs ends itself, with every thread's stack in the log, and is started again.

Who supervises sees only ends (`hub/family.py`); a loop that no longer turns is seen from inside alone. The
standard library's timer does it: it needs neither the interpreter's lock nor the loop that hangs. Process-wide,
as the timer is: `begin` arms it once, `pet` says that the loop turns.
"""

from __future__ import annotations

import faulthandler
import sys
from typing import Final

HUNG_S: Final[dict[str, float]] = {"api": 30.0, "worker": 30.0, "chores": 120.0}
"""Process -> so long may its loop stand still; a chore may have much to delete. A process that was stopped
(SIGSTOP) for longer begins anew when it goes on."""

_limit_s: float | None = None


def begin(limit_s: float) -> None:
    """From now on this process ends when nobody calls `pet` for so long."""
    global _limit_s
    _limit_s = limit_s
    pet()


def pet() -> None:
    """The loop turns. Without `begin` (a test, a tool) it means nothing."""
    if _limit_s is not None:
        faulthandler.dump_traceback_later(_limit_s, exit=True, file=sys.__stderr__ or sys.stderr)


def end() -> None:
    """The loop has ended in order."""
    global _limit_s
    _limit_s = None
    faulthandler.cancel_dump_traceback_later()
