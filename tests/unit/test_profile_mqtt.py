"""Reading MQTT messages: values, times, identities, hostile payloads, speed."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract.codec import decode_item, encode_payload
from adapters.contract.message import MAX_RAW_BYTES, Command, EventItem
from adapters.contract.vocabulary import Quality
from adapters.mqtt.command import UnfitCommand, build_order
from adapters.mqtt.normalise import MessageReader, Normalised, Received
from adapters.mqtt.topic import TopicTable
from adapters.mqtt.value import take_number, take_time
from adapters.profile.mqtt import MqttMessage, MqttSection

EDGE_AT = 1_767_225_600_000_000
MESSAGE: dict[str, Any] = {
    "topic": "x/{address}/{channel}",
    "address": "{channel}",
    "identity": "meta.id",
    "observed_at": {"from": "meta.at", "format": "epoch_s"},
    "events": [
        {
            "from": "type",
            "codes": {
                "on": {"kind": "fire.alarm", "active": True},
                "off": {"kind": "fire.alarm", "active": False},
                "p": "panic.pressed",
            },
            "ignore": ["beat", ""],
            "attributes": {"who": "meta.who", "n": "list.1.n"},
        }
    ],
    "conditions": [{"kind": "door.opened", "from": "open", "active": [1], "inactive": [0]}],
    "readings": [
        {
            "point": "temperature_c",
            "from": "t",
            "scale": 0.1,
            "limits": [{"kind": "environment.low", "active_from": -5, "clear_to": 0}],
        }
    ],
}
READER = MessageReader(MqttMessage.model_validate(MESSAGE))


def read(payload: Any, *, retained: bool = False, edge_at: int = EDGE_AT) -> Normalised:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return READER.read(Received("dev", "x/dev/7", {"channel": "7"}, raw, retained, edge_at))


def test_paths_captures_and_forms() -> None:
    said = read(
        {
            "type": "on",
            "meta": {"id": 12, "at": 1767225599.25, "who": "h"},
            "list": [0, {"n": 5}],
            "open": 1,
            "t": -60,
        }
    )
    assert [(e.kind, e.active, e.address, e.identity) for e in said.events] == [
        ("fire.alarm", True, "7", "12"),
        ("door.opened", True, "7", ""),
        ("environment.low", True, "7", ""),
    ]
    assert said.events[0].attributes == {"who": "h", "n": 5}
    assert {e.observed_at for e in said.events} == {1_767_225_599_250_000}
    assert [(r.point, r.value, r.quality) for r in said.readings] == [("temperature_c", -6.0, Quality.GOOD)]


def test_code_itself_may_say_begin_or_end() -> None:
    assert [e.active for e in read({"type": "off"}).events] == [False]
    assert read({"type": "beat"}).events == []
    assert read({"type": ""}).events == []
    assert read({"type": None, "open": None, "t": None}) == Normalised([], [])
    assert read({}) == Normalised([], [])


def test_unknown_code_is_told_once_a_minute() -> None:
    first, again = read({"type": "what", "n": 1}), read({"type": "what", "n": 2}, edge_at=EDGE_AT + 1_000_000)
    later, other = read({"type": "what"}, edge_at=EDGE_AT + 61_000_000), read({"type": "other"})
    identities = [said.events[0].identity for said in (first, again, later, other)]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 3
    assert first.events[0].kind == "intake.unreadable"
    assert first.events[0].raw == b'{"type": "what", "n": 1}'


@pytest.mark.parametrize(
    ("value", "form", "at"),
    [
        ("2026-01-01T00:00:00Z", "iso8601", EDGE_AT),
        ("2026-01-01T08:00:00.5+08:00", "iso8601", EDGE_AT + 500_000),
        ("2026-01-01 00:00:00", "iso8601", None),
        ("yesterday", "iso8601", None),
        (1767225600, "iso8601", None),
        (1767225600, "epoch_s", EDGE_AT),
        ("1767225600000", "epoch_ms", EDGE_AT),
        (EDGE_AT, "epoch_us", EDGE_AT),
        (EDGE_AT, "epoch_s", None),
        (True, "epoch_s", None),
        (-1, "epoch_s", None),
        ("9999-12-31T23:59:59Z", "iso8601", None),
        ("0001-01-01T00:00:00+23:00", "iso8601", None),
        (None, "epoch_s", None),
    ],
)
def test_times(value: Any, form: str, at: int | None) -> None:
    assert take_time(value, form) == at


def test_numbers() -> None:
    assert [take_number(v) for v in (1, "100.00", 0.5, " 7 ")] == [1.0, 100.0, 0.5, 7.0]
    assert all(math.isnan(take_number(v)) for v in (True, "nan", "inf", 10**400, [], {}, "1,5", float("inf")))


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'"\\ud800"',
    b'{"type":"\\ud800", "t":NaN}',
    b'{"type":"a\\u0000b"}',
    b'{"meta":{"id":"\\u0000"},"type":"p"}',
    b'{"type":["p"],"open":{"a":1},"t":[1]}',
    b'{"type":1e999,"t":1e999}',
    b'{"t":' + b"9" * 5_000 + b"}",
    b'{"meta":{"id":' + b"9" * 400 + b',"who":' + b"9" * 30 + b'},"type":"p"}',
    b'{"meta":{"id":"' + b"x" * 5_000 + b'"},"type":"p"}',
    b"null",
    b"[]",
    b"7",
    b'{"type":"p","meta":[],"list":{"1":{"n":2}}}',
    b"x" * 1_000_000,
]


@pytest.mark.parametrize("payload", HOSTILE, ids=[str(n) for n in range(len(HOSTILE))])
def test_hostile_payload_gives_storable_events_or_none(payload: bytes) -> None:
    assert_storable(read(payload))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["p", "on", "off", "beat"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "meta", "id", "at", "who", "open", "t", "list", "n"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_gives_storable_events_or_none(document: Any) -> None:
    assert_storable(read(json.dumps(document).encode()))


@given(st.binary(max_size=200))
def test_any_bytes_give_storable_events_or_none(payload: bytes) -> None:
    assert_storable(read(payload))


def assert_storable(said: Normalised) -> None:
    """What came out crosses the wire unharmed, and no alarm was made of it that was not in it."""
    for event in said.events:
        assert decode_item(encode_payload(EventItem([event]))) == EventItem([event])
        assert len(event.raw) <= MAX_RAW_BYTES
    for reading in said.readings:
        assert math.isfinite(reading.value) == (reading.quality < Quality.BAD)


def test_topics_find_their_devices() -> None:
    table: TopicTable[str] = TopicTable()
    for n in range(500):
        table.add("campus/{address}/event", f"d{n}", f"event {n}")
        table.add("campus/{address}/door/{door}/state", f"d{n}", f"state {n}")
    table.add("campus/{address}/event", "d7", "twice")
    assert table.match("campus/d499/event") == [({}, "event 499")]
    assert table.match("campus/d7/event") == [({}, "event 7"), ({}, "twice")]
    assert table.match("campus/d3/door/1/state") == [({"door": "1"}, "state 3")]
    for stranger in ("campus/d500/event", "campus/d1", "campus/d1/event/x", "", "campus/d1/door//event"):
        assert table.match(stranger) == []
    assert len(table.filters) == 1000
    assert "campus/d3/door/+/state" in table.filters


def order_section(payload: Any) -> MqttSection:
    return MqttSection.model_validate(
        {
            "messages": [{"topic": "s/{address}", "conditions": [{"kind": "door.opened", "from": "x"}]}],
            "commands": [
                {
                    "kind": "camera.preset",
                    "topic": "c/{address}/{channel}",
                    "payload": payload,
                    "feedback": {"topic": "s/{address}", "expect": {"done": "{command}", "n": 1}},
                },
            ],
        }
    )


def test_order_is_filled_and_its_feedback_known() -> None:
    section = order_section({"go": "{parameters.preset}", "deep": [{"id": "{command}"}], "n": 1})
    command = Command("c-1", "dev", "2", "camera.preset", {"preset": 3}, 0, 0, 1)
    order = build_order(section, section.commands[0], command, "cam")
    assert (order.topic, order.feedback_topic) == ("c/cam/2", "s/cam")
    assert msgspec.json.decode(order.payload) == {"go": "3", "deep": [{"id": "c-1"}], "n": 1}
    assert order.is_confirmed_by("s/cam", b'{"done":"c-1","n":1}')
    for topic, payload in (
        ("s/cam", b'{"done":"c-2","n":1}'),
        ("s/cam", b'{"done":"c-1"}'),
        ("s/cam", b"{"),
        ("s/other", b'{"done":"c-1","n":1}'),
    ):
        assert not order.is_confirmed_by(topic, payload)


def test_unfit_command_is_refused() -> None:
    section = order_section("{parameters.preset}")
    for command in (
        Command("c", "dev", "2", "camera.preset", {}, 0, 0, 1),
        Command("c", "dev", "#", "camera.preset", {"preset": 1}, 0, 0, 1),
    ):
        with pytest.raises(UnfitCommand):
            build_order(section, section.commands[0], command, "cam")
