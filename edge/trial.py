"""Another broker being tried at the hub's wish, beside the present one, which goes on carrying everything."""

from __future__ import annotations

import logging
from collections.abc import Callable

from adapters.contract.codec import decode_payload
from adapters.contract.error import WireError
from adapters.contract.message import Receipt, Type
from adapters.contract.topic import heartbeat_topic, read_topic
from edge.configuration import BrokerAddress
from edge.happening import Road
from edge.keys import Keys
from edge.line import Line, Turn
from edge.link import Acknowledged, Arrived, Link, LinkReport
from edge.move import Move

_log = logging.getLogger(__name__)


class Trial:
    """Carries one heartbeat over the new broker; the hub's answer over the same broker decides."""

    def __init__(self, road: Road, keys: Keys, make_line: Callable[[BrokerAddress], Line]) -> None:
        self._road = road
        self._keys = keys
        self._make_line = make_line
        self._move = Move(road.broker)
        self._line: Line | None = None

    @property
    def error(self) -> str:
        """Why the last trial failed; empty where none is wished or it succeeded."""
        return self._move.error

    @property
    def next_at(self) -> int | None:
        """When `pass_time` has something to do before the next second."""
        return None if self._line is None or self._line.is_open else self._line.next_at

    def owns(self, link: Link) -> bool:
        """Whether a report of this link is about the trial."""
        return self._line is not None and self._line.owns(link)

    def wish(self, broker: BrokerAddress, now: int) -> None:
        """The hub names its broker."""
        self.close()
        self._move.wish(broker, now)

    def pass_time(self, now: int, *, hub_lost: bool) -> bool:
        """Begin, go on, or give up; true where a trial has just failed."""
        if self._move.is_due(now, hub_lost=hub_lost) and (wished := self._move.begin(now)) is not None:
            _log.info("trying the broker %s:%d, as the hub wishes", wished.host, wished.port)
            self._line = self._make_line(wished)
        if self._line is None:
            return False
        if self._move.check(now):
            _log.warning("the broker does not change: %s", self._move.error)
            self.close()
            return True
        self._line.keep(now)
        return False

    def take(self, report: LinkReport, beat: Callable[[int], bytes], now: int) -> Line | None:
        """What the trial's link said; the line to change to once the hub has answered over it. `beat` makes a
        heartbeat with a nonce.
        """
        line = self._line
        if line is None or isinstance(report, Acknowledged):
            return None
        if isinstance(report, Arrived):
            if not self._is_answer(report):
                return None
            self._line = None
            self._move.succeed()
            return line
        if line.take(report, now) is Turn.OPENED:
            line.publish(heartbeat_topic(self._road.sender), beat(self._move.ask()))
        return None

    def close(self) -> None:
        """Give the trial up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _is_answer(self, arrived: Arrived) -> bool:
        place = read_topic(arrived.topic)
        try:
            kind, payload = self._keys.open_down(place[2] if place else arrived.topic, arrived.payload)
            return kind is Type.RECEIPT and decode_payload(payload, Receipt).nonce == self._move.nonce
        except WireError:
            return False
