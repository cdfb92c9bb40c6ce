"""What goes down to the edges: sealed, and told how much went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from adapters.contract.message import Command, GapRequest, Receipt, Settings
from adapters.contract.settings import split_settings
from adapters.contract.topic import Sender
from hub.domain.moment import microseconds
from hub.intake.clerk import Outcome
from hub.intake.gate import Downward, Gate
from hub.intake.lane import Throttle
from hub.intake.subscriber import Subscriber

_EXPIRES_S: Final = 60
"""What is not delivered by then has been said anew since."""


class Post:
    """Seals for the gate's edges and publishes over the subscriber's connection."""

    def __init__(self, gate: Gate, subscriber: Subscriber) -> None:
        self._gate = gate
        self._subscriber = subscriber
        self._asked = Throttle[tuple[Sender, int, int]]()
        self.sent: Counter[str] = Counter()

    def send(self, sender: Sender, payload: Downward) -> bool:
        """Publish to an edge; False for one without a key."""
        if not self._gate.knows(sender):
            return False
        what, frame = self._gate.seal(sender, payload)
        expires_s = payload.valid_ms // 1_000 if isinstance(payload, Command) else _EXPIRES_S
        self._subscriber.publish(sender, what, frame, expires_s)
        self.sent[what] += 1
        return True

    def answer(self, outcome: Outcome, now: datetime, now_s: float) -> None:
        """Tell the edges what is committed, and ask for what is missing (throttled). After a commit only."""
        for sender, cursors in outcome.cursors.items():
            self.receipt(sender, cursors, now)
        for (sender, epoch, lane), expected in outcome.gaps.items():
            if self._asked.passes((sender, epoch, lane), now_s):
                self.send(sender, GapRequest(epoch, lane, expected))

    def receipt(
        self,
        sender: Sender,
        cursors: Mapping[tuple[int, int], int],
        now: datetime,
        nonce: int = 0,
        telling: str = "",
    ) -> None:
        """A receipt of these lanes; with a nonce the answer to a heartbeat, which carries `telling`."""
        listed = [(epoch, lane, position) for (epoch, lane), position in cursors.items()]
        self.send(sender, Receipt(nonce, microseconds(now), listed, telling))

    def settings(self, sender: Sender, settings: Settings) -> int:
        """Send settings in their parts; returns their bytes."""
        parts = split_settings(settings)
        for part in parts:
            self.send(sender, part)
        return sum(len(part.data) for part in parts)
