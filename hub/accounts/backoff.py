"""How long the next log-in attempt has to wait: the delay grows with each failure, per account and per address.

Existing sessions never come here, and a browser that logged in before as this account has a budget of its own:
so nobody can lock the security room out of its own screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""Failures older than this count no more."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`free` failures cost nothing; then the delay doubles from 1 s up to `limit_s`."""

    free: int
    limit_s: float

    def delay_s(self, failures: int) -> float:
        """Seconds after the last failure until the next attempt is heard."""
        if failures < self.free:
            return 0.0
        return float(min(self.limit_s, 2.0 ** min(failures - self.free, 30)))


# An account's limit stays low: a stranger who keeps failing on purpose delays its owner by no more.
ACCOUNT: Final = Patience(free=4, limit_s=30.0)
# A browser that logged in as this account before: its own, so that no stranger can spend it.
BROWSER: Final = Patience(free=6, limit_s=30.0)
# Who comes to the second factor knows the password: here a million codes stand between him and the account.
FACTOR: Final = Patience(free=5, limit_s=300.0)
# Many people may sit behind one address, so it has more to spare, and then waits longer.
ADDRESS: Final = Patience(free=12, limit_s=600.0)


@dataclass(frozen=True, slots=True)
class Failures:
    """What is known of one key."""

    failures: int
    last_at: datetime


def patience_of(key: str) -> Patience:
    """The patience for `account:…`, `browser:…`, `factor:…` or `address:…`."""
    return {"account": ACCOUNT, "browser": BROWSER, "factor": FACTOR}.get(key.partition(":")[0], ADDRESS)


def wait_s(known: Mapping[str, Failures], now: datetime) -> float:
    """Seconds that an attempt under these keys has to wait; 0: it is heard now."""
    waits = [
        patience_of(key).delay_s(each.failures) - (now - each.last_at).total_seconds()
        for key, each in known.items()
        if now - each.last_at < FORGOTTEN_AFTER
    ]
    return max(0.0, *waits) if waits else 0.0
