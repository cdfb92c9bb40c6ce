"""Child processes in order: start each when the one before is ready, restart what dies, stop backwards.

A child runs in a process group of its own (Ctrl-C in the terminal reaches only us, so the order of stopping is
ours), dies with us (see tether.py), writes to one bounded log file and has its pid in `<run_dir>/<name>.pid`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
POLL_S = 0.05
FIRST_DELAY_S, LAST_DELAY_S = 0.2, 2.0
STEADY_S = 10.0  # a child that lived this long has its back-off forgiven
START_TRIES = 9  # about 12 s of back-off
LOG_LIMIT_BYTES = 8_000_000
LOG_CHECK_S = 5.0
_COMPLAINT = "sanfang: "  # so our programs begin a line about what a person has to mend


class StartFailed(Exception):
    """A child did not become ready; the message carries the end of what it said."""


@dataclass(frozen=True, slots=True)
class Account:
    """The numeric user and group that a child runs as."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Service:
    """What to run and how to know that it is ready. `command[0]` is an absolute path."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    root: Path | None = None  # another folder to be the program's `/`
    stop_signal: signal.Signals = signal.SIGTERM
    start_deadline_s: float = 30.0
    stop_deadline_s: float = 10.0
    directory: Path = Path("/")


def restart_delay_s(failures: int) -> float:
    """Seconds to wait before the next start after `failures` short lives in a row: 0.2, 0.4 … 2."""
    return min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** max(0, failures - 1))


def bound_log(file: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> bool:
    """Keep a log within two files of `limit_bytes`: when full, its content moves to `<name>.1`, the older goes.

    The file itself stays (children hold it open for appending); what is written between copy and cut is lost.
    """
    try:
        if file.stat().st_size <= limit_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(file, file.with_name(file.name + ".1"))
    os.truncate(file, 0)
    return True


def log_tail(file: Path, since: int, lines: int = 12) -> str:
    """The last lines of a log that were written behind byte `since`, for an error message."""
    try:
        text = file.read_bytes()[since:][-8000:].decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def complaints_in(said: str) -> str:
    """What a program of ours complained of before it ended with exit code 2; all it said where it did not."""
    faults = [line.removeprefix(_COMPLAINT) for line in said.splitlines() if line.startswith(_COMPLAINT)]
    return "\n".join(faults) or said


class Child:
    """One running (or stopped) instance of a Service."""

    def __init__(self, service: Service, run_dir: Path, log_dir: Path) -> None:
        self.service = service
        self.log = log_dir / f"{service.name}.log"
        self.pid_file = run_dir / f"{service.name}.pid"
        self.started_at = 0.0
        self._log_begun = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def spawn(self) -> None:
        """Start the process; returns at once, ready or not."""
        service = self.service
        tether = [sys.executable, "-I", "-S", str(TETHER), "--parent", str(os.getpid())]
        tether += ["--signal", str(int(service.stop_signal))]
        if service.account is not None:
            tether += ["--user", str(service.account.user), "--group", str(service.account.group)]
        if service.root is not None:
            tether += ["--root", str(service.root)]
        bound_log(self.log)
        with self.log.open("ab") as log:
            self._log_begun = log.tell()
            self._process = subprocess.Popen(
                [*tether, "--", *service.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=service.directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **service.environment},
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        write_pid(self.pid_file, self._process.pid)

    def exit_code(self) -> int | None:
        """None while it runs (or was never started); else its exit code, its stragglers ended with it."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            # Look before reaping: while the zombie holds its number, the group's number cannot be another's.
            seen = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is None:
                return None
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def await_ready(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Wait until ready; a process that exits meanwhile is started again until the deadline passes.

        That is the cure for PostgreSQL's first start after a kill, which can find the old lock and the old
        backends still there. Exit code 2 (our word for wrong configuration) is not tried again.
        """
        service, failures = self.service, 0
        deadline = time.monotonic() + service.start_deadline_s
        while not stopped():
            code = self.exit_code()
            given_up = time.monotonic() > deadline or (code is not None and failures >= START_TRIES)
            if code == 2 and service.command[0] == sys.executable:
                raise StartFailed(f"{service.name} refused to start: {complaints_in(self._said())}")
            if code is not None and not given_up:
                failures += 1
                time.sleep(restart_delay_s(failures))
                self.spawn()
            elif given_up:
                self.stop()
                raise StartFailed(
                    f"{service.name} does not become ready; its log {self.log} ends:\n{self._said()}"
                )
            elif service.ready():
                return
            else:
                time.sleep(POLL_S)

    def _said(self) -> str:
        return log_tail(self.log, self._log_begun)

    def start(self) -> None:
        """Spawn and wait until ready."""
        self.spawn()
        self.await_ready()

    def stop(self) -> int | None:
        """Ask it to end, wait, kill it if it does not; returns its exit code."""
        process = self._process
        if process is None:
            return None
        if self.exit_code() is None:
            process.send_signal(self.service.stop_signal)
            deadline = time.monotonic() + self.service.stop_deadline_s
            while self.exit_code() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if self.exit_code() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        self.pid_file.unlink(missing_ok=True)
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9, for tests and for what will not listen. The pid file stays, as after a crash."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            process.wait()


def write_pid(file: Path, pid: int) -> None:
    """Write a pid file whole or not at all."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(f"{pid}\n", encoding="ascii")
    partial.replace(file)


class Supervisor:
    """Several children, started in the order given and stopped in the reverse.

    `start` and `watch` belong to the program's main thread: Linux sends the parent-death signal when the
    *thread* that started a child ends.
    """

    def __init__(self, run_dir: Path, log_dir: Path, say: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._log_dir = log_dir
        self._say = say
        self._children: list[Child] = []
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._stop = threading.Event()

    def request_stop(self) -> None:
        """Make `start` and `watch` return soon; safe from a signal handler."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def spawn(self, service: Service) -> Child:
        """Start one more child and return at once; `await_ready` it before anything depends on it."""
        child = Child(service, self._run_dir, self._log_dir)
        self._children.append(child)
        child.spawn()
        return child

    def start(self, service: Service) -> Child:
        """Start one more child and wait until it is ready; raises StartFailed."""
        child = self.spawn(service)
        child.await_ready(self._stop.is_set)
        return child

    def watch(self) -> None:
        """Restart what dies, with back-off, until a stop is requested."""
        logs_due = 0.0
        while not self._stop.wait(POLL_S):
            now = time.monotonic()
            for child in self._children:
                self._tend(child, now)
            if now >= logs_due:
                logs_due = now + LOG_CHECK_S
                for child in self._children:
                    bound_log(child.log)

    def _tend(self, child: Child, now: float) -> None:
        name = child.service.name
        if name in self._due:
            if now >= self._due[name]:
                del self._due[name]
                child.spawn()
            return
        code = child.exit_code()
        if code is None:
            if self._failures.get(name) and now - child.started_at > STEADY_S:
                self._failures[name] = 0
                self._say(f"{name} runs steadily again")
            return
        self._failures[name] = failures = self._failures.get(name, 0) + 1
        delay_s = restart_delay_s(failures)
        self._due[name] = now + delay_s
        if failures == 1 or failures % 10 == 0:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._say(f"{name} ended ({how}); starting it again in {delay_s:.1f} s (log: {child.log})")

    def stop_all(self) -> None:
        """Stop every child, the last started first."""
        self._stop.set()
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
