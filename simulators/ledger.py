"""The ledger: what the simulated campus is about to say, on disk before it is said.

A test that kills programs reads it afterwards: every line with an identity must have been stored once.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import IO


class LedgerBroken(Exception):
    """The ledger cannot be written: nothing may be sent that it does not name."""


class Ledger:
    """One JSON object a line: `device`, `address`, `kind`, `active` (null where momentary),
    `identity` (empty where the device's protocol has no message id), `at` (ISO-8601, UTC).

    Without a path it only counts.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries = 0
        self._file: IO[bytes] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def write(
        self, device: str, address: str, kind: str, active: bool | None, at: datetime, identity: str = ""
    ) -> None:
        """Put one entry on disk; returns only when it is there (write + fsync). Raises LedgerBroken."""
        if self._file is None:
            self.entries += 1
            return
        line = {
            "device": device,
            "address": address,
            "kind": kind,
            "active": active,
            "identity": identity,
            "at": iso(at),
        }
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            os.fsync(self._file.fileno())
        except (OSError, ValueError) as error:
            raise LedgerBroken(f"{self._file.name}: {error}") from None
        self.entries += 1

    def close(self) -> None:
        """Close the file; further entries are an error."""
        if self._file is not None:
            self._file.close()


def iso(at: datetime) -> str:
    """A time as devices write it: ISO-8601 with milliseconds and Z. `at` is aware, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
