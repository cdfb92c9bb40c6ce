"""Which database this is. A restored one is another, and whoever is told so tells what he knows anew."""

from __future__ import annotations

from hub.store.database import Connection


def telling_of(connection: Connection, site: str, edge: str) -> str:
    """The mark of what we know of an edge's conditions: this database's random name, and how often alarm items
    of that edge turned out to be lost. Empty for an edge that is not known.
    """
    row = connection.execute(
        "SELECT s.store || ':' || e.losses FROM store s, edge e WHERE e.site = %s AND e.edge = %s", (site, edge)
    ).fetchone()
    return "" if row is None else str(row[0])


def note_loss(connection: Connection, site: str, edge: str) -> None:
    """Items of an edge's alarm lane will never come: its conditions may be others than the hub knows."""
    connection.execute("UPDATE edge SET losses = losses + 1 WHERE site = %s AND edge = %s", (site, edge))
