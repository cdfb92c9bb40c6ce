"""What the uplink is told, and whom it works for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from adapters.contract.message import Command, Settings
from adapters.contract.topic import Sender
from edge.configuration import BrokerAddress
from edge.heartbeat import Change
from edge.link import Link, LinkReport
from edge.reader import SpoolReader
from edge.spool import LaneMark
from edge.window import Progress


class Host(Protocol):
    """Who the uplink works for. Called in the uplink's thread; nothing here may block."""

    def forget(self, news: list[Progress]) -> None:
        """The hub holds these; the spool may delete them."""

    def take_command(self, command: Command, hub_now_us: int | None) -> None: ...

    def take_settings(self, settings: Settings) -> None: ...

    def keep_broker(self, broker: BrokerAddress) -> None:
        """The hub was reached over this one: it is ours from now on."""

    def notice_hub(self, change: Change) -> None:
        """The hub is lost or came back."""

    def tell_again(self, telling: str) -> None:
        """The hub's mark of what it knows; another one than before asks for all conditions anew."""

    def notice_older_copy(self) -> None:
        """The hub holds more of an earlier epoch than our spool knows: somebody put an older copy in place."""

    def status(self) -> tuple[int, dict[str, int]]:
        """Bytes held in the spool, and counts of what was dropped or refused."""


@dataclass(frozen=True, slots=True)
class Road:
    """Where the uplink leads and who speaks."""

    sender: Sender
    broker: BrokerAddress
    epoch: int
    software: str


@dataclass(frozen=True, slots=True)
class SettingsOutcome:
    """Settings were applied (`error` empty) or refused."""

    version: int
    error: str


@dataclass(frozen=True, slots=True)
class KeyKept:
    """A newer key number is on the disk: sign with it."""

    number: int


@dataclass(frozen=True, slots=True)
class BrokerWished:
    """The hub wants to be reached over this broker."""

    broker: BrokerAddress


@dataclass(frozen=True, slots=True)
class Reported:
    """A connection said something."""

    link: Link
    report: LinkReport


@dataclass(frozen=True, slots=True)
class EpochBegun:
    """The spool goes on in another epoch, and there it is read from. `whole`: everything is in there; else the
    earlier epochs are read where they were.
    """

    epoch: int
    marks: list[LaneMark]
    reader: SpoolReader
    whole: bool


Happening = SettingsOutcome | KeyKept | BrokerWished | EpochBegun | Reported
