"""The screens that are connected: their streams, and until when their sessions are trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from hub.api.stream import Subscriber
from hub.clock import steady_s

TRUSTED_WITHOUT_STORE_S: Final = 15 * 60.0
"""So long do open streams stay authorised from memory while sessions cannot be looked up."""


class Audience:
    """All open streams. Everything but `call` and `session_hashes` belongs to the event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribers: set[Subscriber] = set()
        self._sessions: Mapping[bytes, float] = {}
        self.overflows = 0
        """Streams that were too slow and had to begin again."""
        self.closed = False

    def open(self) -> None:
        """Note the event loop that the streams live in."""
        self._loop = asyncio.get_running_loop()

    def call(self, action: Callable[[], None]) -> None:
        """Run in the event loop, from any thread; in order."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action)

    def session_hashes(self) -> set[bytes]:
        """The sessions that have streams; from any thread."""
        return set(self._sessions)

    def __len__(self) -> int:
        return len(self._subscribers)

    def sites(self) -> set[str]:
        """The sites that somebody watches."""
        return {subscriber.site for subscriber in self._subscribers}

    def subscribe(self, site: str, session_hash: bytes) -> Subscriber:
        """A stream of a site's events from now on, for a session that was found open just now."""
        subscriber = Subscriber(site, session_hash)
        self._subscribers.add(subscriber)
        self._sessions = {**self._sessions, session_hash: steady_s()}
        if self.closed:
            subscriber.close()
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The stream ended."""
        self._subscribers.discard(subscriber)
        self.overflows += subscriber.overflowed
        present = {each.session_hash for each in self._subscribers}
        self._sessions = {name: at for name, at in self._sessions.items() if name in present}

    def publish(self, site: str, seq: int, event: bytes, *, whole: bool = False) -> None:
        """Give an event to every stream of a site; `seq` 0 for what is no journal row; `whole`: the picture as
        of that row.
        """
        for subscriber in self._subscribers:
            if subscriber.site == site:
                subscriber.push(seq, event, whole=whole)

    def restart(self, site: str) -> None:
        """Let every stream of a site begin anew: what was sent belongs to a history that is gone."""
        for subscriber in self._subscribers:
            if subscriber.site == site:
                subscriber.restart()

    def confirm_sessions(self, asked: set[bytes], found: Mapping[bytes, frozenset[str]], at: float) -> None:
        """Which of the sessions are still open, and the sites that each may follow, was looked up at `at`
        (monotonic): who was logged out, disabled, or lost the role that let him follow sees no more.
        """
        for subscriber in self._subscribers:
            name = subscriber.session_hash
            if name in asked and subscriber.site not in found.get(name, frozenset()):
                subscriber.close()
        self._sessions = {name: at if name in found else verified for name, verified in self._sessions.items()}

    def end_distrusted(self, now: float) -> None:
        """Close what could not be confirmed for too long."""
        for name, verified in self._sessions.items():
            if now - verified > TRUSTED_WITHOUT_STORE_S:
                self.close_session(name)

    def close_session(self, session_hash: bytes) -> None:
        """Close the streams of a session."""
        for subscriber in self._subscribers:
            if subscriber.session_hash == session_hash:
                subscriber.close()

    def close(self) -> None:
        """End every stream, those to come as well."""
        self.closed = True
        for subscriber in self._subscribers:
            subscriber.close()
