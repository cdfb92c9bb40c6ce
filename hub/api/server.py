"""The API process: puts its parts together, serves until it is told to stop, ends every stream."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
import uvloop

from hub.api.application import make_application
from hub.api.audience import Audience
from hub.api.context import Context, Live
from hub.api.feed import Feed
from hub.api.listener import Listener
from hub.api.names import Names
from hub.api.pulse import Pulse
from hub.api.unreceipted import Unreceipted
from hub.dispatch.place import load_outfit
from hub.domain.error import ConfigurationError
from hub.settings import HttpSettings, HubSettings, check_http
from hub.store.database import open_pool
from hub.tls import ServerContext

POOL_SIZE: Final = 8
STOP_S: Final = 3
REFRESH_S: Final = 5.0
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn's own handling would end the process by the signal, not with a code."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_api(settings: HubSettings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Raises ConfigurationError."""

    async def main() -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await serve(settings, stop)

    # What was imported stays for good: the collector need not walk it while an alarm waits.
    gc.collect()
    gc.freeze()
    return uvloop.run(main())


async def serve(settings: HubSettings, stop: asyncio.Event) -> int:
    """Serve until `stop` is set; returns the exit code. Raises ConfigurationError."""
    faults = check_http(settings.http)
    if faults:
        raise ConfigurationError(faults)
    shown = ServerContext(settings.http.tls) if settings.http.tls else None
    outfit = load_outfit(settings)
    with contextlib.closing(_bind(settings.http)) as listening:
        pool = open_pool(settings.database, application="sanfang api", size=POOL_SIZE)
        names, audience, unreceipted = Names(), Audience(), Unreceipted()
        feed = Feed(settings.database, names, audience, unreceipted)
        listener = Listener(settings.broker, unreceipted, former=settings.former_broker)
        pulse = Pulse(feed, listener, unreceipted, names, audience)
        context = Context(settings, pool, names, outfit, Live(feed, pulse, audience, unreceipted))
        server = _Server(
            uvicorn.Config(
                make_application(context),
                proxy_headers=False,  # the door does, from the proxies of the settings alone
                server_header=False,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=STOP_S,
                ssl_context_factory=None if shown is None else lambda *_: shown.context,
            )
        )
        audience.open()
        feed.start()
        listener.start()
        beating = asyncio.create_task(pulse.beat_forever())
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        refreshing = asyncio.create_task(_refresh(shown)) if shown else stopping
        scheme = "https" if shown else "http"
        _log.info("serving at %s://%s:%d", scheme, settings.http.host, settings.http.port)
        try:
            await asyncio.wait({beating, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            audience.close()
            server.should_exit = True
            await serving
            if beating.done():
                _log.error("the pulse stopped", exc_info=beating.exception())
                return 1
            return 0 if stopping.done() else 1
        finally:
            for task in (beating, stopping, refreshing):
                task.cancel()
            await asyncio.to_thread(listener.stop)
            await asyncio.to_thread(feed.stop)
            await asyncio.to_thread(pool.close, 1.0)


async def _refresh(shown: ServerContext) -> None:
    """Put a renewed certificate in use soon after it was written, without a restart."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            if shown.refresh():
                _log.info("the renewed certificate is in use")
        except ConfigurationError as error:
            _log.error("the certificate in use stays: %s", error)


def _bind(http: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((http.host, http.port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            [f"http.port: cannot listen on {http.host}:{http.port} ({error.strerror}); choose another port"]
        ) from None
    return listening
