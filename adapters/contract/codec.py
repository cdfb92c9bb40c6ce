"""Frames: fixed header, payload, MAC. The MAC covers header and payload and proves the sender.

Keys derive from the root secret of an edge: key n = HKDF-SHA256(root, info="sanfang mac n").
The frame is `header ‖ MAC(32) ‖ payload`.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from adapters.contract.error import (
    BadSignature,
    MalformedFrame,
    MalformedItem,
    MalformedPayload,
    UnknownVersion,
)
from adapters.contract.message import (
    MAX_EVENT_BYTES,
    MAX_ITEM_BYTES,
    Attribute,
    Direction,
    EventItem,
    Header,
    Item,
    Items,
    ReadingsItem,
    Type,
)
from adapters.contract.topic import NAME
from adapters.contract.vocabulary import KINDS, Lane

VERSION: Final = 1
MAX_FRAME_BYTES: Final = 262_144
"""A frame is never larger; brokers are configured to carry this much."""
MAX_UNPACKED_BYTES: Final = 8 * 1024 * 1024
"""What a compressed message may unpack to."""
_PACKED_FROM: Final = 512
"""Shorter payloads go as they are: a live alarm has nothing to save."""
_MAGIC: Final = b"SF"
_FIXED: Final = struct.Struct(">2sBBBBHQQIBB")
_MAC_BYTES: Final = 32
_MOST_NAME: Final = 63

_T = TypeVar("_T")
_item_decoder: Final[msgspec.msgpack.Decoder[Item]] = msgspec.msgpack.Decoder(Item)
_encoder: Final = msgspec.msgpack.Encoder()


def derive_key(root_secret: bytes, key_number: int) -> bytes:
    """The MAC key of a number (HKDF-SHA256, RFC 5869, one block, empty salt)."""
    extracted = hmac.digest(b"\0" * 32, root_secret, "sha256")
    return hmac.digest(extracted, f"sanfang mac {key_number}".encode() + b"\x01", "sha256")


def encode_header(header: Header) -> bytes:
    """The header's bytes; raises ValueError for names that are none."""
    for name in (header.site, header.edge):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name")
    site, edge = header.site.encode(), header.edge.encode()
    lane = int(header.lane) if header.lane is not None else 0
    fixed = _FIXED.pack(
        _MAGIC,
        header.version,
        int(header.direction),
        int(header.type),
        lane,
        header.key_number,
        header.epoch,
        header.first,
        header.count,
        len(site),
        len(edge),
    )
    return fixed + site + edge


def seal(header: Header, payload: bytes, key: bytes) -> bytes:
    """A signed frame."""
    head = encode_header(header)
    return head + _mac(key, head, payload) + payload


def read_header(frame: bytes) -> tuple[Header, int]:
    """The header and its length, before anything is verified.

    The layout is the same in all versions, so a newer version is read here and refused in `open_frame`.
    Raises MalformedFrame.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise MalformedFrame(f"{len(frame)} bytes; {MAX_FRAME_BYTES} at most")
    if len(frame) < _FIXED.size + _MAC_BYTES:
        raise MalformedFrame(f"{len(frame)} bytes are too few for a frame")
    magic, version, direction, kind, lane, key_number, epoch, first, count, site_length, edge_length = (
        _FIXED.unpack_from(frame)
    )
    if magic != _MAGIC:
        raise MalformedFrame("does not begin with SF")
    length = _FIXED.size + site_length + edge_length
    if len(frame) < length + _MAC_BYTES:
        raise MalformedFrame("shorter than its own names say")
    try:
        site = frame[_FIXED.size : _FIXED.size + site_length].decode("ascii")
        edge = frame[_FIXED.size + site_length : length].decode("ascii")
        header = Header(
            site=site,
            edge=edge,
            type=kind,
            direction=Direction(direction),
            lane=Lane(lane) if lane else None,
            epoch=epoch,
            first=first,
            count=count,
            key_number=key_number,
            version=version,
        )
    except ValueError as error:
        raise MalformedFrame(str(error)) from None
    if not NAME.fullmatch(site) or not NAME.fullmatch(edge):
        raise MalformedFrame(f"sender {site!r}/{edge!r} is not a name")
    return header, length


def open_frame(frame: bytes, key: bytes) -> tuple[Header, bytes]:
    """Verify a frame and return its header and payload.

    Raises MalformedFrame, BadSignature, or UnknownVersion (only after the MAC proved the sender:
    an unproved stranger cannot hold a lane).
    """
    header, length = read_header(frame)
    payload = frame[length + _MAC_BYTES :]
    if not hmac.compare_digest(_mac(key, frame[:length], payload), frame[length : length + _MAC_BYTES]):
        raise BadSignature(f"{header.site}/{header.edge}, key {header.key_number}")
    if header.version != VERSION:
        raise UnknownVersion(f"version {header.version}; this program speaks {VERSION}")
    return header, payload


def encode_payload(payload: msgspec.Struct) -> bytes:
    """A payload's or an item's bytes."""
    return _encoder.encode(payload)


def decode_payload(data: bytes, shape: type[_T]) -> _T:
    """A payload of the given shape; raises MalformedPayload."""
    try:
        return msgspec.msgpack.decode(data, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise MalformedPayload(f"{shape.__name__}: {error}") from None


def encode_items(items: Items) -> tuple[Type, bytes]:
    """The payload of a message of items, and its type: compressed where that saves a third and more."""
    plain = _encoder.encode(items)
    if len(plain) >= _PACKED_FROM:
        packed = zlib.compress(plain, 1)
        if 3 * len(packed) <= 2 * len(plain):
            return Type.ITEMS_PACKED, packed
    return Type.ITEMS, plain


def decode_items(kind: int, payload: bytes) -> Items:
    """The items of a message of that type; raises MalformedPayload, also for what unpacks to more than
    `MAX_UNPACKED_BYTES`.
    """
    if kind == Type.ITEMS_PACKED:
        unpacker = zlib.decompressobj()
        try:
            payload = unpacker.decompress(payload, MAX_UNPACKED_BYTES)
        except zlib.error as error:
            raise MalformedPayload(f"Items: {error}") from None
        if not unpacker.eof:
            raise MalformedPayload(f"Items: cut off, or more than {MAX_UNPACKED_BYTES} bytes when unpacked")
    return decode_payload(payload, Items)


def decode_item(data: bytes) -> Item:
    """One item; raises MalformedItem for what does not decode, is too large or breaks the vocabulary."""
    if len(data) > MAX_ITEM_BYTES:
        raise MalformedItem(f"{len(data)} bytes; {MAX_ITEM_BYTES} at most")
    try:
        item = _item_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise MalformedItem(str(error)) from None
    if b"\0" in data and _has_nul(item):  # a number may hold the byte as well
        raise MalformedItem("a text holds U+0000, which no store can keep")
    if isinstance(item, EventItem):
        if len(data) > MAX_EVENT_BYTES:
            raise MalformedItem(f"{len(data)} bytes; {MAX_EVENT_BYTES} at most for events")
        for event in item.events:
            kind = KINDS.get(event.kind)
            if kind is None:
                raise MalformedItem(f"kind: {event.kind!r} is not in the vocabulary")
            if kind.condition != (event.active is not None):
                raise MalformedItem(f"active: {event.active!r} does not fit {event.kind}")
            if len(event.device) > _MOST_NAME or not _is_name(event.device):
                raise MalformedItem(f"device: {event.device[:80]!r} is not a name")
    return item


def _has_nul(item: Item) -> bool:
    if isinstance(item, EventItem):
        for event in item.events:
            # Name and kind are held against what is allowed there; most events have no further texts.
            if "\0" in event.identity or "\0" in event.address:
                return True
            if event.attributes and _any_nul([*event.attributes, *event.attributes.values()]):
                return True
        return any(
            _any_nul([reflex.rule, reflex.device, reflex.address, *reflex.evidence])
            or _any_nul([*reflex.parameters, *reflex.parameters.values()])
            for reflex in item.reflexes
        )
    if isinstance(item, ReadingsItem):
        return any(_any_nul(series) for series in item.series)
    return _any_nul((item.command, item.state, item.detail))


def _any_nul(texts: Iterable[Attribute]) -> bool:
    return any(isinstance(text, str) and "\0" in text for text in texts)


@lru_cache(maxsize=20_000)
def _is_name(text: str) -> bool:
    """The same few thousand devices speak again and again; what is too long for a name is not asked here."""
    return NAME.fullmatch(text) is not None


def _mac(key: bytes, head: bytes, payload: bytes) -> bytes:
    mac = hmac.new(key, head, hashlib.sha256)
    mac.update(payload)
    return mac.digest()
