"""A TCP proxy that breaks connections on purpose, in the ways in which networks do.

It stands on the loopback before one server; a test connects the program under test to `port` and then orders
faults. Each order holds for the connections that are open and for those that come, until `heal`. The proxy
runs in a thread of its own; every method may be called from any thread and returns when the order is in force.

What it cannot do: leave bytes unacknowledged. The kernel on our side acknowledges all it takes, so that the
peers' `TCP_USER_TIMEOUT` and keep-alives see a healthy line. `swallow` is therefore the harder half-open line:
only a deadline of the program itself finds it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from types import TracebackType
from typing import Final, Self, TypeVar

from sanfang.ports import LOOPBACK
from tests.ports import reserve_port

_CHUNK: Final = 16_384
_HELD_CHUNKS: Final = 64
"""Chunks of one direction that may wait for a delay; then the sender waits (about 1 MB)."""
_ORDER_S: Final = 10.0
_CONNECT_S: Final = 5.0
_Answer = TypeVar("_Answer")
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: the close is an RST."""


class Way(Enum):
    """Which of a connection's two streams an order is about."""

    UP = "client to server"
    DOWN = "server to client"
    BOTH = "both"

    @property
    def each(self) -> tuple[Way, ...]:
        return (Way.UP, Way.DOWN) if self is Way.BOTH else (self,)


class _Weather:
    """What holds for one way at the moment, for all connections."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self.swallowing = False
        self.allowance: int | None = None
        """Bytes each connection may still pass before it is cut; None is without end."""
        self.corrupting = 0
        """Chunks still to be damaged."""
        self.flowing = asyncio.Event()
        self.flowing.set()


class _Pipe:
    """One way of one connection: reads, waits, writes."""

    def __init__(self, weather: _Weather, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self.weather = weather
        self.source = source
        self.sink = sink
        self.lost = False
        """It has swallowed something: nothing after the hole may ever pass."""
        self.allowance = weather.allowance
        self.passed = 0
        self.swallowed = 0
        self._held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD_CHUNKS)

    async def run(self) -> bool:
        """Until the source ends (False), or the allowance is used up (True: cut all). Raises OSError."""
        reading, writing = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write())
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            return await writing
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        while data := await self.source.read(_CHUNK):
            await self._held.put((clock() + self.weather.delay_s, data))
        await self._held.put((clock() + self.weather.delay_s, b""))

    async def _write(self) -> bool:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await self._held.get()
            await asyncio.sleep(max(0.0, due - clock()))
            await self.weather.flowing.wait()
            if self.lost or self.weather.swallowing:
                # Also the end of the stream goes nowhere: the other side must not notice anything.
                self.lost = True
                self.swallowed += len(data)
                if not data:
                    await asyncio.Event().wait()
                continue
            if not data:
                with suppress(OSError):
                    self.sink.write_eof()
                return False
            if await self._pass(data):
                return True

    async def _pass(self, data: bytes) -> bool:
        """Write on; whether the allowance is used up now."""
        if self.weather.corrupting:
            self.weather.corrupting -= 1
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 0x20]) + data[middle + 1 :]
        if self.allowance is not None:
            data = data[: self.allowance]
            self.allowance -= len(data)
        if data:
            self.sink.write(data)
            self.passed += len(data)
            await self.sink.drain()
        if self.weather.bytes_per_s:
            await asyncio.sleep(len(data) / self.weather.bytes_per_s)
        return self.allowance == 0


class _Connection:
    """Two pipes that live and die together."""

    def __init__(self, up: _Pipe, down: _Pipe) -> None:
        self.pipes = {Way.UP: up, Way.DOWN: down}
        self.task: asyncio.Task[object] | None = None

    async def run(self) -> None:
        cutting = [asyncio.ensure_future(pipe.run()) for pipe in self.pipes.values()]
        try:
            waiting = set(cutting)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    if one.exception() is not None or one.result():
                        if any(pipe.lost for pipe in self.pipes.values()) and one.exception() is not None:
                            # One end broke a line that is half-open: the other must not hear of it.
                            await asyncio.Event().wait()
                        return
        finally:
            for one in cutting:
                one.cancel()
            await asyncio.gather(*cutting, return_exceptions=True)

    def close(self, *, reset: bool) -> None:
        for pipe in self.pipes.values():
            transport = pipe.sink.transport
            if reset:
                sock = transport.get_extra_info("socket")
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            else:
                transport.close()


class FaultProxy:
    """`with FaultProxy(server_port) as proxy:` … connect to `proxy.port`, order faults, `heal`."""

    def __init__(self, target_port: int, *, port: int | None = None, host: str = LOOPBACK) -> None:
        """Stands at `host`:`port`, both of the loopback, before `target_port`."""
        self.host = host
        self.port = reserve_port() if port is None else port
        self._target = (LOOPBACK, target_port)
        self._weather: dict[Way, _Weather] = {}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"faults-{self.port}", daemon=True)
        self.accepted = 0
        """Connections taken so far."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        self._thread.start()
        self._order(self._make_weather)
        self.accept()

    def stop(self) -> None:
        """Cut everything and end the thread."""

        async def end() -> None:
            await self._close_listener()
            tasks = [connection.task for connection in self._connections if connection.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(_ORDER_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ORDER_S)
        self._loop.close()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    # The orders.

    def cut(self, *, reset: bool = True) -> int:
        """End all connections, by RST or by FIN, and go on taking new ones; how many there were."""

        def act() -> int:
            ending = list(self._connections)
            for connection in ending:
                connection.close(reset=reset)
                if connection.task is not None:
                    connection.task.cancel()
            return len(ending)

        return self._order(act)

    def shut(self, way: Way) -> None:
        """Say FIN on one way of all open connections; the other way goes on."""

        def act() -> None:
            for connection in self._connections:
                for one in way.each:
                    connection.pipes[one].source.feed_eof()

        self._order(act)

    def refuse(self) -> None:
        """Take no new connection (they are refused); open ones stay."""
        asyncio.run_coroutine_threadsafe(self._close_listener(), self._loop).result(_ORDER_S)

    def accept(self) -> None:
        """Take new connections again."""

        async def listen() -> None:
            if self._server is None:
                self._server = await asyncio.start_server(self._serve, self.host, self.port)

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(_ORDER_S)

    def delay(self, milliseconds: float, way: Way = Way.BOTH) -> None:
        """Each byte arrives so much later; the rate stays."""
        self._set(way, lambda weather: setattr(weather, "delay_s", milliseconds / 1_000))

    def throttle(self, bytes_per_s: float, way: Way = Way.BOTH) -> None:
        """Each connection passes so many bytes per second; 0 is without limit."""
        self._set(way, lambda weather: setattr(weather, "bytes_per_s", bytes_per_s))

    def stall(self, way: Way = Way.BOTH) -> None:
        """Nothing passes, nothing is lost: after `heal` it flows on (a cable pulled and put back)."""
        self._set(way, lambda weather: weather.flowing.clear())

    def swallow(self, way: Way = Way.BOTH) -> None:
        """Half-open: bytes are taken and vanish, the sockets stay. A connection that has lost bytes passes
        nothing on that way ever again, not even its end, also after `heal`; `cut` ends it."""
        self._set(way, lambda weather: setattr(weather, "swallowing", True))

    def truncate(self, after_bytes: int, way: Way = Way.BOTH) -> None:
        """Each connection passes so many bytes more on that way, then it is reset."""

        def act() -> None:
            for one in way.each:
                self._weather[one].allowance = after_bytes
                for connection in self._connections:
                    connection.pipes[one].allowance = after_bytes

        self._order(act)

    def corrupt(self, chunks: int = 1, way: Way = Way.BOTH) -> None:
        """Flip one bit in the middle of each of the next chunks (what one read gave, at most 16 kB)."""
        self._set(way, lambda weather: setattr(weather, "corrupting", chunks))

    def heal(self) -> None:
        """Forward again and take new connections; lines that have a hole stay dead (see `swallow`)."""

        def act() -> None:
            for way, old in self._weather.items():
                new = _Weather()
                old.flowing.set()
                old.delay_s = old.bytes_per_s = 0.0
                self._weather[way] = new
                for connection in self._connections:
                    connection.pipes[way].weather = new
                    connection.pipes[way].allowance = None

        self._order(act)
        self.accept()

    # In the proxy's thread.

    def _make_weather(self) -> None:
        self._weather = {Way.UP: _Weather(), Way.DOWN: _Weather()}

    def _set(self, way: Way, change: Callable[[_Weather], None]) -> None:
        self._order(lambda: [change(self._weather[one]) for one in way.each])

    def _order(self, act: Callable[[], _Answer]) -> _Answer:
        async def obey() -> _Answer:
            return act()

        return asyncio.run_coroutine_threadsafe(obey(), self._loop).result(_ORDER_S)

    async def _close_listener(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            async with asyncio.timeout(_CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:  # TimeoutError is one
            writer.transport.abort()
            return
        for one in (writer, far_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(
            _Pipe(self._weather[Way.UP], reader, far_writer), _Pipe(self._weather[Way.DOWN], far_reader, writer)
        )
        connection.task = asyncio.current_task()
        self._connections.add(connection)
        reset = True
        try:
            await connection.run()
            reset = any(pipe.allowance == 0 for pipe in connection.pipes.values())
        except asyncio.CancelledError:
            pass  # cut, or the proxy stops; streams would report it as an error
        finally:
            self._connections.discard(connection)
            connection.close(reset=reset)


@contextmanager
def standing_before(*ports: int) -> Iterator[tuple[FaultProxy, ...]]:
    """One started proxy before each of the given servers."""
    proxies = tuple(FaultProxy(port) for port in ports)
    try:
        for proxy in proxies:
            proxy.start()
        yield proxies
    finally:
        for proxy in proxies:
            proxy.stop()
