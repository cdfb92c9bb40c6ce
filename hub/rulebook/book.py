"""The rule book: all rules and plans that are in force, loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hub.document import fault, read_document
from hub.domain.error import ConfigurationError
from hub.domain.plan import Plan
from hub.rulebook.plan import parse_plan
from hub.rules.language import parse_rules
from hub.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Rules in the order of their files, plans by name."""

    rules: tuple[Rule, ...] = ()
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def posts(self) -> frozenset[str]:
        """Every post that a rule or plan names; a site should have them all."""
        named = {step.post for plan in self.plans.values() for step in plan.steps}
        named |= {plan.commander_post for plan in self.plans.values()}
        for rule in self.rules:
            named |= {outcome.owner_post for outcome in (rule.alarm, rule.hazard) if outcome is not None}
        return frozenset(named)


def load_book(rules_dir: Path, plans_dir: Path) -> RuleBook:
    """The book in these folders (`*.yaml`, by name); raises ConfigurationError with every fault."""
    faults: list[str] = []
    rules: dict[str, tuple[Rule, Path]] = {}
    plans: dict[str, Plan] = {}
    for file, document in _documents(rules_dir, faults):
        parsed, found = parse_rules(document, file)
        faults += found
        for rule in parsed:
            if rule.rule in rules:
                other = rules[rule.rule][1]
                faults.append(
                    fault(
                        file, f"rules ({rule.rule}).rule", f"stands in {other} already; rename one", rule.rule
                    )
                )
            else:
                rules[rule.rule] = (rule, file)
    for file, document in _documents(plans_dir, faults):
        plan, found = parse_plan(document, file)
        faults += found
        if plan is None:
            continue
        if plan.plan in plans:
            faults.append(fault(file, "plan", "stands in two files; rename one", plan.plan))
        plans[plan.plan] = plan
    for rule, file in rules.values():
        if rule.incident is not None and rule.incident.plan not in plans:
            faults.append(
                fault(
                    file,
                    f"rules ({rule.rule}).incident.plan",
                    "is no plan of the plans folder; add its file or correct the name",
                    rule.incident.plan,
                )
            )
    if faults:
        raise ConfigurationError(faults)
    return RuleBook(tuple(rule for rule, _ in rules.values()), MappingProxyType(plans))


def check_rules(document: Any, file: Path) -> list[str]:
    """Every fault of a rules document; empty when there is none."""
    return parse_rules(document, file)[1]


def check_plan(document: Any, file: Path) -> list[str]:
    """Every fault of a plan document; empty when there is none."""
    return parse_plan(document, file)[1]


def _documents(directory: Path, faults: list[str]) -> list[tuple[Path, Any]]:
    if not directory.is_dir():
        faults.append(f"{directory}: is no folder; check the path")
        return []
    documents = []
    for file in sorted(directory.glob("*.yaml")):
        try:
            documents.append((file, read_document(file)))
        except ConfigurationError as error:
            faults += error.faults
    return documents
