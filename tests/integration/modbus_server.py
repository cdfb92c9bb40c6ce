"""Modbus TCP servers for tests: pymodbus' own, and one that answers as badly as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

BITS = 32
REGISTERS = 192


class Tables:
    """One unit's memory. `writes` lists what was written to coils; `on_write` may act on it."""

    def __init__(self) -> None:
        self.coils = [0] * BITS
        self.discrete = [0] * BITS
        self.input = [0] * REGISTERS
        self.holding = [0] * REGISTERS
        self.writes: list[tuple[int, int]] = []
        self.requests: list[tuple[int, int, int]] = []
        """(function, address, count) of every read."""
        self.on_write: Callable[[int, int], None] = self.coils.__setitem__
        self.silent = False

    async def serve(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if self.silent:
            raise NoSuchIdException("silent")
        if values is not None:
            for offset, value in enumerate(values):
                self.writes.append((address + offset, int(value)))
                self.on_write(address + offset, int(value))
        elif function in (1, 2):
            self.requests.append((function, address, count))
            bits = self.coils if function == 1 else self.discrete
            for word in range(BITS // 16):
                registers[word] = sum(bit << n for n, bit in enumerate(bits[word * 16 : word * 16 + 16]))
        elif function in (3, 4):
            self.requests.append((function, address, count))
            words = self.holding if function == 3 else self.input
            registers[: len(words)] = words
        return None


@asynccontextmanager
async def serving(port: int, units: dict[int, Tables]) -> AsyncIterator[ModbusTcpServer]:
    """A real pymodbus server with these units; one that is missing gets no answer."""
    devices = [
        SimDevice(
            id=number,
            simdata=(
                [SimData(0, count=BITS, values=False, datatype=DataType.BITS)],
                [SimData(0, count=BITS, values=False, datatype=DataType.BITS)],
                [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)],
                [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)],
            ),
            action=partial(tables.serve),
        )
        for number, tables in units.items()
    ]
    server = ModbusTcpServer(devices, address=("127.0.0.1", port), ignore_missing_devices=True)
    assert await server.listen()
    try:
        yield server
    finally:
        await server.shutdown()


Answer = Callable[[bytes], bytes]
"""From a request's whole frame to what is sent back."""


@asynccontextmanager
async def misbehaving(port: int, answer: Answer) -> AsyncIterator[None]:
    """A server that sends back whatever `answer` makes of each request."""

    speaking: set[asyncio.Task[None] | None] = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaking.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[4:6], "big"))
                writer.write(answer(frame))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await asyncio.gather(*(task for task in speaking if task))


def framed(request: bytes, body: bytes, *, unit: int | None = None, transaction: int = 0) -> bytes:
    """An answer frame to a request: function code and data in `body`."""
    number = (int.from_bytes(request[:2], "big") + transaction) & 0xFFFF
    head = number.to_bytes(2, "big") + b"\0\0" + (len(body) + 1).to_bytes(2, "big")
    return head + bytes([request[6] if unit is None else unit]) + body


def healthy(request: bytes, *, word: int = 0) -> bytes:
    """What a healthy device full of this value would answer."""
    function, count = request[7], int.from_bytes(request[10:12], "big")
    if function in (1, 2):
        size = -(-count // 8)
        return framed(request, bytes([function, size]) + bytes(size))
    return framed(request, bytes([function, count * 2]) + word.to_bytes(2, "big") * count)
