"""Which document a site starts with: site.yaml's, or the database's, which people changed since. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from hub.sites.document import hash_document
from hub.store.version import Origin


class Choice(Enum):
    """FILE: site.yaml whole; DATABASE: the newest version, with site.yaml's gateways; REFUSED: the same, and
    site.yaml says something else that was not taken in.
    """

    FILE = "file"
    DATABASE = "database"
    REFUSED = "refused"


def choose(file: Mapping[str, Any], newest: Mapping[str, Any] | None, origin: Origin) -> Choice:
    """What was changed in the console is never overwritten: both changed is for a person to settle."""
    told = hash_document(file)
    if newest is None or not origin.file_hash or told == hash_document(newest):
        return Choice.FILE
    if told == origin.file_hash:
        return Choice.DATABASE
    return Choice.FILE if hash_document(newest) == origin.file_hash else Choice.REFUSED
