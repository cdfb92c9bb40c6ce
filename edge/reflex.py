"""Reflexes: which commands an event brings about by the table that the hub compiled. Pure.

The table is the hub's judgement of `event` and `together` rules, made for devices of this edge alone; it must
come to the same commands, under the same ids, as the hub does from the same events
(`tests/property/test_reflex_parity.py`). Old news counts as a sign but brings nothing about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from adapters.contract.command import derive_command
from adapters.contract.condition import Change, change_of, is_newest
from adapters.contract.message import Attribute, Event, Reflex
from edge.known import ConditionKey

PANEL_RESET: Final = "fire.reset"
"""It ends every fire condition of its panel; a point still active comes again."""
ANY_ADDRESS: Final = "*"
"""Every address of a device that the settings do not name."""
MAX_SIGNS: Final = 256
LATENESS_US: Final = 3_600_000_000
"""Signs that ended are kept for an hour beyond the window, as the hub does."""
TOLERANCE_US: Final = 5_000_000
"""A device's word that is further from our clock is set aside, as the hub does."""
REPEAT_US: Final = 30_000_000
"""An order that a reflex gave is not given again for so long, unless it failed or was undone."""
MAX_CONDITIONS: Final = 10_000
"""What a device invents beyond (ever new addresses) begins anew each time."""
MAX_EVIDENCE: Final = 8
"""So many events are named as evidence: what brought it about, then the signs that verified it."""
OPPOSITE: Final[Mapping[str, str]] = {
    "door.lock": "door.release",
    "door.restore": "door.release",
    "door.pulse": "door.release",
    "siren.off": "siren.on",
    "strobe.off": "strobe.on",
    "broadcast.stop": "broadcast.play",
}
"""What undoes which reflex."""


class Target(NamedTuple):
    """What an order is about."""

    device: str
    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One order of a reflex."""

    target: Target
    parameters: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class ReflexRule:
    """One rule's part at this edge. `count` 1: every event acts; more: so many signs together."""

    rule: str
    version: int
    kinds: frozenset[str]
    precedence: int
    count: int
    within_us: int
    different: str
    causes: Mapping[tuple[str, str], str]
    """(device, address) -> the group in which its events count."""
    effects: Mapping[str, tuple[Effect, ...]]
    """Group -> what is done."""


@dataclass(frozen=True, slots=True)
class Table:
    """The reflexes in force, found by kind."""

    rules: tuple[ReflexRule, ...] = ()
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Device -> its addresses that the settings name."""

    def find(self, device: str, address: str, kind: str) -> list[tuple[ReflexRule, str]]:
        """The rules that an event concerns, each with its group."""
        known = address in self.named.get(device, ())
        found = []
        for rule in self.rules:
            if kind in rule.kinds:
                group = rule.causes.get((device, address))
                if group is None and not known:
                    group = rule.causes.get((device, ANY_ADDRESS))
                if group is not None:
                    found.append((rule, group))
        return found


class Sign(NamedTuple):
    """An event that counts towards several together; `end` None: it still holds. Times in µs."""

    device: str
    address: str
    kind: str
    at: int
    end: int | None
    event: str


class Fired(NamedTuple):
    """What is brought about, and the conditions that did."""

    reflex: Reflex
    causes: frozenset[ConditionKey]


@dataclass(frozen=True, slots=True)
class State:
    """All that reflexes remember. Never altered in place: a failed transaction leaves nothing behind."""

    conditions: Mapping[ConditionKey, tuple[bool, int]] = field(default_factory=dict)
    signs: Mapping[tuple[str, str], tuple[Sign, ...]] = field(default_factory=dict)
    given: Mapping[Target, tuple[int, str]] = field(default_factory=dict)
    """When each order was last given (µs), and under which id."""
    holds: Mapping[tuple[str, str], frozenset[ConditionKey]] = field(default_factory=dict)
    """Doors that a reflex released, and the conditions for which it did."""
    pending: Mapping[str, tuple[int, Reflex]] = field(default_factory=dict)
    """Reflexes that are begun and whose end is not written: since when, and what."""


def time_of(event: Event) -> int:
    """When it was observed, as the hub will take it: the device's word where it can be believed."""
    said = event.observed_at
    if said is None:
        return event.edge_at
    if event.replayed and 0 < said <= event.edge_at + TOLERANCE_US:
        return said
    return said if abs(said - event.edge_at) <= TOLERANCE_US else event.edge_at


def judge(table: Table, state: State, event: Event, event_id: str, *, late: bool) -> tuple[State, list[Fired]]:
    """What follows from an event with this id: the state after it, and what it brings about."""
    fired: list[Fired] = []
    if event.kind == PANEL_RESET:
        until = time_of(event)
        for key, (active, at) in sorted(state.conditions.items()):
            if key.device == event.device and key.kind.startswith("fire.") and active and at <= until:
                state = _judge_one(table, state, key, False, until, event_id, [], acting=False)
    key = ConditionKey(event.device, event.address, event.kind)
    acting = not (late or event.replayed)
    state = _judge_one(table, state, key, event.active, time_of(event), event_id, fired, acting=acting)
    return state, fired


def _judge_one(
    table: Table,
    state: State,
    key: ConditionKey,
    active: bool | None,
    at: int,
    event_id: str,
    fired: list[Fired],
    *,
    acting: bool,
) -> State:
    concerned = table.find(*key)
    if not concerned:
        return state
    state, change = _track(state, key, active, at)
    for rule, group in concerned:
        causes: list[Sign] = []
        sign = Sign(*key, at, None if change in (Change.BEGAN, Change.REPEATED) else at, event_id)
        if rule.count > 1:
            state, causes = _correlate(rule, group, state, sign, change)
        elif change not in (Change.ENDED, Change.STILL, Change.HISTORY_END):
            causes = [sign]
        if causes and acting and change is not Change.HISTORY:
            fired += _orders(rule, group, causes)
    return state


def _track(state: State, key: ConditionKey, active: bool | None, at: int) -> tuple[State, Change]:
    known = state.conditions.get(key)
    change = change_of(active, at, known)
    if (
        active is not None
        and is_newest(change)
        and (known is not None or len(state.conditions) < MAX_CONDITIONS)
    ):
        state = replace(state, conditions={**state.conditions, key: (active, at)})
    return state, change


def _correlate(
    rule: ReflexRule, group: str, state: State, sign: Sign, change: Change
) -> tuple[State, list[Sign]]:
    """The state after a sign, and the signs that verify each other now, the new one first; none: not enough."""
    if change in (Change.STILL, Change.HISTORY_END):
        return state, []
    signs = list(state.signs.get((rule.rule, group), ()))
    place = next((n for n, other in enumerate(signs) if other[:3] == sign[:3]), None)
    if change is Change.ENDED:
        if place is None:
            return state, []
        signs[place] = signs[place]._replace(end=sign.at)
        return _keep(state, rule, group, signs), []
    if place is not None:
        known = signs[place]
        if change is Change.REPEATED or (change is Change.HISTORY and known.at <= sign.at):
            return state, []
        if change is Change.HISTORY:
            sign = sign._replace(end=known.end)
        del signs[place]
    together = [sign, *(other for other in signs if _overlap(sign, other, rule.within_us))]
    signs.append(sign)
    state = _keep(state, rule, group, _evict(signs, sign.at, rule.within_us))
    enough = len({_source(each, rule.different) for each in together}) >= rule.count
    return state, together if enough else []


def _keep(state: State, rule: ReflexRule, group: str, signs: Iterable[Sign]) -> State:
    return replace(state, signs={**state.signs, (rule.rule, group): tuple(signs)})


def _overlap(one: Sign, other: Sign, within_us: int) -> bool:
    first, second = (one, other) if one.at <= other.at else (other, one)
    return second.at - first.at <= within_us or first.end is None or first.end > second.at


def _source(sign: Sign, different: str) -> tuple[str, ...]:
    if different == "kind":
        return (sign.kind,)
    return (sign.device,) if different == "device" else (sign.device, sign.address)


def _evict(signs: list[Sign], now_us: int, within_us: int) -> list[Sign]:
    horizon = now_us - within_us - LATENESS_US
    kept = [sign for sign in signs if sign.end is None or sign.end >= horizon]
    if len(kept) > MAX_SIGNS:
        kept.remove(min(kept, key=lambda sign: (sign.end is None, sign.end or sign.at)))
    return kept


def _orders(rule: ReflexRule, group: str, causes: list[Sign]) -> list[Fired]:
    evidence = [cause.event for cause in causes][:MAX_EVIDENCE]
    keys = frozenset(ConditionKey(*cause[:3]) for cause in causes)
    return [
        Fired(
            Reflex(
                command=derive_command(f"rule:{rule.rule}", rule.version, evidence[0], *effect.target),
                rule=rule.rule,
                version=rule.version,
                device=effect.target.device,
                address=effect.target.address,
                kind=effect.target.kind,
                parameters=dict(effect.parameters),
                evidence=evidence,
                precedence=rule.precedence,
            ),
            keys,
        )
        for effect in rule.effects[group]
    ]


# What of it is done, and what stands.


def give(state: State, fired: Iterable[Fired], at: int) -> tuple[State, list[Reflex]]:
    """Note the orders that are given now, and leave out those that were given a moment ago and stand. A door
    that is released is held for every condition that was seen then.
    """
    told = []
    for reflex, causes in fired:
        target = Target(reflex.device, reflex.address, reflex.kind)
        if reflex.kind == "door.release":
            state = _hold(state, (reflex.device, reflex.address), causes)
        before = state.given.get(target)
        if before is not None and 0 <= at - before[0] <= REPEAT_US:
            continue
        told.append(reflex)
        state = replace(
            state,
            given={**state.given, target: (at, reflex.command)},
            pending={**state.pending, reflex.command: (at, reflex)},
        )
    return state, told


def finish(state: State, command: str, outcome: str) -> State:
    """A reflex has ended; one that was not confirmed does not stand in the way of the next."""
    if command not in state.pending:
        return state
    pending = {name: each for name, each in state.pending.items() if name != command}
    if outcome == "confirmed":
        return replace(state, pending=pending)
    given = {target: each for target, each in state.given.items() if each[1] != command}
    return replace(state, pending=pending, given=given)


def undo(state: State, target: Target) -> State:
    """A command undoes a reflex here: the same order is news again."""
    undone = target._replace(kind=OPPOSITE.get(target.kind, ""))
    if undone not in state.given:
        return state
    return replace(state, given={each: when for each, when in state.given.items() if each != undone})


def release(state: State, device: str, address: str) -> State:
    """Nothing holds this door any more."""
    kept = {place: causes for place, causes in state.holds.items() if place != (device, address)}
    return replace(state, holds=kept)


def _hold(state: State, place: tuple[str, str], causes: frozenset[ConditionKey]) -> State:
    return replace(state, holds={**state.holds, place: state.holds.get(place, frozenset()) | causes})


def seed(table: Table, state: State, active: Mapping[ConditionKey, int]) -> State:
    """Take up conditions (and since when) that were told before the table knew of them: the first of two signs
    counts, and brings nothing about. What the table no longer concerns is forgotten.
    """
    conditions = {key: value for key, value in state.conditions.items() if table.find(*key)}
    places = {(rule.rule, group) for rule in table.rules for group in rule.effects}
    state = replace(
        state,
        conditions=conditions,
        signs={place: signs for place, signs in state.signs.items() if place in places},
    )
    for key, since in sorted(active.items()):
        if key not in conditions:
            state = _judge_one(table, state, key, True, since, f"known/{since}", [], acting=False)
    return state


def pack(state: State) -> dict[str, Any]:
    """The state as JSON data."""
    return {
        "conditions": [[*key, *value] for key, value in state.conditions.items()],
        "signs": [[*place, [list(sign) for sign in signs]] for place, signs in state.signs.items()],
        "given": [[*target, *value] for target, value in state.given.items()],
        "holds": [[*place, sorted(list(key) for key in keys)] for place, keys in state.holds.items()],
        "pending": [
            [
                at,
                [
                    each.command, each.rule, each.version, each.device, each.address, each.kind,
                    each.parameters, each.evidence, each.precedence,
                ],
            ]
            for at, each in state.pending.values()
        ],
    }  # fmt: skip


def unpack(data: Mapping[str, Any]) -> State:
    """The state from its JSON data."""
    return State(
        conditions={ConditionKey(*row[:3]): (bool(row[3]), row[4]) for row in data["conditions"]},
        signs={(rule, group): tuple(Sign(*sign) for sign in signs) for rule, group, signs in data["signs"]},
        given={Target(*row[:3]): (row[3], row[4]) for row in data["given"]},
        holds={
            (device, address): frozenset(ConditionKey(*key) for key in keys)
            for device, address, keys in data["holds"]
        },
        pending={row[0]: (at, Reflex(*row)) for at, row in data["pending"]},
    )
