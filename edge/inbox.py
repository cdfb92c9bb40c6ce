"""What happened and the uplink has not looked at yet: bounded, whatever a hub or a broker sends.

Filled by the connection's, the spool's and the event loop's threads, emptied by the uplink's. News of the
spool is merged: only the last number of each lane counts. Messages from the hub are dropped when too many wait,
the newest first: receipts and gap requests come again with the next heartbeat, commands and settings until
they are answered. What the uplink itself has asked for (acknowledgements, the connection's fate) is bounded
by what it sends.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, Generic, TypeVar

from adapters.contract.vocabulary import Lane

MESSAGES: Final = 1_000
MESSAGE_BYTES: Final = 8 * 1024 * 1024

News = TypeVar("News")


class Inbox(Generic[News]):
    """One reader, many writers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._news: deque[tuple[News, int]] = deque()
        self._assigned: dict[tuple[int, Lane], int] = {}
        self._messages = 0
        self._bytes = 0
        self._woken = False
        self.dropped = 0
        """Messages from the hub that found no room."""

    def put(self, news: News) -> None:
        """Something that must not be lost."""
        with self._changed:
            self._news.append((news, -1))
            self._changed.notify()

    def put_message(self, news: News, size: int) -> None:
        """A message from the hub of `size` bytes."""
        with self._changed:
            if self._messages >= MESSAGES or self._bytes + size > MESSAGE_BYTES:
                self.dropped += 1
                return
            self._news.append((news, size))
            self._messages += 1
            self._bytes += size
            self._changed.notify()

    def put_stored(self, assigned: dict[tuple[int, Lane], int]) -> None:
        """The last numbers that the spool holds, by epoch and lane."""
        with self._changed:
            self._assigned.update(assigned)
            self._changed.notify()

    def wake(self) -> None:
        """Let `take` return now."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._news or self._assigned or self._woken)

    def take(self, timeout_s: float) -> tuple[dict[tuple[int, Lane], int], list[News]]:
        """What waits, at once, or what comes first within the time; in its order."""
        with self._changed:
            if not self:
                self._changed.wait(timeout_s)
            self._woken = False
            assigned, self._assigned = self._assigned, {}
            news = [each for each, _ in self._news]
            self._news.clear()
            self._messages = self._bytes = 0
            return assigned, news
