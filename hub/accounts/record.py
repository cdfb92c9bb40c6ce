"""Acts on accounts in the journal: which sites' turns they take, and where they are written.

A journal is a site's. What happens to an account is written in the journal of every site that the account's
grants cover, before or after the act: there it is asked one day who could do what. An account without a site
is written where the actor's own grants reach. Bodies hold ids and roles, never names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.domain.permission import Grant
from hub.store.area import EVERY_SITE
from hub.store.database import Connection, Pool, borrow, site_turn, transaction
from hub.store.journal import JournalLine, append_to_each
from hub.store.right import sites_of


@dataclass(frozen=True, slots=True)
class Record:
    """A transaction that has the turns of the sites in whose journals it writes."""

    connection: Connection
    sites: tuple[str, ...]
    at: datetime

    def write(self, actor: str, account: str, kind: str, body: Mapping[str, Any]) -> None:
        """Journal an act on an account."""
        line = JournalLine(self.at, actor, f"account:{account}", kind, body)
        append_to_each(self.connection, self.sites, line)


@contextmanager
def recording(pool: Pool, account: str, at: datetime, more: Iterable[str] = ()) -> Iterator[Record]:
    """A transaction in the turns of an account's sites, and of `more`. Raises StoreUnavailable."""
    with borrow(pool, EVERY_SITE) as connection, recording_on(connection, account, at, more) as record:
        yield record


@contextmanager
def recording_on(
    connection: Connection, account: str, at: datetime, more: Iterable[str] = ()
) -> Iterator[Record]:
    """The same on a connection of one's own that sees every site."""
    with transaction(connection):
        sites = tuple(sorted({*sites_of(connection, account), *more}))
        site_turn(connection, *sites)
        yield Record(connection, sites, at)


def describe_grant(grant: Grant) -> dict[str, Any]:
    """A grant for a journal's body."""
    return {"role": grant.role.value, "site": grant.site, "area": list(grant.area)}
