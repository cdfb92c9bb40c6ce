"""Moving to another broker as the hub wishes: tried beside the present one, kept once the hub was heard."""

from __future__ import annotations

import secrets
from typing import Final

from edge.configuration import BrokerAddress

TRIAL_MS: Final = 20_000
"""So long the hub may take to answer over the new broker."""
RETRY_MS: Final = 600_000
"""After a failure it is tried again, as the new broker may come up later;"""
RETRY_LOST_MS: Final = 30_000
"""and soon, while the hub is lost over the present one."""


class Move:
    """Which broker is proved, which one is wished for, and the trial. `now` is milliseconds, monotonic."""

    def __init__(self, proved: BrokerAddress) -> None:
        self.proved = proved
        self.error = ""
        """Why the last trial failed; empty where none is wished or it succeeded."""
        self.nonce = 0
        """What the hub has to answer over the new broker."""
        self._wished: BrokerAddress | None = None
        self._ends: int | None = None
        self._failed_at: int | None = None

    def wish(self, broker: BrokerAddress, now: int) -> None:
        """The hub names its broker; the proved one needs nothing. A trial in progress is given up."""
        self._wished = None if broker == self.proved else broker
        self._ends = self._failed_at = None
        self.error = ""

    def is_due(self, now: int, *, hub_lost: bool) -> bool:
        """Whether a trial should begin."""
        if self._wished is None or self._ends is not None:
            return False
        wait_ms = RETRY_LOST_MS if hub_lost else RETRY_MS
        return self._failed_at is None or now - self._failed_at >= wait_ms

    def begin(self, now: int) -> BrokerAddress | None:
        """A trial begins, with the broker that is wished for."""
        self._ends = now + TRIAL_MS
        return self._wished

    def ask(self) -> int:
        """A nonce for a heartbeat over the new broker."""
        self.nonce = secrets.randbits(63) or 1
        return self.nonce

    def check(self, now: int) -> bool:
        """Whether the trial is over without an answer; then `error` says so."""
        if self._ends is None or self._wished is None or now < self._ends:
            return False
        self._ends, self._failed_at, self.nonce = None, now, 0
        self.error = (
            f"broker {self._wished.host}:{self._wished.port}: the hub was not reached over it within"
            f" {TRIAL_MS // 1_000} s; {self.proved.host}:{self.proved.port} stays in use"
        )
        return True

    def succeed(self) -> None:
        """The hub answered: what was wished for is proved."""
        if self._wished is not None:
            self.proved = self._wished
        self._wished, self._ends, self._failed_at, self.nonce, self.error = None, None, None, 0, ""
