"""The rows of the responsibility matrix: area × duty × person."""

from __future__ import annotations

from hub.domain.responsibility import Rank, Responsibility
from hub.store.database import Connection, fetch_one


def load_responsibilities(connection: Connection, site: str) -> tuple[Responsibility, ...]:
    """Every entry, by its number."""
    rows = connection.execute(
        "SELECT zone, duty, person, rank, valid_from, valid_to, responsibility FROM responsibility"
        " WHERE site = %s ORDER BY responsibility",
        (site,),
    )
    return tuple(
        Responsibility(zone, duty, person, Rank(rank), valid_from, valid_to, number)
        for zone, duty, person, rank, valid_from, valid_to, number in rows
    )


def save_responsibility(connection: Connection, site: str, entry: Responsibility) -> None:
    """Write an entry under its number."""
    connection.execute(
        "INSERT INTO responsibility (site, responsibility, zone, duty, person, rank, valid_from, valid_to)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (site, responsibility) DO UPDATE SET"
        " zone = EXCLUDED.zone, duty = EXCLUDED.duty, person = EXCLUDED.person, rank = EXCLUDED.rank,"
        " valid_from = EXCLUDED.valid_from, valid_to = EXCLUDED.valid_to",
        (
            site,
            entry.responsibility,
            entry.zone,
            entry.duty,
            entry.person,
            entry.rank.value,
            entry.valid_from,
            entry.valid_to,
        ),
    )


def find_responsibility(connection: Connection, site: str, number: int) -> Responsibility | None:
    """One entry."""
    row = fetch_one(
        connection,
        "SELECT zone, duty, person, rank, valid_from, valid_to FROM responsibility"
        " WHERE site = %s AND responsibility = %s",
        (site, number),
    )
    return None if row is None else Responsibility(**{**row, "rank": Rank(row["rank"])}, responsibility=number)


def remove_responsibility(connection: Connection, site: str, number: int) -> None:
    """Take an entry out."""
    connection.execute("DELETE FROM responsibility WHERE site = %s AND responsibility = %s", (site, number))


def load_parents(connection: Connection, site: str) -> dict[str, str | None]:
    """Zone -> the zone that it lies in, in the site's order."""
    rows = connection.execute("SELECT zone, parent FROM zone WHERE site = %s ORDER BY ordinal, zone", (site,))
    return dict(rows)
