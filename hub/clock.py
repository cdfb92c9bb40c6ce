"""The hub's clock: the one place where people's doors ask what time it is. Everything below is told."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware, UTC."""
    return datetime.now(UTC)
