"""The area of a connection: the sites whose rows it may see, by PostgreSQL's row security (`wall.py`).

An area is a list of site ids, also an empty one, or one of two words. `EVERY_SITE` is for the hub's own
machinery (the live feed, a log-in that is journaled everywhere), never for what one person asked; only some
roles may say it. `NO_SITE` is for what belongs to no site (accounts, sessions): a query on a site's rows
raises, and so it does where nobody said anything. A forgotten area is an error, never an empty list.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

SETTING: Final = "sanfang.area"
"""The session setting that the policies read."""


class Reach(Enum):
    """An area that is no list; the values are what the setting says."""

    EVERY_SITE = "*"
    NO_SITE = ""


EVERY_SITE: Final = Reach.EVERY_SITE
NO_SITE: Final = Reach.NO_SITE
Area = Iterable[str] | Reach


def write_area(area: Area) -> str:
    """The setting's text: `*`, nothing, or an array as PostgreSQL writes it. Raises ValueError for U+0000."""
    if isinstance(area, Reach):
        return area.value
    if isinstance(area, str):
        raise TypeError(f"an area is a list of sites, not one word ({area!r})")
    sites = sorted(set(area))
    if any("\0" in site for site in sites):
        raise ValueError("no site has U+0000 in its name")
    quoted = (site.replace("\\", "\\\\").replace('"', '\\"') for site in sites)
    return "{" + ",".join(f'"{site}"' for site in quoted) + "}"
