"""The sites' names and places, kept in memory: they change rarely, and serve when the store is away."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from hub.clock import steady_s
from hub.domain.error import NotFound
from hub.store.database import Connection
from hub.store.view import SiteWords, load_words

_KEEP_S: Final = 60.0


class Names:
    """A cache of `SiteWords` by site; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: Mapping[str, tuple[float, SiteWords]] = {}

    def get(self, connection: Connection, site: str) -> SiteWords:
        """The site's names, at most a minute old; raises NotFound, StoreUnavailable."""
        kept = self._words.get(site)
        if kept is not None and steady_s() - kept[0] < _KEEP_S:
            return kept[1]
        words = load_words(connection, site)
        with self._lock:
            rest = {name: each for name, each in self._words.items() if name != site}
            self._words = rest if words is None else {**rest, site: (steady_s(), words)}
        if words is None:
            raise NotFound("there is no such site")
        return words

    def known(self, site: str) -> SiteWords | None:
        """The site's names as they were last read, however old."""
        kept = self._words.get(site)
        return kept[1] if kept is not None else None

    def forget(self, site: str) -> None:
        """Read them anew next time: the configuration or an account changed."""
        with self._lock:
            kept = self._words.get(site)
            if kept is not None:
                self._words = {**self._words, site: (float("-inf"), kept[1])}
