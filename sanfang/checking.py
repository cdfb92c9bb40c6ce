"""`sanfang check`: every fault of any of our YAML files, each recognised by its top key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document: its name, the top key that tells it, and its check.

    A check takes the document and its file, and returns the faults, one line each.
    """

    name: str
    key: str
    check: Callable[[Any, Path], list[str]]


# Each check imports its package only when it is needed: an edge's machine has no need of the hub's.


def _check_hub(document: Any, file: Path) -> list[str]:
    from hub.settings import check_hub

    return check_hub(document, file)


def _check_site(document: Any, file: Path) -> list[str]:
    from hub.sites.reading import check_site

    return check_site(document, file)


def _check_rules(document: Any, file: Path) -> list[str]:
    from hub.rulebook.book import check_rules

    return check_rules(document, file)


def _check_plan(document: Any, file: Path) -> list[str]:
    from hub.rulebook.book import check_plan

    return check_plan(document, file)


def _check_campus(document: Any, file: Path) -> list[str]:
    from simulators.campus import check_campus

    return check_campus(document, file)


def _check_profile(document: Any, file: Path) -> list[str]:
    from adapters.profile import check_profile

    return check_profile(document, str(file))


def _check_edge(document: Any, file: Path) -> list[str]:
    from edge.configuration import load_configuration
    from edge.error import ConfigurationError

    try:
        load_configuration(file)
    except ConfigurationError as error:
        return error.faults
    return []


# In the order of trying: a hub.yaml has `database` and `data_dir`, an edge.yaml `data_dir` alone.
KINDS = (
    Kind("hub", "database", _check_hub),
    Kind("site", "site", _check_site),
    Kind("campus", "campus", _check_campus),
    Kind("profile", "profile", _check_profile),
    Kind("rules", "rules", _check_rules),
    Kind("plan", "plan", _check_plan),
    Kind("edge", "data_dir", _check_edge),
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


def reflex_notes(good: Mapping[str, Sequence[Path]]) -> list[str]:
    """Which rules marked `reflex` run at which edges of the sites among these faultless files (by kind), and
    what of them does not; nothing where there is no site beside the rules.
    """
    if not good.get("site") or not good.get("rules"):
        return []
    from hub.document import read_document
    from hub.rulebook.book import RuleBook
    from hub.rulebook.reflex import compile_reflexes, emitted_kinds
    from hub.rules.language import parse_rules
    from hub.sites.model import build_model
    from hub.sites.reading import load_site

    rules = [rule for file in good["rules"] for rule in parse_rules(read_document(file), file)[0]]
    documents = [read_document(file) for file in good.get("profile", ())]
    profiles = {document["profile"]: document for document in documents}
    notes: list[str] = []
    for file in good["site"]:
        site = load_site(file)
        emits = emitted_kinds(site.profiles_by_device, profiles)
        notes += compile_reflexes(RuleBook(tuple(rules)), build_model(site), emits).notes
    return [f"reflex: {note}" for note in notes]
