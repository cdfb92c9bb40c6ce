"""Environment sensors over MQTT: rooms, fridges, gas in laboratory and kitchen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import model_validator

from simulators.climate import Drift, at_hour
from simulators.device import Act, OrderRefused, Surroundings, read_switch
from simulators.media import Media
from simulators.mqtt import MqttDevice, MqttSettings

_GAS_LEL_PCT: Final = 28.0
_CO_PPM: Final = 180.0


class Settings(MqttSettings):
    temperature_c: float | None = None
    """Mean over the day; absent: measures no temperature."""
    swing_c: float = 1.5
    warm_c: float = 15.0
    """Where the temperature goes after `warm on`."""
    humidity_pct: float | None = None
    gas: bool = False
    co: bool = False

    @model_validator(mode="after")
    def _measures_something(self) -> Settings:
        if self.temperature_c is None and self.humidity_pct is None and not self.gas and not self.co:
            raise ValueError("measures nothing; give temperature_c, humidity_pct, gas or co")
        return self


class EnvironmentSensor(MqttDevice):
    """A sensor that only measures; alarms are the edge's business."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        self._settings = settings
        self._warmth = Drift(0.0, settle_s=12.0)
        self._gas = Drift(0.0, settle_s=5.0)
        self._co = Drift(0.0, settle_s=8.0)
        super().__init__(settings, surroundings, media)

    def acts(self) -> Mapping[str, Act]:
        acts = dict(super().acts())
        if self._settings.temperature_c is not None:
            acts["warm"] = Act("on|off", "it gets too warm, or cools down", self._warm)
        if self._settings.gas:
            acts["gas"] = Act("on|off", "combustible gas leaks, or is aired out", self._leak_gas)
        if self._settings.co:
            acts["co"] = Act("on|off", "carbon monoxide gathers, or is aired out", self._leak_co)
        return acts

    def sample(self) -> dict[str, float]:
        settings, hour, noise = self._settings, self.surroundings.hour(), self.chance.gauss
        fields: dict[str, float] = {}
        if settings.temperature_c is not None:
            temperature = at_hour(settings.temperature_c, settings.swing_c, hour) + self._warmth.value()
            fields["temperature_c"] = round(temperature + noise(0.0, 0.06), 2)
        if settings.humidity_pct is not None:
            humidity = at_hour(settings.humidity_pct, -6.0, hour) + noise(0.0, 0.3)
            fields["humidity_pct"] = round(min(max(humidity, 0.0), 100.0), 1)
        if settings.gas:
            fields["gas_lel_pct"] = round(max(0.0, self._gas.value() + noise(0.3, 0.1)), 2)
        if settings.co:
            fields["co_ppm"] = round(max(0.0, self._co.value() + noise(1.5, 0.4)), 1)
        return fields

    def _warm(self, words: Sequence[str]) -> str:
        mean = self._settings.temperature_c
        if mean is None:
            raise OrderRefused(f"{self.name} measures no temperature")
        return self._aim(words, self._warmth, self._settings.warm_c - mean, "warm")

    def _leak_gas(self, words: Sequence[str]) -> str:
        return self._aim(words, self._gas, _GAS_LEL_PCT, "gas")

    def _leak_co(self, words: Sequence[str]) -> str:
        return self._aim(words, self._co, _CO_PPM, "carbon monoxide")

    def _aim(self, words: Sequence[str], drift: Drift, target: float, what: str) -> str:
        on = read_switch(words)
        self.require_online()
        drift.aim(target if on else 0.0)
        self.measure_now()
        return f"{self.name}: {what} {'on' if on else 'off'}"


def build(settings: Settings, surroundings: Surroundings, media: Media) -> EnvironmentSensor:
    return EnvironmentSensor(settings, surroundings, media)
