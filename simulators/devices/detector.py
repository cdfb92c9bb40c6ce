"""Smoke and heat detectors over MQTT, each on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal

from pydantic import Field

from simulators.climate import Drift, at_hour
from simulators.device import Act, Surroundings, read_number, read_switch
from simulators.media import Media
from simulators.mqtt import MqttDevice, MqttSettings

_KINDS: Final = {
    "alarm": "fire.alarm",
    "fault": "fire.fault",
    "tamper": "device.tamper",
    "dirty": "smoke.dirty",
    "test": "fire.test",
}
_SMOKE_PCT_M: Final = 9.0
_FIRE_C: Final = 61.0


class Settings(MqttSettings):
    sort: Literal["smoke", "heat"] = "smoke"
    temperature_c: float = 22.0
    """Mean over the day."""
    battery_pct: int = Field(default=97, ge=0, le=100)


class Detector(MqttDevice):
    """A detector: conditions that begin and end, and what it measures meanwhile."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.sort = settings.sort
        self.battery = settings.battery_pct
        self.conditions = dict.fromkeys(_KINDS, False)
        self._mean_c = settings.temperature_c
        self._smoke = Drift(0.12, settle_s=6.0)
        self._heat = Drift(0.0, settle_s=20.0)
        self._show_state()

    def acts(self) -> Mapping[str, Act]:
        says = {
            "smoke": ("alarm", "smoke or heat reaches the detector, or is gone"),
            "fault": ("fault", "the detector has a fault, or is mended"),
            "tamper": ("tamper", "the detector is taken off its base, or put back"),
            "dirty": ("dirty", "the detector asks to be cleaned, or is clean"),
            "test": ("test", "the detector is under test, or no longer"),
        }
        acts = dict(super().acts())
        for verb, (condition, words) in says.items():
            acts[verb] = Act("on|off", words, partial(self._switch, condition))
        acts["battery"] = Act("PERCENT", "the battery has this charge", self._set_battery)
        return acts

    def set_condition(self, condition: str, active: bool) -> None:
        """Begin or end a condition; says nothing where nothing changes."""
        if self.conditions[condition] == active or (self.offline and not active):
            return
        self.tell(condition, _KINDS[condition], active)
        self.conditions[condition] = active
        if condition == "alarm":
            self._smoke.aim(_SMOKE_PCT_M if active and self.sort == "smoke" else 0.12)
            self._heat.aim(_FIRE_C - self._mean_c if active and self.sort == "heat" else 0.0)
        self._show_state()

    def sample(self) -> dict[str, float]:
        noise = self.chance.gauss
        temperature = at_hour(self._mean_c, 2.5, self.surroundings.hour()) + self._heat.value()
        return {
            "smoke_density_pct_m": round(max(0.0, self._smoke.value() + noise(0.0, 0.02)), 3),
            "temperature_c": round(temperature + noise(0.0, 0.08), 2),
            "battery": self.battery,
        }

    def _switch(self, condition: str, words: Sequence[str]) -> str:
        active = read_switch(words)
        self.require_online()
        self.set_condition(condition, active)
        self.measure_now()
        return f"{self.name}: {condition} {'on' if active else 'off'}"

    def _set_battery(self, words: Sequence[str]) -> str:
        self.require_online()
        self.battery = read_number(words, "charge", 0, 100)
        self.measure_now()
        return f"{self.name}: battery at {self.battery} %"

    def _show_state(self) -> None:
        self.show("state", {name: active for name, active in self.conditions.items() if name != "test"})


def build(settings: Settings, surroundings: Surroundings, media: Media) -> Detector:
    return Detector(settings, surroundings, media)
