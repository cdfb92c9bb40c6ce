"""One open event stream: a bounded queue between the feed and a browser, and the bytes of an event."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

QUEUE_LIMIT: Final = 1_000
"""Events that wait for a slow screen; then all are dropped and it gets the whole picture anew."""


def write_event(name: str, data: BaseModel, identity: str | None = None) -> bytes:
    """An event in the form of text/event-stream."""
    head = f"id: {identity}\n" if identity is not None else ""
    # JSON escapes line ends, so the data is one line.
    return f"{head}event: {name}\ndata: {data.model_dump_json(by_alias=True)}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Told:
    """An event that waits for a screen."""

    seq: int
    event: bytes
    whole: bool
    """It is the picture as of row `seq`, not that row alone."""

    def is_news(self, sent: int) -> bool:
        """Whether a screen that was sent everything up to row `sent` must have it. An older picture would take
        back what the screen knows, and the rows between would never come again.
        """
        return self.seq == 0 or self.seq > sent or (self.whole and self.seq == sent)


class Subscriber:
    """One screen's stream. Used in the event loop only."""

    def __init__(self, site: str, session_hash: bytes) -> None:
        self.site = site
        self.session_hash = session_hash
        self.closed = False
        self.overflowed = 0
        self._lost = False
        self._queue: deque[Told] = deque()
        self._ready = asyncio.Event()

    def push(self, seq: int, event: bytes, *, whole: bool = False) -> None:
        """Add an event; `seq` is the journal row it carries, 0 for one that carries none."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.clear()
            self._lost = True
            self.overflowed += 1
        self._queue.append(Told(seq, event, whole))
        self._ready.set()

    def restart(self) -> None:
        """Drop what waits: the screen gets the whole picture."""
        self._queue.clear()
        self._lost = True
        self._ready.set()

    def close(self) -> None:
        """End the stream: logged out, or the process stops."""
        self.closed = True
        self._ready.set()

    async def take(self) -> tuple[bool, list[Told]]:
        """Wait; then whether events were lost, and what came. Nothing came: the stream was closed."""
        await self._ready.wait()
        self._ready.clear()
        lost, self._lost = self._lost, False
        events = list(self._queue)
        self._queue.clear()
        return lost, events
