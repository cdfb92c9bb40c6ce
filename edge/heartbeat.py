"""The edge's heartbeat: when it is due, which answer counts, and when the hub is lost. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HEARTBEAT_MS: Final = 10_000
HUB_LOST_MS: Final = 30_000
ANSWER_MS: Final = 1_000
"""After a gap request a heartbeat follows at once, but not more often than this."""
ASLEEP_MS: Final = 5_000
"""`check` is called each second: after so long without a call this process itself was stopped."""


@dataclass(frozen=True, slots=True)
class Change:
    """The hub was lost, or came back, after so long."""

    lost: bool
    silent_ms: int


class Heart:
    """The exchange in time. `now` is milliseconds, monotonic."""

    def __init__(self, now: int) -> None:
        self._due = now
        self._beaten = now - HEARTBEAT_MS
        self._heard = now
        self._looked = now
        self._nonce = 0
        self._told: bool | None = None
        self._hub_at: tuple[int, int] | None = None
        """What the hub's clock said last (µs), and when by our monotonic clock (ms)."""
        """The hub's clock less the edge's, from the last answer; None before the first."""

    @property
    def lost(self) -> bool:
        """Whether the hub counts as lost."""
        return self._told is True

    @property
    def due(self) -> int:
        """When the next heartbeat is to be sent."""
        return self._due

    @property
    def lost_at(self) -> int:
        """When the hub counts as lost unless it is heard before."""
        return self._heard + HUB_LOST_MS

    def hasten(self, now: int) -> None:
        """A heartbeat is wanted now: after a connect or a gap request."""
        self._due = min(self._due, max(now, self._beaten + ANSWER_MS))

    def beat(self, nonce: int, now: int) -> None:
        """A heartbeat goes out with this nonce; only an answer to it counts from here."""
        self._nonce = nonce
        self._beaten = now
        self._due = now + HEARTBEAT_MS

    def counts(self, nonce: int) -> bool:
        """Whether a receipt counts: one after a commit (nonce 0), or the answer last asked for."""
        return nonce in (0, self._nonce)

    def hub_now_us(self, now: int) -> int | None:
        """The hub's clock now, whatever was done to ours since it answered; None before it did."""
        if self._hub_at is None:
            return None
        said, at = self._hub_at
        return said + (now - at) * 1_000

    def hear(self, nonce: int, hub_at: int, now: int) -> Change | None:
        """A receipt that counts came and proves that the hub lives: it answers our nonce, or covers what we
        have just sent. Returns a change where the hub had been lost, or is heard first: what an earlier run
        of the edge told of it ends with that.
        """
        silent_ms = max(0, now - self._heard)
        self._heard = now
        if nonce:
            self._hub_at = hub_at, now
        if self._told is False:
            return None
        self._told = False
        return Change(lost=False, silent_ms=silent_ms)

    def check(self, now: int) -> Change | None:
        """A change where the hub has been silent for too long. To be called each second: the time in which
        this process slept (a lid, SIGSTOP) is not the hub's silence.
        """
        asleep_ms, self._looked = now - self._looked, now
        if asleep_ms > ASLEEP_MS:
            self._heard = min(now, self._heard + asleep_ms)
        if self.lost or now < self.lost_at:
            return None
        self._told = True
        return Change(lost=True, silent_ms=now - self._heard)
