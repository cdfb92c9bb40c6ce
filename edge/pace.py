"""How much telemetry one message may carry, so that an alarm never waits long behind it on a slow line. Pure.

The broker's acknowledgement says how long a message took to get through the line. With two telemetry messages
on the wire at most, an alarm waits for about twice the target: on 64 kbit/s that is messages of 4 KB.
"""

from __future__ import annotations

from typing import Final

MOST_BYTES: Final = 128 * 1024
LEAST_BYTES: Final = 4 * 1024
SLOW_MS: Final = 500
"""A message that took longer was too large."""
QUICK_MS: Final = 150
_REMEMBERED: Final = 64


class Pace:
    """Halves the size when a message was slow, doubles it when full ones are quick."""

    def __init__(self) -> None:
        self.message_bytes = LEAST_BYTES
        """What the next message may carry: at least one item, whatever its size."""
        self._sent: dict[int, tuple[int, int]] = {}
        self._least_ms = 60_000

    def begin(self) -> None:
        """A new connection: nothing is on the wire. What the line can do is not forgotten."""
        if self._sent:  # what was on the wire may have been what broke it
            self.message_bytes = max(LEAST_BYTES, self.message_bytes // 2)
        self._sent.clear()

    def note_sent(self, message: int, size: int, now: int) -> None:
        """A telemetry message of `size` bytes went out."""
        if len(self._sent) < _REMEMBERED:
            self._sent[message] = (size, now)

    def note_acknowledged(self, message: int, now: int) -> bool:
        """The broker has it; whether it was one of ours."""
        sent = self._sent.pop(message, None)
        if sent is None:
            return False
        size, at = sent
        self._least_ms = min(self._least_ms, now - at)
        waited = now - at - self._least_ms  # the way to a satellite is long, however little is sent
        if waited > SLOW_MS:
            self.message_bytes = max(LEAST_BYTES, self.message_bytes // 2)
        elif waited < QUICK_MS and 2 * size >= self.message_bytes:
            self.message_bytes = min(MOST_BYTES, self.message_bytes * 2)
        return True

    @property
    def on_the_wire(self) -> int:
        """Telemetry messages that the broker has not taken yet."""
        return len(self._sent)
