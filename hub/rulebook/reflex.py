"""Reflex tables: what rules marked `reflex` let each edge do by itself, from its own devices to its own.

The edge knows neither places nor scopes: both are resolved here, so that its table is a list of causes and
effects. What needs another edge stays with the hub, and a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from adapters.contract.vocabulary import KINDS
from hub.domain.judgement import SiteModel
from hub.rulebook.book import RuleBook
from hub.rules.kinds.event import EventRule
from hub.rules.kinds.together import TogetherRule
from hub.rules.outcome import rank_of

ANY_ADDRESS: Final = "*"
"""In a list of addresses: every one that the device's own settings do not name."""
Emits = Callable[[str], frozenset[str] | None]
"""The event kinds that a device can tell of; None where that is not known."""
Reflexive = EventRule | TogetherRule


@dataclass(frozen=True, slots=True)
class Reflexes:
    """The tables by edge, as they stand in its settings, and what people should know of them, a line each."""

    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    notes: Sequence[str]


@dataclass(slots=True)
class _Group:
    """The devices whose events mean the same: at the same place, with the same effects."""

    zone: str | None
    causes: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Edge -> device -> addresses."""


def compile_reflexes(book: RuleBook, model: SiteModel, emits: Emits = lambda device: None) -> Reflexes:
    """The reflex tables of a site's edges. Rules that were loaded have no fault that could stop it."""
    tables: dict[str, list[Mapping[str, Any]]] = {}
    notes: list[str] = []
    for rule in book.rules:
        if rule.reflex and isinstance(rule, EventRule | TogetherRule):
            for edge, groups in _compile(rule, model, emits, notes).items():
                tables.setdefault(edge, []).append(_head(rule) | {"groups": groups})
    return Reflexes(tables, notes)


def emitted_kinds(devices: Mapping[str, str], profiles: Mapping[str, Mapping[str, Any]]) -> Emits:
    """What each device (with its profile's name) can tell of: the kinds that its profile names, and what
    drivers and the edge tell of any device.
    """
    by_profile = {name: _named_kinds(profile) for name, profile in profiles.items()}
    return lambda device: by_profile.get(devices.get(device, ""))


def _named_kinds(profile: Mapping[str, Any]) -> frozenset[str]:
    found = {kind for kind in KINDS if kind.startswith("device.")}
    waiting: list[Any] = [profile]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, str) and part in KINDS:
            found.add(part)
    return frozenset(found)


def _head(rule: Reflexive) -> dict[str, Any]:
    head: dict[str, Any] = {
        "rule": rule.rule,
        "version": rule.version,
        "kind": rule.kind,
        "kinds": list(rule.kinds),
        "precedence": int(rank_of(verifies=rule.verifies)),
    }
    if isinstance(rule, TogetherRule):
        head |= {
            "count": rule.count,
            "within_ms": rule.within // timedelta(milliseconds=1),
            "different": rule.different,
        }
    return head


def _compile(
    rule: Reflexive, model: SiteModel, emits: Emits, notes: list[str]
) -> dict[str, list[dict[str, Any]]]:
    compiled: dict[str, list[dict[str, Any]]] = {}
    told: dict[str, list[str]] = {}
    for name, group in sorted(_groups(rule, model, emits).items()):
        effects = _effects(rule, model, group.zone)
        ordered = {each["kind"] for per_edge in effects.values() for each in per_edge}
        for kind in sorted({command.kind for command in rule.commands} - ordered):
            told.setdefault(f"no device to order {kind} of", []).append(name)
        for edge, own in effects.items():
            others = ", ".join(sorted(group.causes.keys() - {edge}))
            if others:
                told.setdefault(f"{_names(own)} on a sign of edge {others} only with the hub", []).append(name)
        if isinstance(rule, TogetherRule) and len(group.causes) > 1:
            edges = ", ".join(sorted(group.causes))
            told.setdefault(f"signs of edges {edges} verify each other only in the hub", []).append(name)
        for edge, causes in sorted(group.causes.items()):
            if edge in effects:
                compiled.setdefault(edge, []).append(
                    {"group": name, "causes": causes, "effects": effects[edge]}
                )
    for edge, groups in sorted(compiled.items()):
        told.setdefault(f"runs at edge {edge} with the hub away", []).extend(each["group"] for each in groups)
    if not compiled:
        told["runs at no edge of this site"] = []
    for what, places in told.items():
        where = f" ({', '.join(places)})" if places else ""
        notes.append(f"{model.site}: rule {rule.rule}: {what}{where}")
    return compiled


def _groups(rule: Reflexive, model: SiteModel, emits: Emits) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    kinds = set(rule.kinds)
    for name, fact in sorted(model.devices.items()):
        emitted = emits(name)
        if emitted is not None and not kinds & emitted:
            continue
        for address in (ANY_ADDRESS, *fact.addresses):
            zone = fact.address_zones.get(address, fact.zone)
            if not rule.scope.holds(model, name, zone):
                continue
            place, about = _place(rule, model, zone)
            if place is not None:
                group = groups.setdefault(place, _Group(about))
                group.causes.setdefault(fact.edge, {}).setdefault(name, []).append(address)
    return groups


def _place(rule: Reflexive, model: SiteModel, zone: str) -> tuple[str | None, str | None]:
    """Where signs in a zone count together, and what zone the judge's finding is about."""
    if isinstance(rule, EventRule) or rule.zone == "own":
        return zone, zone
    place = model.site if rule.zone == "site" else model.zone_around(zone, rule.zone)
    return place, place


def _effects(rule: Reflexive, model: SiteModel, zone: str | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for command in rule.commands:
        for device, address in command.targets(model, zone):
            fact = model.devices.get(device)
            if fact is None or command.kind not in fact.writes:
                continue
            effect = {
                "device": device,
                "address": address,
                "kind": command.kind,
                "parameters": dict(command.parameters),
            }
            if effect not in found.setdefault(fact.edge, []):
                found[fact.edge].append(effect)
    return found


def _names(effects: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({each["device"] for each in effects}))
