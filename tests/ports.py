"""Ports for tests: free ones, and no two tests of this machine are given the same one."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from sanfang.ports import PortError, choose_port

_FOLDER = Path(tempfile.gettempdir()) / f"sanfang-test-ports-{os.getuid()}"
_KEPT_S = 900.0
"""Longer than any test runs; then its port may be given away again."""


def reserve_port() -> int:
    """A port on which nothing listens, and which no other test will ask for before ours has bound it."""
    _FOLDER.mkdir(exist_ok=True)
    for _ in range(500):
        port = choose_port()
        mark = _FOLDER / str(port)
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            if time.time() - mark.stat().st_mtime < _KEPT_S:
                continue
            mark.touch()
        return port
    raise PortError("other tests have reserved every port that was tried")
