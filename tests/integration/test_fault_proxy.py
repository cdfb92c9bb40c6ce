"""The fault proxy itself: each fault does to a connection what its name says, and healing ends it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from sanfang.ports import LOOPBACK
from tests.faults.proxy import FaultProxy, Way
from tests.waiting import wait_until


class Echo:
    """A server that sends back what it hears and remembers how its connections ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = b""
        self.ends: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            try:
                while data := line.recv(65_536):
                    self.heard += data
                    line.sendall(data)
                self.ends.append("fin")
            except ConnectionError:
                self.ends.append("reset")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(echo.port) as one:
        yield one


def call(proxy: FaultProxy) -> socket.socket:
    line = socket.create_connection((LOOPBACK, proxy.port), timeout=5.0)
    line.sendall(b"hello")
    assert take(line, 5) == b"hello"
    return line


def take(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := line.recv(count - len(data))):
        data += more
    return data


def hears_nothing(line: socket.socket) -> bool:
    line.settimeout(0.2)
    try:
        return line.recv(10) is None
    except TimeoutError:
        return True
    finally:
        line.settimeout(5.0)


def test_it_forwards_and_ends_as_its_ends_do(proxy: FaultProxy, echo: Echo) -> None:
    with call(proxy) as line:
        big = bytes(range(256)) * 4_000
        threading.Thread(target=line.sendall, args=(big,)).start()
        assert take(line, len(big)) == big
    wait_until(lambda: echo.ends == ["fin"], why="the server hears the end")
    wait_until(lambda: proxy.open_connections == 0)


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_ends_both_sides_and_new_ones_come_through(proxy: FaultProxy, echo: Echo, reset: bool) -> None:
    with call(proxy) as line:
        assert proxy.cut(reset=reset) == 1
        if reset:
            with pytest.raises(ConnectionResetError):
                line.recv(1)
        else:
            assert line.recv(1) == b""
    wait_until(lambda: echo.ends == ["reset" if reset else "fin"])
    call(proxy).close()


def test_one_way_can_end_while_the_other_goes_on(proxy: FaultProxy, echo: Echo) -> None:
    with call(proxy) as line:
        proxy.shut(Way.UP)
        wait_until(lambda: echo.ends == ["fin"], why="the server hears the end")
        assert line.recv(1) == b""  # its own answer to that


def test_refused_connections_are_refused_and_open_ones_stay(proxy: FaultProxy) -> None:
    with call(proxy) as line:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            call(proxy)
        line.sendall(b"still")
        assert take(line, 5) == b"still"
        proxy.heal()
        call(proxy).close()


def test_delay_is_latency_and_throttle_is_rate(proxy: FaultProxy) -> None:
    with call(proxy) as line:
        proxy.delay(150)
        begun = time.monotonic()
        line.sendall(b"slow1")
        line.sendall(b"slow2")
        assert take(line, 10) == b"slow1slow2"
        assert 0.3 <= time.monotonic() - begun < 1.5
        proxy.heal()
        proxy.throttle(100_000, Way.UP)
        begun = time.monotonic()
        line.sendall(bytes(50_000))
        assert len(take(line, 50_000)) == 50_000
        assert time.monotonic() - begun >= 0.3


def test_a_stalled_line_loses_nothing(proxy: FaultProxy) -> None:
    with call(proxy) as line:
        proxy.stall(Way.DOWN)
        line.sendall(b"later")
        assert hears_nothing(line)
        proxy.heal()
        assert take(line, 5) == b"later"


def test_a_half_open_line_stays_dead_and_silent(proxy: FaultProxy, echo: Echo) -> None:
    with call(proxy) as line:
        proxy.swallow()
        line.sendall(b"lost")
        assert hears_nothing(line)
        proxy.heal()
        line.sendall(b"lost, too")
        assert hears_nothing(line)
        call(proxy).close()  # a new one passes
        assert echo.heard == b"hellohello"
    wait_until(lambda: echo.ends == ["fin"], why="the second line has ended")
    wait_until(lambda: proxy.open_connections == 1, why="the server's side of the dead line stays open")
    assert proxy.cut() == 1
    wait_until(lambda: sorted(echo.ends) == ["fin", "reset"])


def test_half_open_one_way_still_passes_the_other(proxy: FaultProxy, echo: Echo) -> None:
    with call(proxy) as line:
        proxy.swallow(Way.DOWN)
        line.sendall(b"up")
        wait_until(lambda: echo.heard == b"helloup")
        assert hears_nothing(line)


def test_a_truncated_message_ends_in_a_reset(proxy: FaultProxy, echo: Echo) -> None:
    with call(proxy) as line:
        proxy.truncate(3, Way.UP)
        line.sendall(b"truncated")
        with pytest.raises(ConnectionResetError):
            while line.recv(10):
                pass
    wait_until(lambda: echo.heard == b"hellotru")


def test_a_damaged_byte_arrives_damaged_once(proxy: FaultProxy) -> None:
    with call(proxy) as line:
        proxy.corrupt(1, Way.UP)
        line.sendall(b"aaaaa")
        assert take(line, 5) == b"aaAaa"
        line.sendall(b"aaaaa")
        assert take(line, 5) == b"aaaaa"


def test_a_server_that_is_away_is_a_cut(free_port: int) -> None:
    with FaultProxy(free_port) as proxy, socket.create_connection((LOOPBACK, proxy.port), timeout=5.0) as line:
        line.settimeout(5.0)
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""
