"""A crash at any point changes nothing; the order in which news arrives changes no outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract.vocabulary import Quality
from hub.domain.judgement import (
    Checkpoint,
    ClearAlarm,
    EventInput,
    Input,
    ListeningInput,
    RaiseAlarm,
    ReadingInput,
    TickInput,
    Verdict,
)
from hub.rulebook.book import RuleBook, load_book
from hub.rules.engine import Engine
from tests.ruling import MODEL, at, event, reading, rules_of

HEAD = "name: {zh: 规则, en: rule}, why: a test needs it"
OUT = "alarm: {priority: high, owner_post: security-room, response: {zh: 去看, en: look}"
# Every kind of rule, with windows short enough for a random history to cross them.
RULES = f"""
- {{rule: fire, kind: event, {HEAD}, kinds: [fire.alarm, fire.manual_call_point], {OUT}}}}}
- {{rule: press, kind: event, {HEAD}, kinds: [panic.pressed], {OUT}}}, incident: {{plan: p}}}}
- {{rule: forced, kind: event, {HEAD}, kinds: [door.forced], when: "attributes.n < 4", {OUT}}}}}
- {{rule: warm, kind: threshold, {HEAD}, point: temperature_c, above: 8, clear: 6,
   {OUT}, kind: environment.high}}}}
- {{rule: warm-long, kind: held, {HEAD}, point: temperature_c, above: 8, clear: 6, for: 40s,
   {OUT}, kind: environment.high}}}}
- {{rule: gone, kind: held, {HEAD}, kinds: [device.offline], for: 30s, {OUT}, condition: rule}}}}
- {{rule: both, kind: together, {HEAD}, kinds: [fire.alarm, fire.manual_call_point], within: 20s,
   escalate: critical, incident: {{plan: p}}, {OUT}, condition: rule, kind: fire.alarm}}}}
- {{rule: denied, kind: repetition, {HEAD}, kinds: [access.denied], count: 3, within: 30s, {OUT}}}}}
- {{rule: silent, kind: absence, {HEAD}, kinds: [panic.test], for: 50s, scope: {{families: [panic_button]}},
   {OUT}, condition: rule, kind: device.offline}}}}
"""


@lru_cache
def small_book() -> Any:
    return rules_of(RULES)


@lru_cache
def shipped_book() -> RuleBook:
    root = Path(__file__).parents[2] / "config"
    return load_book(root / "rules", root / "plans")


CONDITIONS = ("fire.alarm", "fire.manual_call_point", "door.forced", "device.offline")
MOMENTS = ("panic.pressed", "access.denied", "panic.test", "fire.reset", "access.granted")
DEVICES = ("hall-smoke", "lab-smoke", "panel", "lab-door", "gate-button", "fridge", "stranger")
seconds = st.integers(min_value=0, max_value=200)


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    which = draw(st.integers(min_value=0, max_value=9))
    device, second, late = draw(st.sampled_from(DEVICES)), draw(seconds), draw(st.booleans())
    address = draw(st.sampled_from(("", "1", "2|x"))) if device == "panel" else ""
    if which <= 4:
        kind, active = draw(st.sampled_from(CONDITIONS)), draw(st.booleans())
        n = draw(st.integers(min_value=0, max_value=5))
        return event(kind, device, second, active, address=address, late=late, n=n)
    if which <= 6:
        return event(draw(st.sampled_from(MOMENTS)), device, second, address=address, late=late)
    if which == 7:
        value = draw(st.sampled_from((3.0, 7.0, 9.0, float("nan"))))
        quality = draw(st.sampled_from((Quality.GOOD, Quality.GOOD, Quality.BAD)))
        return reading("fridge", "temperature_c", value, second, quality=quality, late=late)
    if which == 8:
        return TickInput(at(second))
    return ListeningInput(at(second), at(second + draw(seconds)))


def stored(checkpoints: Sequence[Checkpoint], into: dict[tuple[str, str], Checkpoint]) -> None:
    """What the checkpoint table does: JSON, one row per (rule, subject), None forgets."""
    for each in checkpoints:
        if each.state is None:
            into.pop((each.rule, each.subject), None)
        else:
            state = json.loads(json.dumps(each.state, allow_nan=False))
            into[each.rule, each.subject] = replace(each, state=state)


def run(engine: Engine, history: Sequence[Input], start: int = 1) -> list[list[Verdict]]:
    return [engine.judge(position, [each]) for position, each in enumerate(history, start=start)]


def crash_and_compare(book: Any, history: Sequence[Input], crash: int) -> None:
    whole = Engine(book, MODEL)
    wanted = run(whole, history)
    table: dict[tuple[str, str], Checkpoint] = {}
    stored(whole.changed(), table)

    rows: dict[tuple[str, str], Checkpoint] = {}
    before = Engine(book, MODEL)
    for position, each in enumerate(history[:crash], start=1):
        before.judge(position, [each])
        stored(before.changed(), rows)
    after = Engine(book, MODEL)
    after.restore(list(rows.values()))
    assert after.next_timer() == before.next_timer()
    assert run(after, history[crash:], crash + 1) == wanted[crash:]
    stored(after.changed(), rows)
    assert rows == table
    assert after.next_timer() == whole.next_timer()


@settings(max_examples=300, deadline=None)
@given(history=st.lists(inputs(), max_size=40), data=st.data())
def test_a_crash_at_any_point_changes_nothing(history: list[Input], data: st.DataObject) -> None:
    crash = data.draw(st.integers(min_value=0, max_value=len(history)))
    crash_and_compare(small_book(), history, crash)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(inputs(), max_size=40), data=st.data())
def test_a_crash_changes_nothing_for_the_shipped_book(history: list[Input], data: st.DataObject) -> None:
    crash = data.draw(st.integers(min_value=0, max_value=len(history)))
    crash_and_compare(shipped_book(), history, crash)


@settings(max_examples=100, deadline=None)
@given(history=st.lists(inputs(), max_size=30))
def test_judging_is_a_function_of_its_history(history: list[Input]) -> None:
    first, second = Engine(small_book(), MODEL), Engine(small_book(), MODEL)
    batch = second.judge(1, history)
    assert [verdict for one in run(first, history) for verdict in one] == batch


def outcome(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], tuple[str, bool]]:
    """Per (subject, condition): the first evidence, and whether the condition holds at the end.

    What the alarm desk makes of verdicts, in the smallest form: a history is attached, or raised as over.
    """
    first: dict[tuple[str, str], tuple[Any, str]] = {}
    active: dict[tuple[str, str], bool] = {}
    for each in verdicts:
        if isinstance(each, RaiseAlarm):
            key = (each.subject, each.condition)
            told = (each.evidence.observed_at, each.evidence.id)
            first[key] = min(first.get(key, told), told)
            if each.history:
                active.setdefault(key, False)
            else:
                active[key] = True
        elif isinstance(each, ClearAlarm):
            key = (each.subject, each.condition)
            if key in active:
                active[key] = False
    return {key: (first[key][1], active[key]) for key in first}


@st.composite
def shuffled_conditions(draw: st.DrawFn) -> tuple[list[EventInput], list[EventInput]]:
    """A history of true changes in its order, and the same in another."""
    device = draw(st.sampled_from(("hall-smoke", "lab-door")))
    kind = "fire.alarm" if device == "hall-smoke" else "device.offline"
    count = draw(st.integers(min_value=1, max_value=8))
    begins = draw(st.booleans())
    ordered = [event(kind, device, 10 * n, (n % 2 == 0) is begins) for n in range(count)]
    presses = [event("panic.pressed", "gate-button", 10 * n + 5) for n in range(draw(st.integers(0, 3)))]
    whole = sorted([*ordered, *presses], key=lambda each: each.observed_at)
    return whole, draw(st.permutations(whole))


@st.composite
def listened_times(draw: st.DrawFn) -> tuple[dict[int, str], set[int]]:
    """When which button is heard, and the seconds in which the hub listened."""
    heard = draw(st.dictionaries(st.integers(1, 299), st.sampled_from(("gate-button", "fridge")), max_size=8))
    away = draw(st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=3))
    return heard, set(range(300)) - {second for begin, long in away for second in range(begin, begin + long)}


@settings(max_examples=300, deadline=None)
@given(times=listened_times())
def test_silence_is_the_same_whenever_the_rules_are_told_of_listening(
    times: tuple[dict[int, str], set[int]],
) -> None:
    """Live, they are told when a timer is due and when listening ends; at the latest before each event."""
    heard, listened = times

    def live(eager: bool) -> list[Verdict]:
        engine, verdicts, fed_until = Engine(small_book(), MODEL), list[Verdict](), -1
        for second in range(300):
            due = engine.next_timer()
            ends = second - 1 in listened and second not in listened
            told = ends or (due is not None and due <= at(second)) or (eager and second in heard)
            if second in listened and fed_until < 0:
                fed_until = second
            if told and fed_until >= 0:
                verdicts += engine.judge(2 * second, [ListeningInput(at(fed_until), at(second))])
                fed_until = -1 if ends else second
            if second in heard and second in listened:
                verdicts += engine.judge(2 * second + 1, [event("panic.test", heard[second], second)])
        return verdicts

    assert live(eager=False) == live(eager=True)


EVENTS_ONLY = f"""
- {{rule: any, kind: event, {HEAD}, kinds: [fire.alarm, device.offline, panic.pressed], {OUT}}}}}
"""


@settings(max_examples=300, deadline=None)
@given(both=shuffled_conditions())
def test_shuffled_news_gives_the_same_outcome(both: tuple[list[EventInput], list[EventInput]]) -> None:
    ordered, mixed = both
    book = rules_of(EVENTS_ONLY)
    wanted = outcome(Engine(book, MODEL).judge(1, ordered))
    assert outcome(Engine(book, MODEL).judge(1, mixed)) == wanted


@settings(max_examples=100, deadline=None)
@given(history=st.lists(inputs(), max_size=30), data=st.data())
def test_a_repeated_condition_change_adds_no_new_alarm(history: list[Input], data: st.DataObject) -> None:
    changes = [each for each in history if isinstance(each, EventInput) and each.active is not None]
    doubled = [each for one in changes for each in (one, one)]
    once = outcome([v for each in run(Engine(rules_of(EVENTS_ONLY), MODEL), changes) for v in each])
    twice = outcome([v for each in run(Engine(rules_of(EVENTS_ONLY), MODEL), doubled) for v in each])
    assert once == twice


@settings(max_examples=100, deadline=None)
@given(history=st.lists(inputs(), max_size=40))
def test_memory_is_bounded_and_every_state_is_json(history: list[Input]) -> None:
    engine = Engine(small_book(), MODEL)
    run(engine, history)
    for checkpoint in engine.changed():
        text = json.dumps(checkpoint.state, allow_nan=False)
        assert len(text) < 20_000
    assert engine.changed() == []


def test_readings_are_only_fed_where_a_rule_concerns_them() -> None:
    engine = Engine(small_book(), MODEL)
    silent = ReadingInput("r", "fridge", "", None, "humidity_pct", 50.0, Quality.GOOD, at(0), at(0), late=False)
    assert engine.judge(1, [silent]) == [] and engine.changed() == []
