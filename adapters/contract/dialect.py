"""Which version of MQTT to speak to one broker: 5 where it can, 3.1.1 where it cannot. Pure.

iotcore closes the connection on a version 5 CONNECT, nats-server refuses it with a reason, others may say
nothing at all. What worked is remembered, and given up only when the broker says so itself or has not
answered several times: a broker that hangs for a while must not change our language.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

PROBE_S: Final = 2.0
"""So long a broker that has never answered may take over its CONNACK before the other version is tried."""
OPEN_S: Final = 10.0
"""And so long one that has, or that was not asked for version 5."""
PATIENCE: Final = 3
"""Unanswered attempts in the version that worked before the other one is tried."""


class Version(IntEnum):
    """MQTT versions by their number on the wire."""

    V311 = 4
    V5 = 5

    def __str__(self) -> str:
        return "5" if self is Version.V5 else "3.1.1"


class Dialect:
    """What is known of one broker."""

    def __init__(self) -> None:
        self.version = Version.V5
        """What to speak at the next attempt."""
        self._worked = False
        self._unanswered = 0

    @property
    def answer_s(self) -> float:
        """How long to wait for the broker's CONNACK."""
        return PROBE_S if self.version is Version.V5 and not self._worked else OPEN_S

    def note_opened(self) -> None:
        """The broker took us in, in this version."""
        self._worked = True
        self._unanswered = 0

    def note_unanswered(self) -> None:
        """It took the connection and gave no CONNACK: closed it, or kept silent."""
        self._unanswered += 1
        if not self._worked or self._unanswered >= PATIENCE:
            self._switch()

    def note_refused(self) -> None:
        """It said that it does not speak this version."""
        self._switch()

    def _switch(self) -> None:
        self.version = Version.V311 if self.version is Version.V5 else Version.V5
