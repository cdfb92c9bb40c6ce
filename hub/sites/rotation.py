"""Key rotation: the next number of an edge's key, asked for in order and journaled.

The edge signs with it once it has it on its disk; the number below is refused once it does
(`hub/intake/gate.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.store.database import Connection, site_turn, transaction
from hub.store.edge import want_key
from hub.store.journal import append_journal
from hub.store.site import find_edges

_MOST: Final = 65_535
"""What the frame's header has room for."""


def rotate_key(
    connection: Connection, edge: str, site: str | None, *, actor: str, at: datetime
) -> tuple[str, int]:
    """Ask an edge to sign with its next key: its site and that number.

    Raises NotFound, InvalidAct, ActRefused.
    """
    sites = [each for each in find_edges(connection, edge) if site in (None, each)]
    if not sites:
        where = f" at {site}" if site else ""
        raise NotFound(f"edge: there is no edge {edge!r}{where} in the configuration")
    if len(sites) > 1:
        raise InvalidAct(f"site: the edge {edge!r} is at {', '.join(sites)}; say which with --site")
    with transaction(connection):
        site_turn(connection, sites[0])
        wanted = want_key(connection, sites[0], edge)
        if wanted is None:
            raise ActRefused(f"edge: {edge!r} is not enrolled and has no key yet")
        number, version = wanted
        if number > _MOST:
            raise ActRefused(f"edge: {edge!r} has used all its keys; enrol it anew")
        append_journal(
            connection,
            sites[0],
            at=at,
            actor=actor,
            subject=f"edge:{edge}",
            kind="edge.key_wanted",
            body={"edge": edge, "key": number, "settings": version},
        )
    return sites[0], number
