"""What every router needs: the pool, the names, the live feed. Made once by `server.py`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from hub.api.audience import Audience
from hub.api.feed import Feed
from hub.api.names import Names
from hub.api.pulse import Pulse
from hub.api.shipment import Shipments
from hub.api.unreceipted import Unreceipted
from hub.dispatch.place import Outfit
from hub.settings import HubSettings
from hub.store.database import Pool


@dataclass(frozen=True, slots=True)
class Live:
    """The parts that go on by themselves."""

    feed: Feed
    pulse: Pulse
    audience: Audience
    unreceipted: Unreceipted


@dataclass(frozen=True, slots=True)
class Context:
    """The API process's parts."""

    settings: HubSettings
    pool: Pool
    names: Names
    outfit: Outfit
    """The rules, and what gateways are told."""
    live: Live
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Requests answered, by method and status."""
    exports: Shipments = field(default_factory=Shipments)


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Here = Annotated[Context, Depends(_context)]
