"""A receiver of webhooks: a real HTTP server that can fail in every way, and remembers what it was told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sanfang.ports import LOOPBACK


@dataclass
class Told:
    """One request that came in whole."""

    body: bytes
    headers: dict[str, str]
    at: float

    @property
    def row(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """`answer` says what to do with each request: a status, `hang`, `close`, `drip`, or a function of it."""

    port: int = 0
    told: list[Told] = field(default_factory=list)
    answer: int | str | Callable[[Told], int | str] = 200
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hook?from=school"

    @property
    def seqs(self) -> list[int]:
        return [told.row["seq"] for told in self.told]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own until the end of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = Told(body, dict(self.headers.items()), time.monotonic())
            receiver.told.append(told)
            how = receiver.answer(told) if callable(receiver.answer) else receiver.answer
            if how == "hang":
                receiver.release.wait(60)
                return
            if how == "close":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if how == "drip":
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000:
                    if receiver.release.wait(0.2):
                        return
                    self.connection.sendall(bytes([byte]))
                return
            self.send_response(int(how))
            if how == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        # A sender that broke off is what some tests are about.
        def handle_error(self, *_args: object) -> None:
            pass

    server = Server((LOOPBACK, 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
