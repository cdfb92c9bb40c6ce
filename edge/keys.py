"""Signing what goes up and proving what comes down, by the keys of one root secret."""

from __future__ import annotations

from typing import Final

from adapters.contract.codec import VERSION, derive_key, open_frame, read_header, seal
from adapters.contract.error import BadSignature, MalformedFrame
from adapters.contract.message import Direction, Header, Type
from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane

_WHAT: Final = {
    "receipt": Type.RECEIPT,
    "gap": Type.GAP_REQUEST,
    "command": Type.COMMAND,
    "settings": Type.SETTINGS,
}


class Keys:
    """The keys of an edge. The number only rises, by settings from the hub."""

    def __init__(self, sender: Sender, root_secret: bytes, key_number: int) -> None:
        self._sender = sender
        self._root_secret = root_secret
        self._number = key_number
        self._floor = key_number
        """The lowest number that the hub may speak with: the old one, until it has heard our new one."""
        self._keys = {key_number: derive_key(root_secret, key_number)}

    @property
    def fingerprint(self) -> str:
        """Tells one enrolment from another without telling the secret."""
        return derive_key(self._root_secret, 0).hex()[:16]

    def raise_number(self, key_number: int) -> None:
        """Sign with a newer key from now on; an older number changes nothing."""
        if key_number > self._number:
            self._keys[key_number] = derive_key(self._root_secret, key_number)
            self._number = key_number

    def seal_up(
        self,
        kind: Type,
        payload: bytes,
        *,
        lane: Lane | None = None,
        epoch: int,
        first: int = 0,
        count: int = 0,
    ) -> bytes:
        """A signed frame from this edge to the hub."""
        header = Header(
            site=self._sender.site,
            edge=self._sender.edge,
            type=kind,
            direction=Direction.UP,
            lane=lane,
            epoch=epoch,
            first=first,
            count=count,
            key_number=self._number,
            version=VERSION,
        )
        return seal(header, payload, self._keys[self._number])

    def open_down(self, what: str, frame: bytes) -> tuple[Type, bytes]:
        """Prove that a frame came from the hub, for this edge and of the kind its topic says.

        Raises MalformedFrame, BadSignature, UnknownVersion.
        """
        header, _ = read_header(frame)
        wanted = _WHAT.get(what)
        if wanted is None or header.type != wanted or header.direction is not Direction.DOWN:
            raise MalformedFrame(f"a message of type {header.type} came as {what}")
        if (header.site, header.edge) != (self._sender.site, self._sender.edge):
            raise MalformedFrame(f"is for {header.site}/{header.edge}")
        if header.key_number < self._floor:
            raise BadSignature(f"key {header.key_number} is older than {self._floor}")
        key = self._keys.get(header.key_number) or derive_key(self._root_secret, header.key_number)
        _, payload = open_frame(frame, key)
        if header.key_number >= self._number:
            self._floor = self._number
            self._keys = {self._number: self._keys[self._number]}
        return wanted, payload
