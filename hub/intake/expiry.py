"""The certificates that hub and broker depend on: people hear in time when nobody has renewed them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from hub.intake.parcel import Notice
from hub.tls import WARN_DAYS, days_left

KIND: Final = "certificate.expiring"
SUBJECT: Final = "hub:certificates"
_LOOK_EVERY_S: Final = 600.0


class Expiry:
    """Looks at the files now and then. `files`: by what they are for; none where nothing speaks TLS."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._looked_s: float | None = None
        self._notices: list[Notice] = []

    def notices(self, now: datetime, now_s: float) -> list[Notice]:
        """The condition as it should be now. A file that cannot be read counts as run out."""
        if self._files and (self._looked_s is None or now_s - self._looked_s >= _LOOK_EVERY_S):
            self._looked_s = now_s
            self._notices = [judge_expiry(days_left(self._files, now))]
        return self._notices


def judge_expiry(days: Mapping[str, float]) -> Notice:
    """What people are told of certificates with so many days left."""
    ending = {name: left for name, left in days.items() if left < WARN_DAYS}
    if not ending:
        return Notice(KIND, SUBJECT, False)
    told: dict[str, str | int] = {
        "certificates": ", ".join(sorted(ending)),
        "days_left": int(min(ending.values())),
    }
    return Notice(KIND, SUBJECT, True, told)
