"""Sends commands to the edges: what is requested goes out once its `sent` is committed, and again
until the edge says that it has it or the expiry has passed. The edge takes an id once only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from adapters.contract.message import Command as WireCommand
from adapters.contract.topic import Sender
from hub.commands.desk import mark_sent
from hub.domain.command import Command, CommandState
from hub.domain.moment import microseconds
from hub.intake.lane import Throttle
from hub.store.command import unanswered_commands
from hub.store.database import Connection, site_turn, transaction
from hub.store.history import save_consumed
from hub.store.turn import Turn

RESEND_S: Final = 2.0
_AT_ONCE: Final = 100


class Commander:
    """One per worker, so that a site has one sender of commands. Publishing is lent to it."""

    def __init__(self, publish: Callable[[Sender, WireCommand], bool]) -> None:
        self._publish = publish
        self._resend = Throttle[tuple[str, str]](RESEND_S)
        self.sent = 0

    def send(self, connection: Connection, site: str, now: datetime, now_s: float) -> int | None:
        """Send what waits at a site. Returns the journal's end after its own rows, or None where
        nothing was written. Raises StoreUnavailable; then nothing was sent.
        """
        commands = unanswered_commands(connection, site, now, _AT_ONCE)
        fresh = [command for command in commands if command.state is CommandState.REQUESTED]
        end = self._mark(connection, site, fresh, now) if fresh else None
        for command in commands:
            if self._resend.passes((site, command.command), now_s):
                self.sent += self._publish(Sender(site, command.edge), wire_of(command, now))
        return end

    def _mark(self, connection: Connection, site: str, commands: list[Command], now: datetime) -> int:
        with transaction(connection):
            site_turn(connection, site)
            for command in commands:
                mark_sent(Turn(connection, site, now), command.command)
            return save_consumed(connection, site)


def wire_of(command: Command, now: datetime) -> WireCommand:
    """The order as it goes to the edge now."""
    # Never longer than it was given: a clock that was ahead when it was requested makes no order for hours.
    left = min(command.expires_at - now, command.expires_at - command.requested_at)
    return WireCommand(
        command=command.command,
        device=command.device,
        address=command.address,
        kind=command.kind,
        parameters=dict(command.parameters),
        issued_at=microseconds(command.requested_at),
        expires_at=microseconds(now + left),
        valid_ms=max(0, int(left.total_seconds() * 1000)),
        reason=command.reason,
    )
