"""The hub's child processes: started, restarted with back-off, ended together; they die with their parent."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hub.clock import steady_s

BACK_OFF_S: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
STEADY_S: Final = 10.0
"""A child that lived so long has its failures forgiven."""
STOP_S: Final = 4.0
"""So long may each child take to end, before it is killed."""
PARENT: Final = "SANFANG_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.05
_log = logging.getLogger(__name__)


class Child:
    """One process and its restarts."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._due = 0.0

    def tend(self, now: float) -> None:
        """Start it where it does not run and its time has come. `now` is monotonic."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._failures = 0 if now - self._started > STEADY_S else self._failures + 1
            delay_s = BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
            self._due = now + delay_s
            self._process = None
            _log.warning("%s ended with %d; it starts again in %.1f s", self.name, code, delay_s)
        if now >= self._due:
            self._started = now
            # A session of its own: Ctrl-C in a terminal reaches the parent, which ends its children in order.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                env={**os.environ, PARENT: str(os.getpid())},
                start_new_session=True,
            )

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def await_end(self, deadline: float) -> None:
        """Wait until the deadline (monotonic), then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - steady_s()))
        except subprocess.TimeoutExpired:
            _log.error("%s does not end; it is killed", self.name)
            self._process.kill()
            self._process.wait()


def keep_running(children: Sequence[Child], stop: threading.Event) -> None:
    """Keep all children running until `stop`; then end them, the last first."""
    try:
        while not stop.is_set():
            for child in children:
                child.tend(steady_s())
            stop.wait(_POLL_S)
    finally:
        for child in reversed(children):
            child.terminate()
            child.await_end(steady_s() + STOP_S)


def die_with_parent() -> None:
    """In a child: end when the parent that started us does. Elsewhere than on Linux its word must do."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)  # It died before we asked.


def write_pid(file: Path) -> None:
    """Write our pid, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(f"{os.getpid()}\n", encoding="ascii")
    partial.replace(file)
