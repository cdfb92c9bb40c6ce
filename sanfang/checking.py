"""`sanfang check`: every fault of any of our YAML files, each recognised by its top key."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document: its name, the top key that tells it, and where its check lives.

    The check takes the document and its file and returns its faults, one line each. `file_as_text` is for
    checks of packages that know files by name only.
    """

    name: str
    key: str
    module: str
    function: str
    file_as_text: bool = False

    def check(self, document: Any, file: Path) -> list[str]:
        check: Callable[..., list[str]] = getattr(importlib.import_module(self.module), self.function)
        return check(document, str(file) if self.file_as_text else file)


# In the order of trying: a hub.yaml has `database`, an edge.yaml has `data_dir` without it.
KINDS = (
    Kind("hub", "database", "hub.settings", "check_hub"),
    Kind("site", "site", "hub.sites.configuration", "check_site"),
    Kind("campus", "campus", "simulators.campus", "check_campus"),
    Kind("profile", "profile", "adapters.profile", "check_profile", file_as_text=True),
    Kind("rules", "rules", "hub.rulebook.book", "check_rules"),
    Kind("plan", "plan", "hub.rulebook.book", "check_plan"),
    Kind("edge", "data_dir", "edge.settings", "check_edge"),
)


def recognise(document: Any) -> Kind | None:
    """The kind that a document's top keys tell, or None."""
    if not isinstance(document, dict):
        return None
    return next((kind for kind in KINDS if kind.key in document), None)


def yaml_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and every *.yaml and *.yml below the folders named, in order."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*.y*ml") if file.suffix in (".yaml", ".yml"))
        else:
            yield path


def check_file(file: Path) -> tuple[str, list[str]]:
    """The kind of a file ("?" when unknown) and all its faults."""
    from hub.document import read_document
    from hub.domain.error import ConfigurationError

    try:
        document = read_document(file)
    except ConfigurationError as error:
        return "?", error.faults
    kind = recognise(document)
    if kind is None:
        known = ", ".join(f"`{kind.key}:` ({kind.name})" for kind in KINDS)
        return "?", [f"{file}: is none of our documents; its top keys must have one of {known}"]
    return kind.name, kind.check(document, file)
