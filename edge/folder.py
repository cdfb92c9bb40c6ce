"""The edge's folders: held by one process alone, which leaves its pid for others to find."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from edge.configuration import EdgeConfiguration
from edge.error import ConfigurationError

_log = logging.getLogger(__name__)

_REFUSING: Final = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""A disk that refuses is no fault of the configuration: the edge begins without it."""


@contextmanager
def hold_folders(configuration: EdgeConfiguration) -> Iterator[None]:
    """Hold the data for this process alone and leave its pid for others to find. On a disk that refuses writes
    the data is held by its old lock file, and no pid is left.
    """
    pid_file = configuration.run_dir / "edge.pid"
    try:
        _try_on_disk(lambda: configuration.data_dir.mkdir(parents=True, exist_ok=True))
        _try_on_disk(lambda: configuration.run_dir.mkdir(parents=True, exist_ok=True))
        lock = _open_lock(configuration.data_dir / "edge.lock")
    except OSError as error:
        raise ConfigurationError([f"{error.filename}: cannot be written: {error.strerror}"]) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError([f"{configuration.data_dir}: another edge runs on this data"]) from None
        _try_on_disk(lambda: pid_file.write_text(f"{os.getpid()}\n"))
        try:
            yield
        finally:
            _try_on_disk(lambda: pid_file.unlink(missing_ok=True))


def _open_lock(path: Path) -> IO[str]:
    try:
        return path.open("a")
    except OSError as error:
        if error.errno not in _REFUSING or not path.exists():
            raise
        return path.open()


def _try_on_disk(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        if error.errno not in _REFUSING:
            raise
        _log.error("%s: the disk refuses: %s", error.filename, error.strerror)
