"""One intake worker as a program of its own, so that a test can kill it. Run as
`python -m tests.intake_worker DSN HOST PORT [--die-before-receipt N] [--hung-on DEVICE]`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.contract import codec
from hub import watchdog
from hub.domain.judgement import EventInput, Input, Verdict
from hub.intake import gate
from hub.intake.post import Post
from hub.intake.transaction import Court
from hub.intake.worker import Worker
from hub.rulebook.book import RuleBook, load_book
from hub.rules.engine import Engine
from hub.settings import BrokerSettings
from hub.store.wall import dsn_as

ROOT = Path(__file__).parents[1]


def shipped_book() -> RuleBook:
    """The rules and plans that Sanfang ships."""
    return load_book(ROOT / "config" / "rules", ROOT / "config" / "plans")


def make_worker(dsn: str, host: str, port: int, former_port: int | None = None) -> Worker:
    """A worker with the shipped rules, not started."""
    book = shipped_book()
    former = None if former_port is None else BrokerSettings(host=host, port=former_port)
    court = Court(book, lambda model: Engine(book, model))
    return Worker(
        dsn_as(dsn, "intake", {}), BrokerSettings(host=host, port=port), court, former=former, owner=dsn
    )


@contextmanager
def worker_process(dsn: str, host: str, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own; killed at the end if it still lives."""
    command = [sys.executable, "-m", "tests.intake_worker", dsn, host, str(port), *options]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def die_before_receipt(number: int) -> None:
    """Kill this process the way the kernel would, after the commit and before the nth answer."""
    answer = Post.answer
    answers = 0

    def die(self: Post, *arguments: Any) -> None:
        nonlocal answers
        answers += 1
        if answers == number:
            os.kill(os.getpid(), signal.SIGKILL)
        answer(self, *arguments)

    Post.answer = die  # type: ignore[method-assign]


def hang_on(device: str) -> None:
    """A rule that never ends, on what one device says; the watchdog waits 2 s for it."""
    judge = Engine.judge

    def hang(self: Engine, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        while any(isinstance(each, EventInput) and each.device == device for each in inputs):
            pass
        return judge(self, position, inputs)

    Engine.judge = hang  # type: ignore[method-assign]
    watchdog.begin(2.0)


def main(arguments: list[str]) -> None:
    if "--hung-on" in arguments:
        hang_on(arguments[arguments.index("--hung-on") + 1])
    if "--die-before-receipt" in arguments:
        die_before_receipt(int(arguments[arguments.index("--die-before-receipt") + 1]))
    if "--version" in arguments:
        codec.VERSION = gate.VERSION = int(arguments[arguments.index("--version") + 1])  # type: ignore[misc]
    former = int(arguments[arguments.index("--former") + 1]) if "--former" in arguments else None
    worker = make_worker(arguments[0], arguments[1], int(arguments[2]), former)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1:])
