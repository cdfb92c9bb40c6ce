"""Ports on the loopback: which are free, and which this installation keeps across restarts."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Where a simulation takes orders unless told otherwise.
CONTROL_PORT = 18085

# Below the kernel's range for outgoing connections: a service that is killed and comes back half a second
# later must not find its port taken by somebody's client socket.
FIRST_PORT, LAST_PORT = 20000, 32000


class PortError(Exception):
    """A port cannot be had; the message says which and what to do."""


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it, the last run's connections in TIME_WAIT look like a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int, timeout_s: float = 0.3) -> bool:
    """Whether something accepts connections on 127.0.0.1:port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def choose_port(avoid: Iterable[int] = (), source: random.Random | None = None) -> int:
    """A free port that is none of `avoid`; raises PortError when 500 tries find none."""
    taken = set(avoid)
    draw = source or random.SystemRandom()
    for _ in range(500):
        port = draw.randrange(FIRST_PORT, LAST_PORT)
        if port not in taken and is_free(port):
            return port
    raise PortError(f"no free port between {FIRST_PORT} and {LAST_PORT} on {LOOPBACK}")


def keep_ports(
    file: Path,
    names: Iterable[str],
    fixed: Mapping[str, int] | None = None,
    wished: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The port of each name, as kept in `file`; missing ones are chosen and written down.

    `fixed` ports win over kept ones and are not written down. A kept port that somebody else uses now is
    replaced; a fixed one raises PortError. A `wished` port is taken at first, if it is free.
    """
    kept: dict[str, int] = {}
    if file.exists():
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            document = {}
        if isinstance(document, dict):
            kept = {k: v for k, v in document.items() if isinstance(k, str) and isinstance(v, int)}
    fixed = fixed or {}
    for name, port in fixed.items():
        if not is_free(port):
            raise PortError(
                f"port {port} of {LOOPBACK} is in use: stop what listens there, or choose another {name} port"
            )
    ports: dict[str, int] = {}
    for name in names:
        if name in fixed:
            ports[name] = fixed[name]
            continue
        known = kept.get(name, (wished or {}).get(name))
        others = set(ports.values()) | set(fixed.values())
        if known is None or known in others or not is_free(known):
            known = choose_port(avoid=others | set(kept.values()))
        ports[name] = known
        kept[name] = known
    file.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return ports
