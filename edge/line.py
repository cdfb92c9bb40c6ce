"""A line to one broker that is kept open: opened again after every loss, in the version of MQTT that it speaks.

Not a thread of its own: the uplink tells it what its link reported and when time has passed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from adapters.contract.codec import MAX_FRAME_BYTES
from adapters.contract.dialect import Dialect
from adapters.contract.topic import Sender
from edge.configuration import BrokerAddress
from edge.link import Link, LinkReport, Lost, Opened

_log = logging.getLogger(__name__)

RECONNECT_MS: Final = (200, 400, 800, 1_600, 3_200, 5_000)
CONNECT_MS: Final = 5_000
"""What finding and reaching the broker may take besides its answer."""


class Turn(Enum):
    """What a report changed."""

    OPENED = auto()
    LOST = auto()


class Line:
    """The way to `broker`. `now` is milliseconds, monotonic."""

    def __init__(
        self, broker: BrokerAddress, sender: Sender, report: Callable[[Link, LinkReport], None], now: int
    ) -> None:
        self.broker = broker
        self.is_open = False
        self.max_message_bytes = MAX_FRAME_BYTES
        """What the broker carries at most, where it has said so."""
        self._sender = sender
        self._report = report
        self._dialect = Dialect()
        self._link: Link | None = None
        self._attempts = 0
        self.next_at = now
        """When `keep` has something to do, unless the line is open."""

    def owns(self, link: Link) -> bool:
        """Whether a report of this link is about the present connection."""
        return link is self._link

    def keep(self, now: int) -> Turn | None:
        """Open the line where it is due; give up an attempt that got no answer."""
        if self.is_open or now < self.next_at:
            return None
        if self._link is not None:
            return self._lose(Lost("it does not answer"), now)
        self._attempts += 1
        self._link = Link(self.broker, self._sender, self._dialect.version, self._report)
        self.next_at = now + CONNECT_MS + int(self._dialect.answer_s * 1_000)
        self._link.open()
        return None

    def take(self, report: LinkReport, now: int) -> Turn | None:
        """What the link said of itself."""
        match report:
            case Opened(max_message_bytes):
                self._dialect.note_opened()
                level = logging.WARNING if self._attempts > 1 else logging.INFO
                _log.log(level, "connected to the broker %s, MQTT %s", self.place, self._dialect.version)
                self.is_open = True
                self._attempts = 0
                self.max_message_bytes = min(max_message_bytes, MAX_FRAME_BYTES)
                return Turn.OPENED
            case Lost():
                return self._lose(report, now)
        return None

    def publish(self, topic: str, frame: bytes, *, expires_s: int | None = None) -> int | None:
        """The message's number, or None where the line is not open."""
        if self._link is None or not self.is_open:
            return None
        return self._link.publish(topic, frame, expires_s=expires_s)

    def renew(self, now: int, reason: str) -> Turn | None:
        """Give the connection up and open another one at once."""
        if not self.is_open:
            return None
        turn = self._lose(Lost(reason), now)
        self.next_at = now
        return turn

    def close(self) -> None:
        """Give the line up."""
        self.is_open = False
        if self._link is not None:
            self._link.close()
            self._link = None

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"{self.broker.host}:{self.broker.port}"

    def _lose(self, lost: Lost, now: int) -> Turn:
        before = self._dialect.version
        if not self.is_open:
            if lost.unsupported:
                self._dialect.note_refused()
            elif lost.reached and not lost.answered:
                self._dialect.note_unanswered()
        changed = self._dialect.version is not before
        if (self.is_open or self._attempts == 1) and not changed:
            _log.warning("no connection to the broker %s: %s", self.place, lost.reason)
        if self.is_open:
            self._attempts = 1
        self.close()
        wait_ms = RECONNECT_MS[min(max(self._attempts, 1), len(RECONNECT_MS)) - 1]
        self.next_at = now + (0 if changed and self._attempts <= 1 else wait_ms)
        return Turn.LOST
