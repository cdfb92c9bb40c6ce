"""An export on its way to a client: its process, its bytes, and how many there are at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.api.exporter import EXIT_SLOW, EXIT_STORE, Order
from hub.domain.error import HubError, QueryTooSlow, StoreUnavailable
from hub.family import PARENT

MOST_AT_ONCE: Final = 2
LONGEST_S: Final = 600.0
"""Then it is broken off: ask for less time or fewer series."""
START_S: Final = 30.0
"""So long may the first page take."""
SEND_TIMEOUT_S: Final = 30.0
"""A client that takes no byte for so long is gone."""
WAIT_S: Final = 10
"""When to come again, where there is no room."""
_CHUNK_BYTES: Final = 65_536
_MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/jsonl; charset=utf-8",
}
_log = logging.getLogger(__name__)


class TooManyExports(HubError):
    """Other exports are running; come again when one has ended."""

    status = 429
    code = "too_many_exports"


class ExportFailed(HubError):
    """The export could not be made; the hub's log says why."""

    code = "export_failed"


class Shipments:
    """The exports of the API process. Belongs to the event loop."""

    def __init__(self) -> None:
        self.running = 0
        self.ended: Counter[str] = Counter()
        """By how they ended: whole, broken (our fault), gone (the client left)."""

    async def begin(self, order: Order) -> Response:
        """An answer that carries the file; its first bytes were made. Raises TooManyExports,
        StoreUnavailable, QueryTooSlow, ExportFailed.
        """
        if self.running >= MOST_AT_ONCE:
            raise TooManyExports(f"{MOST_AT_ONCE} exports are running; come again in {WAIT_S} s")
        self.running += 1
        process: Process | None = None
        try:
            process = await _start(order)
            first = await _first_bytes(process)
        except BaseException:
            await self._end(process, "broken")
            raise
        return _Shipment(self, process, first, order)

    async def finish(self, process: Process, how: str) -> None:
        """A shipment ended, one way or the other."""
        await self._end(process, how)

    async def _end(self, process: Process | None, how: str) -> None:
        self.running -= 1
        self.ended[how] += 1
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdout is not None:
            # What it had written is read away, or its pipe would stay open.
            while await process.stdout.read(_CHUNK_BYTES):
                pass
        await process.wait()


class _Shipment(Response):
    """Passes a file on, and breaks the connection where the file is not whole."""

    def __init__(self, shipments: Shipments, process: Process, first: bytes, order: Order) -> None:
        name = f"sanfang-{order.site}-{order.what}-{order.begin:%Y%m%dT%H%M%SZ}-{order.end:%Y%m%dT%H%M%SZ}"
        super().__init__(
            media_type=_MEDIA[order.form],
            headers={
                "Content-Disposition": f'attachment; filename="{name}.{order.form}"',
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )
        del self.headers["content-length"]
        self._shipments = shipments
        self._process = process
        self._first = first
        self._order = order

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_await_departure(receive))
        passing = asyncio.create_task(self._pass_on(send))
        how = "broken"
        try:
            await asyncio.wait({leaving, passing}, timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                how = passing.result()
            elif leaving.done():
                how = "gone"
        finally:
            for task in (leaving, passing):
                task.cancel()
            await asyncio.gather(leaving, passing, return_exceptions=True)
            await self._shipments.finish(self._process, how)
        if how == "broken":
            _log.error(
                "an export of %s at %s was broken off: its file is not whole",
                self._order.what,
                self._order.site,
            )

    async def _pass_on(self, send: Send) -> str:
        """Returns how it ended; only `whole` sent the last, empty chunk."""
        out = self._process.stdout
        if out is None:
            raise AssertionError("the process was started with a pipe")
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        chunk = self._first
        try:
            while chunk:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await out.read(_CHUNK_BYTES)
        except (TimeoutError, OSError):
            return "gone"
        if await self._process.wait():
            return "broken"
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return "whole"


async def _start(order: Order) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub.api.exporter",
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, PARENT: str(os.getpid())},
        limit=_CHUNK_BYTES,
    )
    if process.stdin is None:
        raise AssertionError("the process was started with a pipe")
    # By the pipe and not as an argument: the order holds the database's password.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(msgspec.json.encode(order))
        await process.stdin.drain()
    process.stdin.close()
    return process


async def _first_bytes(process: Process) -> bytes:
    if process.stdout is None:
        raise AssertionError("the process was started with a pipe")
    try:
        async with asyncio.timeout(START_S):
            first = await process.stdout.read(_CHUNK_BYTES)
            if first:
                return first
            code = await process.wait()
    except TimeoutError:
        raise QueryTooSlow(f"the first page of an export took more than {START_S:g} s") from None
    if code == EXIT_STORE:
        raise StoreUnavailable("the export's first page could not be read")
    if code == EXIT_SLOW:
        raise QueryTooSlow("the export's first page was broken off")
    raise ExportFailed("the export could not be made; the hub's log says why")


async def _await_departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
