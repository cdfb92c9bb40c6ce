"""Everything that the hub tells the outside: one reader for each channel of hub.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.clock import steady_s
from hub.notify.channels.webhook import Webhook
from hub.notify.reader import Reader
from hub.settings import WebhookSettings

_STOP_S: Final = 3.0


class Notifier:
    """Starts and ends the readers together."""

    def __init__(self, database: str, webhooks: Sequence[WebhookSettings]) -> None:
        self._readers = [Reader(database, Webhook(hook)) for hook in webhooks]

    def start(self) -> None:
        """Begin to read."""
        for reader in self._readers:
            reader.start()

    def stop(self) -> None:
        """End every reader, together: who supervises us waits a few seconds only."""
        for reader in self._readers:
            reader.stop()
        until = steady_s() + _STOP_S
        for reader in self._readers:
            reader.join(max(0.0, until - steady_s()))
