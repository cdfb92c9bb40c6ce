"""Planning reads, decoding tables, scheduling polls."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract.codec import decode_item, encode_payload
from adapters.contract.message import EventItem
from adapters.contract.vocabulary import Quality
from adapters.modbus.decode import MOST_PRESSES_TOLD, Decoder
from adapters.modbus.plan import Image, Span, plan_reads, wanted_spans
from adapters.modbus.schedule import Schedule
from adapters.profile.modbus import ModbusSection, Reads

spans = st.lists(
    st.builds(
        Span,
        st.sampled_from(["coil", "discrete", "input", "holding"]),
        st.integers(0, 5_000),
        st.integers(1, 2),
    ),
    max_size=60,
)


@given(spans, st.integers(2, 125), st.integers(2, 2_000), st.integers(0, 40))
def test_plan_fetches_everything_within_limits(wanted: list[Span], registers: int, bits: int, gap: int) -> None:
    planned = plan_reads(wanted, Reads(registers=registers, bits=bits, gap=gap))
    fetched = {(span.table, at) for span in planned for at in range(span.at, span.end)}
    for span in wanted:
        inside = [p for p in planned if p.table == span.table and p.at <= span.at and span.end <= p.end]
        assert inside, "a value is read in one piece"
    asked = {(span.table, at) for span in wanted for at in range(span.at, span.end)}
    for span in planned:
        assert span.count <= (bits if span.table in ("coil", "discrete") else registers)
        holes = [(span.table, at) not in asked for at in range(span.at, span.end)]
        assert not holes[0] and not holes[-1]
        assert (
            max((len(run) for run in "".join("x" if hole else " " for hole in holes).split()), default=0) <= gap
        )
    assert asked <= fetched


def test_neighbours_are_joined() -> None:
    row = [Span("holding", 101 + n, 1) for n in range(200)]
    assert plan_reads(row, Reads()) == [Span("holding", 101, 125), Span("holding", 226, 75)]
    assert plan_reads([Span("input", 0, 1), Span("input", 9, 1)], Reads(gap=8)) == [Span("input", 0, 10)]
    assert len(plan_reads([Span("input", 0, 1), Span("input", 10, 1)], Reads(gap=8))) == 2


def section(**parts: Any) -> ModbusSection:
    return ModbusSection.model_validate({"polls": {"p": 100}, **parts})


def reading(words: list[int], **extra: Any) -> tuple[float, Quality]:
    entry = {"point": "voltage_v", "table": "input", "at": 0, "poll": "p", **extra}
    out = Decoder("d", section(readings=[entry])).decode("p", {"input": dict(enumerate(words))}, 1)
    return out.found.readings[0].value, out.found.readings[0].quality


@pytest.mark.parametrize(
    ("words", "extra", "value"),
    [
        ([65_535], {"type": "u16"}, 65_535.0),
        ([65_535], {"type": "i16"}, -1.0),
        ([1, 2], {"type": "u32"}, 65_538.0),
        ([2, 1], {"type": "u32", "word_order": "little"}, 65_538.0),
        ([0xFFFF, 0xFFFE], {"type": "i32"}, -2.0),
        ([0x4148, 0], {"type": "f32"}, 12.5),
        ([231], {"scale": 0.1, "offset": -40}, -16.9),
    ],
)
def test_types(words: list[int], extra: dict[str, Any], value: float) -> None:
    assert reading(words, **extra) == (value, Quality.GOOD)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ([], {}),
        ([1], {"type": "u32"}),
        ([0x7FC0, 0], {"type": "f32"}),
        ([0x7F80, 0], {"type": "f32"}),
        ([32_768], {"invalid": [32_768]}),
    ],
)
def test_what_is_no_value_is_bad(words: list[int], extra: dict[str, Any]) -> None:
    value, quality = reading(
        words, **extra, limits=[{"kind": "environment.low", "active_from": 5, "clear_to": 10}]
    )
    assert math.isnan(value)
    assert quality is Quality.BAD


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_survives(value: float) -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    assert reading([high, low], type="f32")[0] == pytest.approx(value, rel=1e-9)


BUTTON = section(
    momentary=[
        {
            "kind": "panic.pressed",
            "poll": "p",
            "counter": {"table": "input", "at": 0},
            "latched": {"table": "discrete", "at": 0},
            "clear": {"table": "coil", "at": 0},
            "capture": "latched",
        }
    ]
)


class Button:
    """A button of a real module: its counter and its latch."""

    def __init__(self, presses: int = 0) -> None:
        self.counter = presses & 0xFFFF
        self.latched = False

    def press(self) -> None:
        self.counter = (self.counter + 1) & 0xFFFF
        self.latched = True

    @property
    def image(self) -> Image:
        return {"input": {0: self.counter}, "discrete": {0: int(self.latched)}}


@given(st.integers(0, 65_535), st.lists(st.sampled_from(["press", "poll", "clear fails", "torn"]), max_size=60))
def test_every_press_is_told_exactly_once(start: int, steps: list[str]) -> None:
    """Whatever the order of presses, polls, failed clears, and presses between a poll's two requests."""
    button, decoder = Button(start), Decoder("d", BUTTON)
    told: list[str] = []
    pressed: list[str] = []

    def poll(image: Image, *, clears: bool) -> None:
        out = decoder.decode("p", image, 1)
        for batch in (out.seen, out.found):
            told.extend(event.identity for event in batch.events)
            for latch in batch.latches:
                decoder.note_stored(latch)
                button.latched = button.latched and not clears
        if out.lingering and clears:
            button.latched = False

    poll(button.image, clears=True)
    since_poll = 0
    for step in [*steps, "poll", "poll"]:
        if step == "press" and since_poll < MOST_PRESSES_TOLD - 1:
            button.press()
            since_poll += 1
            pressed.append(str(button.counter))
        elif step == "torn":
            bits = button.image["discrete"]
            button.press()
            pressed.append(str(button.counter))
            poll({"discrete": bits, "input": button.image["input"]}, clears=True)
            since_poll = 0
        elif step != "press":
            poll(button.image, clears=step == "poll")
            since_poll = 0
    assert told == pressed
    assert not button.latched


def test_counter_that_jumps_tells_the_newest_and_how_many() -> None:
    decoder = Decoder("d", BUTTON)
    decoder.decode("p", {"input": {0: 10}, "discrete": {0: 0}}, 1)
    out = decoder.decode("p", {"input": {0: 110}, "discrete": {0: 1}}, 1)
    assert len(out.seen.events) == MOST_PRESSES_TOLD
    assert (out.seen.events[-1].identity, out.seen.events[-1].attributes) == ("110", {"missed": 84})


@given(
    st.dictionaries(
        st.sampled_from(["holding", "input", "coil", "discrete"]),
        st.dictionaries(st.integers(0, 200), st.integers(0, 65_535)),
    )
)
def test_any_image_gives_storable_events(image: Any) -> None:
    parts = section(
        conditions=[
            {
                "table": "holding",
                "at": 1,
                "repeat": {"count": 20},
                "programmed": 15,
                "poll": "p",
                "bits": {0: "fire.alarm"},
            },
            {"table": "coil", "at": 3, "kind": "door.opened", "inverted": True, "poll": "p"},
        ],
        changes=[
            {
                "kind": "fire.first_alarm",
                "table": "holding",
                "at": 0,
                "counter": {"table": "input", "at": 0},
                "poll": "p",
            }
        ],
        readings=[{"point": "voltage_v", "table": "input", "at": 5, "type": "f32", "poll": "p"}],
    )
    out = Decoder("d", parts).decode("p", image, 1)
    for event in [*out.found.events, *out.seen.events]:
        assert decode_item(encode_payload(EventItem([event]))) == EventItem([event])
    alarms = [event for event in out.found.events if event.kind == "fire.alarm" and event.active]
    assert len(alarms) == sum(
        w & 0x8001 == 0x8001 for at, w in image.get("holding", {}).items() if 1 <= at <= 20
    )


def test_a_thousand_detectors_are_three_lines_and_few_requests() -> None:
    panel = section(
        conditions=[
            {
                "table": "holding",
                "at": 0,
                "repeat": {"count": 1000},
                "poll": "p",
                "bits": {0: "fire.alarm", 1: "fire.fault"},
            }
        ]
    )
    assert len(plan_reads(wanted_spans(panel, "p"), panel.reads)) == 8


def test_urgent_poll_class_goes_first_when_both_are_late() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add(60.0, "slow", 0.0)
    schedule.add(0.2, "panic", 5.0)
    assert schedule.take(10.0).job == "panic"
    schedule.add(0.2, "panic", 10.2)
    assert schedule.take(10.1).job == "slow"
    assert schedule.take(10.1).at_s == 10.2
    with pytest.raises(IndexError):
        schedule.take(11.0)
