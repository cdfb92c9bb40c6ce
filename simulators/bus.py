"""Modbus TCP servers: one bus is one port with up to 247 units; each unit's memory is its device's own.

The device is the truth: its tables are copied into the server's registers at each request, and what
is written comes to the device before anything is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS: Final = 192
"""Size of each register table."""
BITS: Final = 32
"""Size of each bit table; a multiple of 16."""

_COILS: Final = (1, 5, 15)
_DISCRETE_INPUTS: Final = (2,)
_HOLDING: Final = (3, 6, 16, 22, 23)
_INPUT: Final = (4,)
_ECHO: Final = (5, 6)


class Unit(Protocol):
    """What a device shows on its bus. Tables are as long as the device has anything to show."""

    offline: bool

    def coils(self) -> Sequence[bool]: ...
    def discrete_inputs(self) -> Sequence[bool]: ...
    def holding_registers(self) -> Sequence[int]: ...
    def input_registers(self) -> Sequence[int]: ...

    def write_coil(self, address: int, value: bool) -> bool:
        """A coil is written; False where it cannot be."""
        ...


class ModbusBus:
    """One Modbus TCP port and the units behind it."""

    def __init__(self, host: str, port: int, hear: Callable[[], None] = lambda: None) -> None:
        self.host = host
        self.port = port
        self._hear = hear
        self._units: dict[int, Unit] = {}
        self._server: ModbusTcpServer | None = None

    def attach(self, number: int, unit: Unit) -> None:
        """Put a unit on the bus, before `start`."""
        self._units[number] = unit

    async def start(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        devices = [_make_memory(number, unit, self._hear) for number, unit in self._units.items()]
        # A unit that is missing or silent gets no answer, as on a real bus.
        server = ModbusTcpServer(devices, address=(self.host, self.port), ignore_missing_devices=True)
        if not await server.listen():
            raise OSError(f"cannot listen on {self.host}:{self.port}; is the port in use?")
        self._server = server

    async def stop(self) -> None:
        """Close the port and all its connections."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # the library has no type here
            self._server = None


def _make_memory(number: int, unit: Unit, hear: Callable[[], None]) -> SimDevice:
    def bits() -> list[SimData]:
        return [SimData(0, count=BITS, values=False, datatype=DataType.BITS)]

    def registers() -> list[SimData]:
        return [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)]

    return SimDevice(
        id=number,
        simdata=(bits(), bits(), registers(), registers()),
        action=partial(_serve, unit, hear),
    )


async def _serve(
    unit: Unit,
    hear: Callable[[], None],
    function: int,
    _start: int,
    address: int,
    _count: int,
    registers: list[int],
    values: list[int] | list[bool] | None,
) -> ExcCodes | None:
    hear()
    if unit.offline:
        raise NoSuchIdException("the unit is silent")
    if values is not None:
        if function not in _COILS:
            return ExcCodes.ILLEGAL_FUNCTION
        written = [unit.write_coil(address + offset, bool(value)) for offset, value in enumerate(values)]
        return None if all(written) else ExcCodes.ILLEGAL_ADDRESS
    # Read back with a writing function is the echo of the request: what was written stands there now.
    if function in _ECHO:
        return None
    if function in _COILS:
        _fill_bits(registers, unit.coils())
    elif function in _DISCRETE_INPUTS:
        _fill_bits(registers, unit.discrete_inputs())
    elif function in _HOLDING:
        _fill(registers, unit.holding_registers())
    elif function in _INPUT:
        _fill(registers, unit.input_registers())
    return None


def _fill(registers: list[int], values: Sequence[int]) -> None:
    registers[: len(values)] = values


def _fill_bits(registers: list[int], bits: Sequence[bool]) -> None:
    for word in range(BITS // 16):
        registers[word] = sum(1 << place for place, bit in enumerate(bits[word * 16 : word * 16 + 16]) if bit)
