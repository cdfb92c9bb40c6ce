"""Readings that could change nothing are not fed to the rules, and nothing is judged differently for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract.codec import encode_payload
from adapters.contract.message import ReadingColumns, pack_readings
from adapters.contract.vocabulary import Lane, Quality
from hub.domain.judgement import Quiet, ReadingInput
from hub.domain.moment import microseconds
from hub.intake.parcel import Parcel
from hub.intake.series import SeriesBook
from hub.intake.unpack import Origin, take_item
from hub.rules.engine import Engine
from tests.ruling import MODEL, START, event, rules_of, tick

HEAD = "name: {zh: 规则, en: rule}, why: a test needs it"
OUT = "alarm: {priority: high, owner_post: security-room, response: {zh: 去看, en: look}"
RULES = f"""
- {{rule: warm, kind: threshold, {HEAD}, point: temperature_c, above: 8, clear: 6,
   {OUT}, kind: environment.high}}}}
- {{rule: cold, kind: threshold, {HEAD}, point: temperature_c, below: 0, clear: 1,
   {OUT}, kind: environment.low}}}}
- {{rule: warm-long, kind: held, {HEAD}, point: temperature_c, above: 9, clear: 5, for: 20s,
   {OUT}, kind: environment.high, condition: rule}}}}
- {{rule: damp, kind: threshold, {HEAD}, point: humidity_pct, above: 80, clear: 60,
   {OUT}, kind: environment.high}}}}
"""
SERIES = [
    ("fridge", "", "temperature_c"),
    ("fridge", "", "humidity_pct"),
    ("fridge", "1", "temperature_c"),
    ("fridge", "", "battery_pct"),
]


class Listening(Engine):
    """The engine as it is, but nothing is quiet to it: every reading is fed."""

    def quiet(self, device: str, address: str, point: str) -> Quiet | None:
        return None


VALUES = st.one_of(
    st.sampled_from([-1.0, 0.0, 1.0, 4.0, 6.0, 8.0, 8.5, 9.0, 9.5, 60.0, 80.0, 81.0, float("nan")])
)
READINGS = st.tuples(
    st.integers(0, len(SERIES) - 1), st.integers(0, 3), VALUES, st.sampled_from([*Quality] + [Quality.GOOD] * 6)
)
STEPS = st.one_of(
    st.lists(st.lists(READINGS, min_size=1, max_size=6), min_size=1, max_size=3),
    st.sampled_from(["tick", "offline", "online"]),
)


def take(engine: Engine, steps: list[Any]) -> tuple[list[Any], int]:
    """Judge parcel by parcel; what came out of it, and how many readings were fed."""
    book = SeriesBook(MODEL, engine, {}, set(), b"")
    told: list[Any] = []
    fed = 0
    for number, step in enumerate(steps, start=1):
        at_s = 5.0 * number
        now = START + timedelta(seconds=at_s)
        parcel = Parcel("school", now, "telemetry")
        if step == "tick":
            parcel.inputs.append(tick(at_s))
        elif isinstance(step, str):
            parcel.inputs.append(event("device.offline", "fridge", at_s, active=step == "offline"))
        else:
            for place, item in enumerate(step):
                now_us = microseconds(now)
                columns = ReadingColumns(
                    np.array([each[0] for each in item], np.uint16),
                    np.array([now_us - 1_000_000 * each[1] for each in item], np.int64),
                    np.array([each[2] for each in item], np.float64),
                    np.array([int(each[3]) for each in item], np.uint8),
                )
                data = encode_payload(pack_readings(now_us, SERIES, columns))
                take_item(parcel, book, Origin("edge", 1, Lane.TELEMETRY, 10 * number + place, 0, 0), data)
        fed += sum(isinstance(each, ReadingInput) for each in parcel.inputs)
        told.append((engine.judge(number, parcel.inputs), engine.changed(), engine.next_timer()))
    return told, fed


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_not_feeding_what_is_quiet_changes_nothing(steps: list[Any]) -> None:
    rules = rules_of(RULES)
    quietly, few = take(Engine(rules, MODEL), steps)
    all_of_it, many = take(Listening(rules, MODEL), steps)
    assert repr(quietly) == repr(all_of_it)  # NaN is equal to itself only in words
    assert few <= many


def test_most_readings_are_quiet() -> None:
    calm = [[[(0, 0, 4.0, Quality.GOOD), (1, 0, 50.0, Quality.GOOD)]]] * 10
    rules = rules_of(RULES)
    assert take(Engine(rules, MODEL), calm)[1] == 0
    assert take(Listening(rules, MODEL), calm)[1] == 20
