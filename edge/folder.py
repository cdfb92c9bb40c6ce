"""The edge's folders: held by one process alone, which leaves its pid for others to find."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edge.configuration import EdgeConfiguration
from edge.error import ConfigurationError


@contextmanager
def hold_folders(configuration: EdgeConfiguration) -> Iterator[None]:
    """Hold the data for this process alone and leave its pid for others to find."""
    pid_file = configuration.run_dir / "edge.pid"
    try:
        configuration.data_dir.mkdir(parents=True, exist_ok=True)
        configuration.run_dir.mkdir(parents=True, exist_ok=True)
        lock = (configuration.data_dir / "edge.lock").open("w")
    except OSError as error:
        raise ConfigurationError([f"{error.filename}: cannot be written: {error.strerror}"]) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError([f"{configuration.data_dir}: another edge runs on this data"]) from None
        pid_file.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            pid_file.unlink(missing_ok=True)
