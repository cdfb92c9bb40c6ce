"""What a chore is: work that time asks for, done by one process for all sites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.store.database import Connection

MOST_PER_TURN = 100
"""A chore changes at most so many rows in one turn, so that it never holds a school's alarms up."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Its name, how often it is looked at, and the work: given the sites and the hub's clock, it
    returns how many things it did.
    """

    name: str
    every_s: float
    work: Callable[[Connection, list[str], datetime], int]
