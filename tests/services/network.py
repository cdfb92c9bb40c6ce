"""A network namespace: another machine on a wire of its own, to look at the hub from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.services.apt import ServiceUnavailable, install

HUB: Final = "198.18.77.1"
"""The hub's end of the wire; from the block that is for such tests (RFC 2544)."""
OUTSIDE: Final = "198.18.77.2"


class NamespaceRefused(Exception):
    """This machine does not let us make one (a container without the right); the message is its own."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """The other machine."""

    name: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command there, to its end."""
        return subprocess.run(
            [_ip(), "netns", "exec", self.name, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def open_namespace() -> Iterator[Namespace]:
    """A namespace joined to this one by a wire, both ends up. Raises NamespaceRefused."""
    name, wire = f"sanfang-{os.getpid()}", f"sf{os.getpid() % 10**8}"
    try:
        _order("netns", "add", name)
        _order("link", "add", f"{wire}a", "type", "veth", "peer", "name", f"{wire}b")
        _order("link", "set", f"{wire}b", "netns", name)
        _order("addr", "add", f"{HUB}/30", "dev", f"{wire}a")
        _order("link", "set", f"{wire}a", "up")
        _order("netns", "exec", name, _ip(), "addr", "add", f"{OUTSIDE}/30", "dev", f"{wire}b")
        _order("netns", "exec", name, _ip(), "link", "set", f"{wire}b", "up")
        yield Namespace(name)
    finally:
        # Both ends of a wire go with one.
        for words in (("link", "del", f"{wire}a"), ("netns", "del", name)):
            subprocess.run([_ip(), *words], capture_output=True, check=False)


def find_ip() -> str | None:
    """The program `ip`, or None."""
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def set_up() -> None:
    """Install what is missing; raises ServiceUnavailable."""
    if find_ip() is None:
        install("iproute2")
    if find_ip() is None:
        raise ServiceUnavailable("the package iproute2 brought no `ip`")


def _ip() -> str:
    program = find_ip()
    if program is None:
        raise NamespaceRefused("there is no `ip` here")
    return program


def _order(*words: str) -> None:
    done = subprocess.run([_ip(), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespaceRefused(f"ip {' '.join(words)}: {done.stderr.strip()}")
