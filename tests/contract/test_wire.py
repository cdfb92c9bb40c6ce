"""The wire between edge and hub: what is written is read back, and nothing malformed gets through."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import math
import struct
import zlib
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from adapters.contract import codec, message
from adapters.contract.error import (
    BadSignature,
    MalformedFrame,
    MalformedItem,
    MalformedPayload,
    UnknownVersion,
    WireError,
)
from adapters.contract.message import (
    Command,
    Direction,
    Event,
    EventItem,
    GapRequest,
    Header,
    Heartbeat,
    Items,
    LaneStatus,
    ReadingColumns,
    ReadingsItem,
    Receipt,
    ResultItem,
    Settings,
    SettingsPart,
    Tombstone,
    Type,
    pack_readings,
    unpack_readings,
)
from adapters.contract.settings import SettingsPuzzle, split_settings
from adapters.contract.topic import (
    Sender,
    down_filter,
    down_topic,
    heartbeat_topic,
    lane_topic,
    read_topic,
    up_filter,
)
from adapters.contract.vocabulary import KINDS, Lane, Quality

KEY = codec.derive_key(b"r" * 32, 1)
names = st.from_regex(r"\A[a-z0-9][a-z0-9_.-]{0,20}\Z")
u64 = st.integers(0, 2**64 - 1)
headers = st.builds(
    Header,
    site=names,
    edge=names,
    type=st.sampled_from([int(t) for t in Type]),
    direction=st.sampled_from(Direction),
    lane=st.none() | st.sampled_from(Lane),
    epoch=u64,
    first=u64,
    count=st.integers(0, 2**32 - 1),
    key_number=st.integers(0, 2**16 - 1),
    version=st.just(codec.VERSION),
)
# No surrogates: MessagePack texts are UTF-8. U+0000 is refused on purpose and tested below.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
attributes = st.dictionaries(
    texts, texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), max_size=4
)
times = st.integers(-(2**63), 2**63 - 1)


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return Event(
        device=draw(names),
        address=draw(texts),
        kind=kind,
        active=draw(st.booleans()) if KINDS[kind].condition else None,
        observed_at=draw(st.none() | times),
        edge_at=draw(times),
        attributes=draw(attributes),
        raw=draw(st.binary(max_size=100)),
        identity=draw(texts),
        replayed=draw(st.booleans()),
    )


event_items = st.builds(EventItem, st.lists(events(), max_size=4))
results = st.builds(
    ResultItem, command=texts, state=st.sampled_from(["accepted", "confirmed"]), detail=texts, edge_at=times
)


def a_header(**changed: Any) -> Header:
    values: dict[str, Any] = {
        "site": "demo-school",
        "edge": "demo-edge",
        "type": Type.ITEMS,
        "direction": Direction.UP,
        "lane": Lane.ALARM,
        "epoch": 7,
        "first": 1,
        "count": 1,
        "key_number": 1,
        "version": codec.VERSION,
    }
    return Header(**{**values, **changed})


def an_event(**changed: Any) -> Event:
    values: dict[str, Any] = {
        "device": "gate",
        "address": "",
        "kind": "panic.pressed",
        "active": None,
        "observed_at": None,
        "edge_at": 1,
    }
    return Event(**{**values, **changed})


@given(headers, st.binary(max_size=300))
def test_frame_round_trip(header: Header, payload: bytes) -> None:
    frame = codec.seal(header, payload, KEY)
    assert codec.open_frame(frame, KEY) == (header, payload)
    assert codec.read_header(frame)[0] == header


@given(headers, st.binary(max_size=60), st.data())
def test_any_changed_byte_is_noticed(header: Header, payload: bytes, data: st.DataObject) -> None:
    frame = bytearray(codec.seal(header, payload, KEY))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((MalformedFrame, BadSignature)):
        codec.open_frame(bytes(frame), KEY)


@given(headers, st.binary(max_size=60), st.data())
def test_cut_or_lengthened_frame_is_noticed(header: Header, payload: bytes, data: st.DataObject) -> None:
    frame = codec.seal(header, payload, KEY)
    cut = data.draw(st.integers(0, len(frame) - 1))
    for changed in (frame[:cut], frame + b"\0", frame[cut:] if cut else b""):
        with pytest.raises((MalformedFrame, BadSignature)):
            codec.open_frame(changed, KEY)


@given(st.binary(max_size=200))
@example(b"SF" + b"\0" * 100)
@example(b"SF" + b"\xff" * 100)
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((MalformedFrame, BadSignature)):
        codec.open_frame(data, KEY)


@given(headers)
def test_another_key_another_number_another_secret(header: Header) -> None:
    frame = codec.seal(header, b"x", KEY)
    for key in (codec.derive_key(b"r" * 32, 2), codec.derive_key(b"s" * 32, 1), bytes(32)):
        with pytest.raises(BadSignature):
            codec.open_frame(frame, key)


def test_header_layout_is_fixed_for_ever() -> None:
    """The bytes of version 1, written out: a newer program must read them, an older one must read its."""
    head = codec.encode_header(a_header(epoch=0x0102030405060708, first=9, count=10, key_number=3))
    assert head == (
        b"SF"
        + bytes([1, 0, 1, 1])
        + b"\0\3"
        + bytes(range(1, 9))
        + (9).to_bytes(8, "big")
        + (10).to_bytes(4, "big")
        + bytes([11, 9])
        + b"demo-school"
        + b"demo-edge"
    )
    key = codec.derive_key(b"\x0b" * 22, 1)
    extracted = hmac.new(bytes(32), b"\x0b" * 22, hashlib.sha256).digest()
    assert key == hmac.new(extracted, b"sanfang mac 1\x01", hashlib.sha256).digest()


def test_newer_version_is_held_only_when_proved() -> None:
    header = a_header(version=9, type=77)
    frame = codec.seal(header, b"whatever", KEY)
    assert codec.read_header(frame)[0] == header
    with pytest.raises(UnknownVersion):
        codec.open_frame(frame, KEY)
    with pytest.raises(BadSignature):
        codec.open_frame(frame[:-1] + b"x", KEY)


@pytest.mark.parametrize("name", ["", "A", "a\n", "a/b", "a b", "学校", "x" * 64, "+", "#", ".a", "-a"])
def test_a_name_that_is_none_is_neither_sent_nor_taken(name: str) -> None:
    with pytest.raises(ValueError):
        codec.seal(a_header(edge=name), b"", KEY)
    if len(name.encode()) < 64:
        forged = codec.encode_header(a_header())[:28]
        forged = forged[:-2] + bytes([len(name.encode()), 1]) + name.encode() + b"e"
        with pytest.raises(MalformedFrame):
            codec.read_header(forged + bytes(32))


def test_oversized_frame_is_refused_unread() -> None:
    with pytest.raises(MalformedFrame):
        codec.read_header(b"SF" + bytes(codec.MAX_FRAME_BYTES))


@given(event_items | results)
def test_item_round_trip(item: EventItem | ResultItem) -> None:
    data = codec.encode_payload(item)
    assume(len(data) <= message.MAX_EVENT_BYTES)
    assert codec.decode_item(data) == item


@given(st.binary(max_size=300))
def test_any_bytes_are_an_item_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedItem):
        codec.decode_item(data)


@given(event_items, st.data())
def test_a_changed_item_is_an_item_or_refused(item: EventItem, data: st.DataObject) -> None:
    raw = bytearray(codec.encode_payload(item))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        taken = codec.decode_item(bytes(raw))
    except MalformedItem:
        return
    for event in taken.events if isinstance(taken, EventItem) else []:
        assert event.kind in KINDS
        assert (event.active is not None) == KINDS[event.kind].condition


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "panic.presed"}, "not in the vocabulary"),
        ({"active": True}, "does not fit"),
        ({"kind": "fire.alarm"}, "does not fit"),
        ({"device": "Gate 1"}, "not a name"),
        ({"device": "gate\n"}, "not a name"),
        ({"address": "a\0b"}, "U+0000"),
        ({"identity": "\0"}, "U+0000"),
        ({"attributes": {"x\0": 1}}, "U+0000"),
        ({"attributes": {"x": "\0"}}, "U+0000"),
        ({"raw": b"x" * message.MAX_EVENT_BYTES}, "65536 at most"),
    ],
)
def test_event_that_breaks_a_limit_is_refused_alone(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(MalformedItem) as caught:
        codec.decode_item(codec.encode_payload(EventItem([an_event(**changed)])))
    assert words in caught.value.detail


def test_raw_bytes_may_hold_anything() -> None:
    item = EventItem([an_event(raw=bytes(range(256)))])
    assert codec.decode_item(codec.encode_payload(item)) == item


def test_deeply_nested_and_oversized_items_are_refused() -> None:
    for data in (
        b"\x91" * 100_000,
        b"\x81\x01" * 60_000,
        bytes(message.MAX_ITEM_BYTES + 1),
        b"\xdd\xff\xff\xff\xff",
    ):
        with pytest.raises(MalformedItem):
            codec.decode_item(data)


rows = st.lists(
    st.tuples(st.integers(0, 3), times, st.floats(), st.sampled_from([int(q) for q in Quality])),
    max_size=50,
)


@given(rows)
def test_readings_round_trip_and_nan_is_bad(table: list[tuple[int, int, float, int]]) -> None:
    columns = ReadingColumns(
        np.array([row[0] for row in table], np.uint16),
        np.array([row[1] for row in table], np.int64),
        np.array([row[2] for row in table], np.float64),
        np.array([row[3] for row in table], np.uint8),
    )
    series = [("d", "", point) for point in ("a", "b", "c", "d")]
    item = codec.decode_item(codec.encode_payload(pack_readings(5, series, columns)))
    assert isinstance(item, ReadingsItem)
    read = unpack_readings(item)
    assert (item.edge_at, item.series) == (5, series)
    assert read.index.tolist() == [row[0] for row in table]
    assert read.observed_at.tolist() == [row[1] for row in table]
    for row, value, quality in zip(table, read.value.tolist(), read.quality.tolist(), strict=True):
        assert struct.pack("<d", value) == struct.pack("<d", row[2])
        assert quality == (max(row[3], Quality.BAD) if not math.isfinite(row[2]) else row[3])


@pytest.mark.parametrize(
    "changed",
    [
        {"index": b"\1\0"},
        {"quality": b"\5"},
        {"quality": b"\0\0"},
        {"index": b"\0"},
        {"value": b""},
        {"observed_at": bytes(7)},
        {"series": []},
    ],
)
def test_readings_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "edge_at": 1,
        "series": [("d", "", "p")],
        "index": b"\0\0",
        "observed_at": bytes(8),
        "value": bytes(8),
        "quality": b"\0",
    }
    unpack_readings(ReadingsItem(**good))
    with pytest.raises(ValueError):
        unpack_readings(ReadingsItem(**{**good, **changed}))


PAYLOADS: list[msgspec.Struct] = [
    Items(1, [0, message.AGE_UNKNOWN], [b"a", b"b"]),
    Tombstone(5, "disk full", 7),
    Heartbeat(1, 2, 3, [LaneStatus(1, 2, 3, 4, 5)], 6, "no", 7, {"x": 1}, "0.1"),
    Receipt(1, 2, [(3, 1, 4)]),
    GapRequest(1, 2, 3),
    Command("c", "d", "", "door.release", {"a": 1, "b": True, "c": 0.5, "d": "x"}, 1, 2, 3, "why"),
    SettingsPart(1, 1, 1, 1, b"d", b"x"),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=[type(p).__name__ for p in PAYLOADS])
def test_payload_round_trip_and_older_and_newer_shapes(payload: msgspec.Struct) -> None:
    data = codec.encode_payload(payload)
    assert codec.decode_payload(data, type(payload)) == payload
    fields = msgspec.msgpack.decode(data)
    # A newer program has more fields at the end: they are ignored.
    assert codec.decode_payload(msgspec.msgpack.encode([*fields, "new"]), type(payload)) == payload
    with pytest.raises(MalformedPayload):
        codec.decode_payload(msgspec.msgpack.encode(fields[:1]), type(payload))


@given(st.sampled_from([type(p) for p in PAYLOADS]), st.binary(max_size=100))
def test_any_bytes_are_a_payload_or_refused(shape: type[msgspec.Struct], data: bytes) -> None:
    with contextlib.suppress(MalformedPayload):
        codec.decode_payload(data, shape)


@given(names, names, st.sampled_from(Lane))
def test_topics_round_trip(site: str, edge: str, lane: Lane) -> None:
    sender = Sender(site, edge)
    assert read_topic(lane_topic(sender, lane)) == (sender, "up", lane.name.lower())
    assert read_topic(heartbeat_topic(sender)) == (sender, "up", "heartbeat")
    assert read_topic(down_topic(sender, "receipt")) == (sender, "down", "receipt")
    assert down_filter(sender).removesuffix("+") == down_topic(sender, "")
    assert up_filter("alarm", site) == f"sanfang/{site}/+/up/alarm"


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["sanfang", "a", "up", "down", "+", "#", ""]), max_size=7).map("/".join)
)
def test_strange_topics_are_none_of_ours(topic: str) -> None:
    found = read_topic(topic)
    if found is not None:
        sender, direction, _ = found
        assert topic.split("/")[:4] == ["sanfang", sender.site, sender.edge, direction]


def test_each_wire_error_has_its_own_code() -> None:
    codes = [error.code for error in (WireError, *WireError.__subclasses__())]
    assert len(codes) == len(set(codes))


def test_items_are_compressed_where_it_pays_and_only_then() -> None:
    plain = Items(1, [0], [b"\x01\x02"])
    assert codec.encode_items(plain)[0] is Type.ITEMS
    noise = Items(1, [0], [bytes(np.random.default_rng(1).integers(0, 256, 5_000, "u1"))])
    assert codec.encode_items(noise)[0] is Type.ITEMS
    alike = Items(1, [0] * 50, [b"a reading like any other" * 10] * 50)
    kind, payload = codec.encode_items(alike)
    assert kind is Type.ITEMS_PACKED and len(payload) < 1_000
    for items in (plain, noise, alike):
        assert codec.decode_items(*codec.encode_items(items)) == items


def test_a_small_message_cannot_fill_the_memory() -> None:
    bomb = zlib.compress(b"\0" * (codec.MAX_UNPACKED_BYTES + 1), 9)
    assert len(bomb) < 10_000
    for payload in (bomb, bomb[:100], b"", b"no zlib"):
        with pytest.raises(MalformedPayload):
            codec.decode_items(Type.ITEMS_PACKED, payload)


def campus_document(devices: int) -> bytes:
    """Settings of a large edge, as the hub makes them."""
    entries = [
        {
            "device": f"building-{n % 40}-smoke-{n}",
            "family": "fire_alarm",
            "connection": f"bus-{n % 25}",
            "profile": "fire-panel-modbus",
            "address": str(n),
            "addresses": [],
            "parameters": {"unit": n % 247, "limit": n % 17},
            "writes": [],
        }
        for n in range(devices)
    ]
    return json.dumps({"site": "s", "edge": "e", "devices": entries}).encode()


@given(st.randoms(use_true_random=False))
def test_settings_of_twenty_thousand_devices_travel_in_parts_that_fit_a_frame(random: Random) -> None:
    whole = Settings(7, 3, _LARGE)
    parts = split_settings(whole)
    assert all(len(codec.encode_payload(part)) < codec.MAX_FRAME_BYTES - 512 for part in parts)
    shuffled = [*parts, *random.choices(parts, k=2)]
    random.shuffle(shuffled)
    puzzle = SettingsPuzzle()
    puzzle.take(SettingsPart(6, 3, 1, 2, b"older", b"x"))
    found = [made for part in shuffled if (made := puzzle.take(part)) is not None]
    assert found and set(found) == {whole}


def test_parts_that_do_not_make_what_they_say_are_refused() -> None:
    part = split_settings(Settings(7, 3, b"{}"))[0]
    bomb = zlib.compress(b"\0" * 70_000_000, 9)
    for wrong in (
        msgspec.structs.replace(part, digest=b"other"),
        msgspec.structs.replace(part, data=b"no zlib"),
        msgspec.structs.replace(part, data=bomb),
        msgspec.structs.replace(part, part=0),
        msgspec.structs.replace(part, part=2),
        msgspec.structs.replace(part, parts=1_000),
    ):
        with pytest.raises(MalformedPayload):
            SettingsPuzzle().take(wrong)


_LARGE = campus_document(20_000)
