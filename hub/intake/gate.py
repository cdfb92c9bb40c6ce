"""Who is speaking: every frame proves its sender before anything in it is believed (invariant 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from adapters.contract.codec import VERSION, derive_key, encode_payload, open_frame, read_header, seal
from adapters.contract.error import BadSignature, UnknownVersion, WireError
from adapters.contract.message import Command as WireCommand
from adapters.contract.message import Direction, GapRequest, Header, Receipt, SettingsPart, Type
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.clock import steady_s
from hub.intake.inbox import ALARM, HEARTBEAT, TELEMETRY, Arrival
from hub.intake.lane import Throttle
from hub.store.site import EdgeKey

_RELOAD_EVERY_S: Final = 1.0
_OLD_KEY_S: Final = 30.0
"""After an edge's first word under a newer key: what it had said before may still be on its way, as a broker
keeps no order between topics."""
_MOST_EPOCH: Final = 2**63 - 1
_ON_A_LANE: Final = frozenset({Type.ITEMS, Type.ITEMS_PACKED, Type.TOMBSTONE})
_WHAT: Final = {
    ALARM: (Lane.ALARM, _ON_A_LANE),
    TELEMETRY: (Lane.TELEMETRY, _ON_A_LANE),
    HEARTBEAT: (None, frozenset({Type.HEARTBEAT})),
}
"""What may travel on a topic: the lane that its header must name, and the types."""
Downward = Receipt | GapRequest | WireCommand | SettingsPart
_DOWN: Final = {
    Receipt: (Type.RECEIPT, "receipt"),
    GapRequest: (Type.GAP_REQUEST, "gap"),
    WireCommand: (Type.COMMAND, "command"),
    SettingsPart: (Type.SETTINGS, "settings"),
}


class Doubt(Enum):
    """Why a frame is not taken; none of these moves a cursor or earns a receipt."""

    UNVERIFIED = auto()
    """Unknown sender, bad MAC, or not a frame at all."""
    INCOMPATIBLE = auto()
    """A proved sender speaks a version that this program does not."""
    MISPLACED = auto()
    """A proved frame on a topic where it does not belong."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A frame that was not taken, with the reason."""

    sender: Sender
    doubt: Doubt
    code: str
    reason: str
    frame: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A frame whose sender is proved."""

    sender: Sender
    header: Header
    payload: bytes
    at: datetime
    at_s: float = 0.0
    """When it came, by the hub's clock and by the steady one."""


class Gate:
    """Keeps the edges' keys, opens what they send and seals what goes to them."""

    def __init__(self, load_keys: Callable[[], Mapping[tuple[str, str], EdgeKey]]) -> None:
        self._load_keys = load_keys
        self._keys: Mapping[tuple[str, str], EdgeKey] = {}
        self._derived: dict[tuple[bytes, int], bytes] = {}
        self._spoken: dict[Sender, int] = {}
        self._turned: dict[Sender, float] = {}
        self._reload = Throttle[Sender](_RELOAD_EVERY_S)

    def reload(self) -> None:
        """Read all keys anew."""
        self._keys = self._load_keys()

    def admit(self, arrival: Arrival) -> Message | Refusal:
        """The verified message, or why it is refused. Keys are read anew (at most each second per
        edge) for an edge that is unknown or does not verify: it may just have been enrolled.
        """
        try:
            return self._open(arrival)
        except BadSignature as error:
            if not self._reload.passes(arrival.sender, steady_s()):
                return _refuse(arrival, error)
        except WireError as error:
            return _refuse(arrival, error)
        self.reload()
        try:
            return self._open(arrival)
        except WireError as error:
            return _refuse(arrival, error)

    def seal(self, sender: Sender, payload: Downward) -> tuple[str, bytes]:
        """The last part of the topic and the frame for an edge, under the key that it last spoke with."""
        kind, what = _DOWN[type(payload)]
        known = self._keys[sender.site, sender.edge]
        number = max(known.key_number, self._spoken.get(sender, 0))
        header = Header(
            site=sender.site,
            edge=sender.edge,
            type=int(kind),
            direction=Direction.DOWN,
            lane=None,
            epoch=0,
            first=0,
            count=0,
            key_number=number,
            version=VERSION,
        )
        return what, seal(header, encode_payload(payload), self._key(known.root_secret, number))

    def knows(self, sender: Sender) -> bool:
        """Whether there is a key for this edge."""
        return (sender.site, sender.edge) in self._keys

    def turned(self, now_s: float) -> dict[Sender, int]:
        """Edges that have spoken with a newer key than the one known for so long that nothing older is on its
        way any more, with that number: the older ones can be refused for good.
        """
        due = [sender for sender, at_s in self._turned.items() if now_s - at_s >= _OLD_KEY_S]
        for sender in due:
            del self._turned[sender]
        return {sender: self._spoken[sender] for sender in due}

    def _note_key(self, sender: Sender, number: int, known: int) -> None:
        """A proved frame came under this number."""
        if number > max(known, self._spoken.get(sender, 0)):
            self._turned[sender] = steady_s()
        self._spoken[sender] = max(number, self._spoken.get(sender, 0))

    def _open(self, arrival: Arrival) -> Message:
        sender = arrival.sender
        said, _ = read_header(arrival.frame)
        known = self._keys.get((sender.site, sender.edge))
        if known is None:
            raise BadSignature(f"{sender} is not enrolled")
        if (said.site, said.edge) != (sender.site, sender.edge):
            raise BadSignature(f"the header says {said.site}/{said.edge}, the topic {sender}")
        if said.key_number < known.key_number:
            raise BadSignature(f"key {said.key_number} is older than {known.key_number}")
        header, payload = open_frame(arrival.frame, self._key(known.root_secret, said.key_number))
        lane, types = _WHAT[arrival.what]
        if header.direction is not Direction.UP or header.lane is not lane or header.type not in types:
            raise _Misplaced(
                f"type {header.type}, lane {header.lane}, {header.direction.name} on the {arrival.what} topic"
            )
        if header.epoch > _MOST_EPOCH or (lane is not None and not (header.first and header.count)):
            raise _Misplaced(f"impossible numbers: epoch {header.epoch}, {header.first} + {header.count}")
        if header.first + header.count > _MOST_EPOCH:
            raise _Misplaced(f"impossible numbers: {header.first} + {header.count}")
        self._note_key(sender, header.key_number, known.key_number)
        return Message(sender, header, payload, arrival.at, arrival.at_s)

    def _key(self, root_secret: bytes, number: int) -> bytes:
        key = self._derived.get((root_secret, number))
        if key is None:
            if len(self._derived) > 10_000:
                self._derived.clear()
            key = self._derived[root_secret, number] = derive_key(root_secret, number)
        return key


class _Misplaced(WireError):
    """A proved frame that does not belong where it came."""

    code = "misplaced"


_DOUBTS: Final[dict[type[WireError], Doubt]] = {UnknownVersion: Doubt.INCOMPATIBLE, _Misplaced: Doubt.MISPLACED}


def _refuse(arrival: Arrival, error: WireError) -> Refusal:
    doubt = _DOUBTS.get(type(error), Doubt.UNVERIFIED)
    return Refusal(arrival.sender, doubt, error.code, error.detail, arrival.frame, arrival.at)
