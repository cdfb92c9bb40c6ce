"""Sirens over MQTT (family broadcast): they obey `set` and say what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from simulators.device import Act, Surroundings, read_switch
from simulators.media import Media
from simulators.mqtt import MqttDevice, MqttSettings

_SWITCH_DELAY_S: Final = 0.1


class Settings(MqttSettings):
    pass


class Siren(MqttDevice):
    """A siren. `jam` makes it deaf to commands."""

    takes_orders = True

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.sounding = False
        self.jammed = False
        self.command = ""
        self._show_state()

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "jam": Act("on|off", "the siren no longer obeys commands, or obeys again", self._jam),
        }

    def obey(self, fields: Mapping[str, Any]) -> None:
        """`{"command": id, "siren": "on|off"}`; anything else is ignored."""
        what, command = fields.get("siren"), fields.get("command")
        if what in ("on", "off") and isinstance(command, str):
            self.surroundings.soon(_SWITCH_DELAY_S, lambda: self._sound(what == "on", command))

    def _sound(self, sounding: bool, command: str) -> None:
        if self.jammed:
            return
        self.sounding, self.command = sounding, command
        self._show_state()

    def _jam(self, words: Sequence[str]) -> str:
        self.jammed = read_switch(words)
        return f"{self.name}: {'deaf' if self.jammed else 'obeys'}"

    def _show_state(self) -> None:
        fields: dict[str, str | int | float | bool] = {"siren": "on" if self.sounding else "off"}
        if self.command:
            fields["command"] = self.command
        self.show("state", fields)


def build(settings: Settings, surroundings: Surroundings, media: Media) -> Siren:
    return Siren(settings, surroundings, media)
