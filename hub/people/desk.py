"""People by the roster: who stands at which post now. Ids only; names stay with whoever may read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.domain.roster import Duty
from hub.store.database import Connection
from hub.store.roster import list_posts, load_duty


def duty_of(connection: Connection, site: str) -> Duty:
    """The site's roster."""
    return load_duty(connection, site)


def persons_on_duty(connection: Connection, site: str, *, at: datetime) -> Mapping[str, tuple[str, ...]]:
    """The persons at every post of the site at that moment; empty where nobody stands."""
    duty = load_duty(connection, site)
    return {post: duty.persons(post, at) for post in list_posts(connection, site)}
