"""One Modbus connection: one request in flight, every answer checked, errors in three sorts."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from adapters.modbus.plan import Span
from adapters.profile.modbus import BIT_TABLES, Table

# The library logs every failed request; the host logs once when a device goes and once when it is back.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

_EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, busy",
    6: "busy",
    8: "memory parity",
    10: "gateway path unavailable",
    11: "gateway target silent",
}
_GATEWAY_SILENT: Final = (10, 11)


class BusLost(Exception):
    """There is no connection."""


class NoAnswer(Exception):
    """The device did not answer in time."""


class WrongAnswer(Exception):
    """The device answered, but not with what was asked for."""


class ModbusTcpBus:
    """A Modbus TCP connection to a device or a gateway. `timeout_s` is for each request."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Connect where there is no connection; raises BusLost."""
        async with self._turn:
            if self.connected:
                return
            host, port = self._address
            if self._client is not None:
                self._client.close()
            self._client = AsyncModbusTcpClient(
                host, port=port, timeout=self._timeout_s, retries=0, reconnect_delay=0
            )
            connected = await self._client.connect()
            _honour_cancellation()
            if not connected:
                raise BusLost(f"{host}:{port} does not answer")

    def close(self) -> None:
        """Let go; safe to call twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, unit: int, span: Span) -> list[int]:
        """The values of a span, bits as 0 and 1. Raises BusLost, NoAnswer, WrongAnswer."""
        async with self._turn:
            client = self._require()
            ask = {
                "coil": client.read_coils,
                "discrete": client.read_discrete_inputs,
                "input": client.read_input_registers,
                "holding": client.read_holding_registers,
            }[span.table]
            try:
                answer = await ask(span.at, count=span.count, device_id=unit)
                _honour_cancellation()
            except ModbusException as error:
                _honour_cancellation()
                raise self._explain(error) from None
        where = f"{span.table} {span.at}+{span.count}"
        _refuse_exception(answer, where)
        values = [int(bit) for bit in answer.bits] if span.table in BIT_TABLES else list(answer.registers)
        # Bits come in whole bytes; anything else that is longer or shorter was not our answer.
        expected = -(-span.count // 8) * 8 if span.table in BIT_TABLES else span.count
        if len(values) != expected or answer.function_code != _READ_CODES[span.table]:
            raise WrongAnswer(f"{where}: {len(values)} values of function {answer.function_code}")
        return values[: span.count]

    async def write(self, unit: int, table: Table, at: int, value: int) -> None:
        """Write one coil or holding register. Raises BusLost, NoAnswer, WrongAnswer."""
        async with self._turn:
            client = self._require()
            try:
                if table == "coil":
                    answer = await client.write_coil(at, bool(value), device_id=unit)
                else:
                    answer = await client.write_register(at, value, device_id=unit)
                _honour_cancellation()
            except ModbusException as error:
                _honour_cancellation()
                raise self._explain(error) from None
        _refuse_exception(answer, f"write {table} {at}")

    def _require(self) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            raise BusLost("{}:{} is not connected".format(*self._address))
        return self._client

    def _explain(self, error: ModbusException) -> Exception:
        if not self.connected:
            return BusLost(f"{self._address[0]}:{self._address[1]} hung up")
        return NoAnswer(f"no answer within {self._timeout_s:g} s ({error})")


_READ_CODES: Final[dict[Table, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


def _honour_cancellation() -> None:
    # The library waits by asyncio.wait_for, which up to Python 3.11 swallows a cancellation that comes
    # together with the answer; a poller that is told to stop must not go on for ever.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _refuse_exception(answer: ModbusPDU, where: str) -> None:
    if not answer.isError():
        return
    code = int(getattr(answer, "exception_code", 0))
    detail = f"{where}: exception {code} ({_EXCEPTIONS.get(code, 'unknown')})"
    # Behind a gateway a dead unit shows as an answer of the gateway.
    raise NoAnswer(detail) if code in _GATEWAY_SILENT else WrongAnswer(detail)
