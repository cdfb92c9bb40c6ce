"""Electrical fire monitors over Modbus TCP, one unit each.

Input registers: 0 leakage (0.1 mA), 1 cable temperature (0.1 °C, signed), 2 current (0.01 A),
3 voltage (0.1 V), 4 status bits (0 leakage alarm, 1 overheat alarm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from pydantic import Field

from simulators.climate import Drift, at_hour
from simulators.device import Act, Surroundings, read_switch
from simulators.media import Media
from simulators.modbus import ModbusDevice, ModbusSettings, signed

_LEAKAGE_MA: Final = 420.0
_OVERHEAT_C: Final = 82.0
_KINDS: Final = {"leak": (0, "electrical.leakage"), "overheat": (1, "electrical.overheat")}


class Settings(ModbusSettings):
    leakage_ma: float = Field(default=18.0, ge=0.0, le=250.0)
    current_a: float = Field(default=24.0, ge=0.0, le=600.0)


class ElectricalMonitor(ModbusDevice):
    """A distribution board under watch."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self._settings = settings
        self.conditions = dict.fromkeys(_KINDS, False)
        self._leak = Drift(0.0, settle_s=3.0)
        self._heat = Drift(0.0, settle_s=10.0)

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "leak": Act("on|off", "residual current rises above its limit", partial(self._switch, "leak")),
            "overheat": Act("on|off", "a cable gets too hot", partial(self._switch, "overheat")),
        }

    def input_registers(self) -> Sequence[int]:
        noise = self.chance.gauss
        load = self.surroundings.bustle()
        leakage = self._settings.leakage_ma * (0.8 + 0.4 * load) + self._leak.value() + noise(0.0, 0.4)
        heat = at_hour(26.0, 2.0, self.surroundings.hour()) + 8.0 * load + self._heat.value()
        current = self._settings.current_a * load * (1.0 + noise(0.0, 0.02))
        voltage = 229.0 - 3.0 * load + noise(0.0, 0.4)
        status = sum(1 << _KINDS[name][0] for name, active in self.conditions.items() if active)
        return (
            _clip(leakage * 10),
            signed(round((heat + noise(0.0, 0.1)) * 10)),
            _clip(current * 100),
            _clip(voltage * 10),
            status,
        )

    def _switch(self, condition: str, words: Sequence[str]) -> str:
        on = read_switch(words)
        self.require_online()
        if self.conditions[condition] != on:
            self.report(_KINDS[condition][1], on)
            self.conditions[condition] = on
            if condition == "leak":
                self._leak.aim(_LEAKAGE_MA if on else 0.0)
            else:
                self._heat.aim(_OVERHEAT_C - 34.0 if on else 0.0)
        return f"{self.name}: {condition} {'on' if on else 'off'}"


def _clip(value: float) -> int:
    return min(max(round(value), 0), 0xFFFF)


def build(settings: Settings, surroundings: Surroundings, media: Media) -> ElectricalMonitor:
    return ElectricalMonitor(settings, surroundings, media)
