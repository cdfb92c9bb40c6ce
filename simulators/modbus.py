"""Devices that are units of a Modbus bus."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from simulators.device import Device, DeviceSettings, Surroundings
from simulators.media import Media


class ModbusSettings(DeviceSettings):
    """A Modbus device's part of campus.yaml: which bus, which unit."""

    bus: str
    unit: int = Field(default=1, ge=1, le=247)


class ModbusDevice(Device):
    """Base of the Modbus families: empty tables, nothing writable."""

    def __init__(self, settings: ModbusSettings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings)
        media.buses[settings.bus].attach(settings.unit, self)

    def coils(self) -> Sequence[bool]:
        return ()

    def discrete_inputs(self) -> Sequence[bool]:
        return ()

    def holding_registers(self) -> Sequence[int]:
        return ()

    def input_registers(self) -> Sequence[int]:
        return ()

    def write_coil(self, address: int, value: bool) -> bool:
        return False


def signed(value: int) -> int:
    """A signed number as an unsigned 16-bit register."""
    return value & 0xFFFF
