"""The edge renews its own certificate: asks the hub in time, and changes over without losing anything.

The new one is tried on a connection of its own beside the present one, which goes on carrying everything; only
when the hub has answered over it is it kept (`edge/move.py`). A refused or useless certificate changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final, Protocol

from edge.clock import Clock
from edge.configuration import BrokerAddress, BrokerTls, Identity
from edge.credential import Validity, read_validity, remove_others
from edge.enrolment import renew_credential
from edge.error import CredentialError, EnrolmentError

_log = logging.getLogger(__name__)

CHECK_S: Final = 600.0
SETTLE_S: Final = 30.0
"""After so long a change has succeeded or failed."""
_DAY_US: Final = 86_400_000_000


class Host(Protocol):
    """Whose certificate it is. Called in the event loop."""

    @property
    def identity(self) -> Identity:
        """Who the edge is now; another one once a new credential was proved."""

    def wish_broker(self, broker: BrokerAddress) -> None:
        """Try this one, and keep it if the hub answers over it."""

    def tell_certificate(self, expiring: bool, days_left: int) -> None:
        """Tell the hub's people whether the certificate runs out before it could be renewed."""


class Renewal:
    """Looks after the credential of an edge that was enrolled with TLS."""

    def __init__(self, data_dir: Path, host: Host, clock: Clock) -> None:
        self._data_dir = data_dir
        self._host = host
        self._clock = clock
        self._obtained: BrokerTls | None = None
        self._complained = ""

    async def run(self) -> None:
        """Until cancelled; without TLS there is nothing to do."""
        while True:
            tls = self._host.identity.broker.tls
            if tls is None:
                return
            await asyncio.sleep(SETTLE_S if await self._check(tls) else CHECK_S)

    async def _check(self, tls: BrokerTls) -> bool:
        """Renew where it is time; whether a new credential is being tried for the first time."""
        now = self._clock.now_us()
        validity = await asyncio.to_thread(self._look, tls)
        if validity is not None and not validity.is_due(now):
            self._obtained, self._complained = None, ""
            await asyncio.to_thread(remove_others, self._data_dir, tls.credential)
            self._tell(validity, now)
            return False
        began = self._obtained is None
        if began:
            await self._obtain()
        if self._obtained is not None:
            broker = self._host.identity.broker.model_copy(update={"tls": self._obtained})
            self._host.wish_broker(broker)
        self._tell(validity, now)
        return began and self._obtained is not None

    async def _obtain(self) -> None:
        try:
            self._obtained = await asyncio.to_thread(renew_credential, self._host.identity, self._data_dir)
        except (EnrolmentError, CredentialError, OSError) as error:
            if str(error) != self._complained:
                _log.error("the certificate is not renewed: %s", error)
            self._complained = str(error)
        else:
            _log.info("a new certificate is there; trying it")

    def _look(self, tls: BrokerTls) -> Validity | None:
        try:
            return read_validity(tls.credential)
        except CredentialError as error:
            _log.error("%s", error)
            return None

    def _tell(self, validity: Validity | None, now: int) -> None:
        days_left = 0 if validity is None else max(0, (validity.ends_us - now) // _DAY_US)
        self._host.tell_certificate(validity is None or validity.is_expiring(now), days_left)
