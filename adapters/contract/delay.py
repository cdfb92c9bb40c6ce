"""What would hold a small message back on a TCP connection, and how it is turned off at our end.

Two habits of TCP meet on a busy MQTT connection. Nagle's algorithm keeps a small packet back while the one
before it is unacknowledged; and the receiving kernel delays its acknowledgement by up to 40 ms, in the hope
that it can ride on an answer. Our own sockets go without Nagle (`send_at_once`). The broker's are not ours,
and brokers leave it on (rumqttd always, Mosquitto unless told otherwise): whatever comes next waits in the
broker until we acknowledged what came before. A PUBACK has no answer to ride on, so under load every alarm
that came within 40 ms of one waited for the rest of them. `acknowledge_at_once` is for after each packet.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Final

UNACKNOWLEDGED_MS: Final = 15_000
"""Sent bytes that stay unacknowledged for so long end the connection."""


def send_at_once(sock: Any) -> None:
    """No small message waits for another one's acknowledgement; and a line that swallows bytes is found."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


def acknowledge_at_once(sock: Any) -> None:
    """Let the kernel acknowledge now what was read. It goes back to delaying by itself, as soon as something is
    sent, so this is to be said after each packet; it takes less than a microsecond.
    """
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):  # closed meanwhile: nothing waits for us any more
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
