"""One-key alarm buttons over MQTT."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pydantic import Field

from simulators.device import Act, Surroundings, read_nothing, read_number, read_switch
from simulators.media import Media
from simulators.mqtt import MqttDevice, MqttSettings

STATUS_S: Final = 120.0
"""Seconds between two words of a supervised button that nobody touches."""


class Settings(MqttSettings):
    battery_pct: int = Field(default=95, ge=0, le=100)


class PanicButton(MqttDevice):
    """A button with a battery and a tamper contact."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.battery = settings.battery_pct
        self.tampered = False
        self._show_status()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [*super().tasks(), self._check_in()]

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "press": Act("", "someone presses the alarm button", partial(self._press, "pressed")),
            "duress": Act("", "someone gives the silent duress signal", partial(self._press, "duress")),
            "medical": Act("", "someone asks for the doctor", partial(self._press, "medical")),
            "test": Act("", "the button is tested", partial(self._press, "test")),
            "battery": Act("PERCENT", "the battery has this charge", self._set_battery),
            "tamper": Act("on|off", "the housing is opened, or closed", self._tamper),
        }

    def _press(self, word: str, words: Sequence[str]) -> str:
        read_nothing(words)
        self.tell(word, _KINDS[word])
        return f"{self.name}: {word}"

    def _set_battery(self, words: Sequence[str]) -> str:
        self.require_online()
        self.battery = read_number(words, "charge", 0, 100)
        self._show_status()
        return f"{self.name}: battery at {self.battery} %"

    def _tamper(self, words: Sequence[str]) -> str:
        self.require_online()
        self.tampered = read_switch(words)
        self.report("device.tamper", self.tampered)
        self._show_status()
        return f"{self.name}: tamper {'on' if self.tampered else 'off'}"

    async def _check_in(self) -> None:
        while True:
            await self.surroundings.pause(self.chance.uniform(0.9, 1.1) * STATUS_S)
            if not self.offline:
                self._show_status()

    def _show_status(self) -> None:
        self.show("status", {"battery": self.battery, "tamper": self.tampered})


_KINDS = {
    "pressed": "panic.pressed",
    "duress": "panic.duress",
    "medical": "medical.requested",
    "test": "panic.test",
}


def build(settings: Settings, surroundings: Surroundings, media: Media) -> PanicButton:
    return PanicButton(settings, surroundings, media)
