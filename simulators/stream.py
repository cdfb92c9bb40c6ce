"""Cameras' pictures over HTTP: `/<camera>.mjpg` is the stream, `/<camera>.jpg` one picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from simulators.web import Request, WebServer, answer

_BOUNDARY: Final = "frame"


class Source(Protocol):
    """A camera as its server sees it."""

    async def next_picture(self) -> bytes | None:
        """Wait for the next picture (JPEG), drawn once for all viewers; None: the camera sends nothing."""
        ...


class StreamServer:
    """One port with any number of cameras."""

    def __init__(self, host: str, port: int, hear: Callable[[], None] = lambda: None) -> None:
        self._hear = hear
        self.sources: dict[str, Source] = {}
        self._web = WebServer(host, port, self._handle)

    @property
    def port(self) -> int:
        return self._web.port

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await self._web.start()

    async def stop(self) -> None:
        await self._web.stop()

    async def _handle(self, request: Request, writer: asyncio.StreamWriter) -> None:
        name, _, ending = request.path.lstrip("/").rpartition(".")
        source = self.sources.get(name)
        if request.method != "GET" or source is None or ending not in ("mjpg", "jpg"):
            await answer(writer, 404, b"no such camera", "text/plain")
            return
        self._hear()
        picture = await source.next_picture()
        if picture is None:
            await answer(writer, 503, b"no signal", "text/plain")
        elif ending == "jpg":
            await answer(writer, 200, picture, "image/jpeg")
        else:
            await _send_stream(source, picture, writer)


async def _send_stream(source: Source, picture: bytes | None, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n"
        b"Content-Type: multipart/x-mixed-replace; boundary=" + _BOUNDARY.encode() + b"\r\n\r\n"
    )
    while picture is not None:
        writer.write(
            f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
            + picture
            + b"\r\n"
        )
        # A slow viewer waits here and then gets the newest picture: none are queued for it.
        await writer.drain()
        picture = await source.next_picture()
