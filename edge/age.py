"""How long something has been held, by a clock that nobody can set. Pure.

The wall clock is not asked: set forward by eight days, it would drop a week of telemetry. Time counts while
the machine is on: within one boot by its monotonic clock, also while the edge itself is down; over a reboot
at least as long as the new boot has lasted. How long the machine was off only the wall clock could tell, so
that time does not count: the limit errs towards keeping.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgeMark:
    """The age clock as it was read once: `aged_ms` on it, at `mono_ms` of the boot's own clock."""

    aged_ms: int
    mono_ms: int
    boot: str = ""
    """Tells one boot from another; empty where the system does not."""

    def at(self, mono_ms: int) -> int:
        """The age clock at another moment of the same boot, earlier or later."""
        return self.aged_ms + mono_ms - self.mono_ms


def resume(last: AgeMark | None, mono_ms: int, boot: str) -> AgeMark:
    """The age clock now, in this boot, as it was last read in this one or an earlier one."""
    if last is None:
        return AgeMark(0, mono_ms, boot)
    if boot and boot == last.boot:
        return AgeMark(max(last.aged_ms, last.at(mono_ms)), mono_ms, boot)
    since_boot = mono_ms if boot and last.boot else 0
    return AgeMark(last.aged_ms + max(0, since_boot), mono_ms, boot)
