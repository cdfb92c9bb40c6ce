"""The rule language: YAML documents to rules, with every fault in them.

A document is `rules: [...]`; each rule names its `kind`, and the kind's file in `kinds/` says which
keys it takes. A new kind is a new file there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Final

from hub.document import fault, parse_document
from hub.rules import kinds
from hub.rules.rule import Rule, RuleKind

MAX_RULES: Final = 10_000


def discover_kinds() -> Mapping[str, RuleKind]:
    """Every kind of rule by name; a file without one, or two of a name, stop the start."""
    found: dict[str, RuleKind] = {}
    for file in iter_modules(kinds.__path__):
        kind = getattr(import_module(f"{kinds.__name__}.{file.name}"), "KIND", None)
        if not isinstance(kind, RuleKind):
            raise TypeError(f"hub/rules/kinds/{file.name}.py defines no KIND")
        if kind.name in found:
            raise TypeError(f"hub/rules/kinds/{file.name}.py: the kind {kind.name!r} exists already")
        found[kind.name] = kind
    return MappingProxyType(found)


KINDS: Final = discover_kinds()


def parse_rules(document: Any, file: Path) -> tuple[list[Rule], list[str]]:
    """The rules of a document that have no fault, and every fault: `file: field: what (is: value); cure`."""
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        return [], [fault(file, "rules", "is missing; write `rules:` and a list of rules below it")]
    faults = [
        fault(file, str(key), "is not a known key; remove it or correct its spelling")
        for key in document
        if key != "rules"
    ]
    if len(document["rules"]) > MAX_RULES:
        return [], [*faults, fault(file, "rules", f"has {len(document['rules'])} rules; {MAX_RULES} at most")]
    rules = []
    for number, each in enumerate(document["rules"]):
        rule, found = _parse_rule(each, number, file)
        faults += found
        if rule is not None and not found:
            rules.append(rule)
    return rules, faults


def _parse_rule(document: Any, number: int, file: Path) -> tuple[Rule | None, list[str]]:
    field = f"rules[{number}]"
    if not isinstance(document, dict):
        return None, [fault(file, field, "is not a mapping; write `rule: name` and its keys", document)]
    kind = KINDS.get(str(document.get("kind")))
    if kind is None:
        known = ", ".join(sorted(KINDS))
        return None, [
            fault(file, f"{field}.kind", f"is no kind of rule; use one of {known}", document.get("kind"))
        ]
    rule, faults = parse_document(document, kind.rule, file)
    name = document.get("rule")
    where = f"{field} ({name})" if isinstance(name, str) else field
    faults = [_place(line, file, where) for line in faults]
    if rule is not None:
        for line in rule.faults():
            key, _, what = line.partition(": ")
            faults.append(fault(file, f"{where}.{key}", what))
    return rule, faults


def _place(line: str, file: Path, where: str) -> str:
    rest = line.removeprefix(f"{file}: ").removeprefix("document: ")
    return f"{file}: {where}.{rest}"
