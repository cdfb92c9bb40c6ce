"""A site's document as the database keeps it in versions: places, devices, posts and escalation. Pure.

Gateways are not in it: their addresses and secrets come from site.yaml and its environment. Neither are people,
who have rows of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from hub.domain.chain import canonical
from hub.sites.configuration import SiteConfiguration
from hub.sites.people import PeopleConfiguration
from hub.sites.reading import read_site

_ELSEWHERE: Final = frozenset({"edges", *PeopleConfiguration.model_fields})
_ENTRY: Final = re.compile(r"\b(zones|devices|posts)\[(\d+)\]")

Document = dict[str, Any]


def write_site(configuration: SiteConfiguration) -> Document:
    """The document of a site; `read_whole` reads it back."""
    return configuration.model_dump(mode="json", by_alias=True, exclude=set(_ELSEWHERE))


def hash_document(document: Mapping[str, Any]) -> str:
    """The same for the same document, in whatever order its keys stand."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def read_whole(
    document: Mapping[str, Any], gateways: Iterable[Mapping[str, Any]]
) -> tuple[SiteConfiguration | None, list[str]]:
    """The document with its gateways as a configuration, or every fault. A fault begins with the field,
    an entry called by its name: `zones[lab].parent: is no zone …`.
    """
    name = str(document.get("site", "document"))
    configuration, faults = read_site({**document, "edges": list(gateways)}, name)
    return configuration, [_call(line.removeprefix(f"{name}: "), document) for line in faults]


def write_yaml(document: Mapping[str, Any]) -> str:
    """The document as it can stand in a site.yaml; what is as if it were not written is left out."""
    shown = {**document}
    for section in ("zones", "devices"):
        shown[section] = [
            {key: value for key, value in entry.items() if value not in (None, "", [], {}, ())}
            for entry in document.get(section, ())
        ]
    text: str = yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=110)
    return text


def _call(line: str, document: Mapping[str, Any]) -> str:
    def name(match: re.Match[str]) -> str:
        section, number = match[1], int(match[2])
        entries = document.get(section) or []
        entry = entries[number] if number < len(entries) else None
        known = entry.get(section[:-1]) if isinstance(entry, dict) else None
        return f"{section}[{known}]" if isinstance(known, str) and known else match[0]

    return _ENTRY.sub(name, line)
