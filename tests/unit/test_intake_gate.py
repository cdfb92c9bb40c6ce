"""Nobody is believed who does not prove to be who he says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.contract.codec import decode_payload, derive_key, open_frame
from adapters.contract.message import Receipt, Type
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.intake.gate import Doubt, Gate, Message, Refusal
from hub.intake.inbox import Arrival
from hub.store.site import EdgeKey
from tests.intake_scene import EDGE, ROOT_SECRET, SENDER, SITE, event, frame, items_frame, pack_event

KEYS = {(SITE, EDGE): EdgeKey(ROOT_SECRET, 1)}
GOOD = items_frame(Lane.ALARM, 1, [pack_event(event("panic.pressed", "gate-button"))])


def admit(
    data: bytes, what: str = "alarm", sender: Sender = SENDER, gate: Gate | None = None
) -> Message | Refusal:
    gate = gate or Gate(lambda: KEYS)
    return gate.admit(Arrival(sender, what, data, datetime.now(UTC)))


def doubt(data: bytes, what: str = "alarm", sender: Sender = SENDER) -> Doubt | None:
    opened = admit(data, what, sender)
    return opened.doubt if isinstance(opened, Refusal) else None


def test_a_proved_frame_is_opened() -> None:
    opened = admit(GOOD)
    assert isinstance(opened, Message)
    assert (opened.header.epoch, opened.header.first, opened.header.count) == (7, 1, 1)


@pytest.mark.parametrize("where", [0, 9, 30, 45, 70, -1])
def test_a_flipped_bit_anywhere_is_found(where: int) -> None:
    data = bytearray(GOOD)
    data[where] ^= 1
    assert doubt(bytes(data)) is Doubt.UNVERIFIED


@pytest.mark.parametrize("data", [b"", b"SF", GOOD[:40], b"x" * 300_000])
def test_what_is_no_frame_proves_nothing(data: bytes) -> None:
    assert doubt(data) is Doubt.UNVERIFIED


def test_another_edges_frame_on_this_edges_topic_is_not_believed() -> None:
    assert doubt(GOOD, sender=Sender(SITE, "other-edge")) is Doubt.UNVERIFIED


def test_a_key_older_than_the_known_one_is_refused() -> None:
    gate = Gate(lambda: {(SITE, EDGE): EdgeKey(ROOT_SECRET, 2)})
    opened = admit(GOOD, gate=gate)
    assert isinstance(opened, Refusal)
    assert opened.doubt is Doubt.UNVERIFIED


def test_a_newer_version_is_told_apart_only_once_it_is_proved() -> None:
    payload = b"from the future"
    newer = frame(Type.ITEMS, payload, lane=Lane.ALARM, first=1, count=1, version=2)
    assert doubt(newer) is Doubt.INCOMPATIBLE
    forged = frame(Type.ITEMS, payload, lane=Lane.ALARM, first=1, count=1, version=2, secret=b"x" * 32)
    assert doubt(forged) is Doubt.UNVERIFIED


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (GOOD, "telemetry"),
        (GOOD, "heartbeat"),
        (frame(Type.HEARTBEAT, b"", lane=None), "alarm"),
        (frame(Type.RECEIPT, b"", lane=Lane.ALARM, first=1, count=1), "alarm"),
        (frame(Type.ITEMS, b"", lane=Lane.ALARM, first=0, count=1), "alarm"),
        (frame(Type.ITEMS, b"", lane=Lane.ALARM, first=1, count=0), "alarm"),
        (frame(Type.ITEMS, b"", lane=Lane.ALARM, first=2**63 - 1, count=5), "alarm"),
        (frame(Type.ITEMS, b"", lane=Lane.ALARM, first=1, count=1, epoch=2**63), "alarm"),
        (frame(99, b"", lane=Lane.ALARM, first=1, count=1), "alarm"),  # type: ignore[arg-type]
    ],
)
def test_a_proved_frame_must_also_be_in_its_place(data: bytes, what: str) -> None:
    assert doubt(data, what) is Doubt.MISPLACED


def test_keys_are_read_anew_for_an_edge_just_enrolled_but_not_for_every_stranger() -> None:
    loads = 0

    def load() -> dict[tuple[str, str], EdgeKey]:
        nonlocal loads
        loads += 1
        return KEYS if loads > 1 else {}

    gate = Gate(load)
    gate.reload()
    assert isinstance(admit(GOOD, gate=gate), Message)
    for _ in range(100):
        admit(GOOD, sender=Sender(SITE, "stranger"), gate=gate)
    assert loads <= 4


def test_what_goes_down_is_sealed_for_the_edge() -> None:
    gate = Gate(lambda: KEYS)
    gate.reload()
    what, data = gate.seal(SENDER, Receipt(5, 0, [(7, 1, 3)]))
    header, payload = open_frame(data, derive_key(ROOT_SECRET, 1))
    assert (what, header.type, header.site, header.edge) == ("receipt", Type.RECEIPT, SITE, EDGE)
    assert decode_payload(payload, Receipt).cursors == [(7, 1, 3)]
