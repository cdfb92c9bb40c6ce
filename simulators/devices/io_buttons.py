"""An input/output module over Modbus TCP with the dry contacts of eight one-key buttons.

Discrete inputs: 0–7 raw, 8–15 latched, 16–17 output feedback. Input registers 0–7: press counters.
Coils: 0–7 write 1 to clear a latch (read 0), 16–17 relay outputs (siren, strobe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from simulators.device import Act, Surroundings, read_nothing, read_number
from simulators.media import Media
from simulators.modbus import ModbusDevice, ModbusSettings

CHANNELS: Final = 8
_OUTPUTS: Final = 2
_FIRST_OUTPUT: Final = 16
_PRESS_S: Final = 0.12
"""A short press: often over before the next poll."""
_RELAY_DELAY_S: Final = 0.05

Channel = Annotated[int, Field(ge=0, lt=CHANNELS)]


class Settings(ModbusSettings):
    names: dict[str, Channel] = Field(default_factory=dict)
    """Names of the buttons at the channels, so that orders can be given in words."""


class ButtonModule(ModbusDevice):
    """The module: a press sets the raw input for a moment, the latch until cleared, and counts."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.raw = [False] * CHANNELS
        self.latched = [False] * CHANNELS
        self.presses = [0] * CHANNELS
        self.outputs = [False] * _OUTPUTS
        self.feedback = [False] * _OUTPUTS
        self._names = {name: str(channel) for name, channel in settings.names.items()}

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "press": Act("CHANNEL", "someone presses the button at this channel (0 to 7)", self._press),
        }

    def parts(self) -> Mapping[str, str]:
        return self._names

    def discrete_inputs(self) -> Sequence[bool]:
        return [*self.raw, *self.latched, *self.feedback]

    def input_registers(self) -> Sequence[int]:
        return self.presses

    def coils(self) -> Sequence[bool]:
        return [False] * _FIRST_OUTPUT + self.outputs

    def write_coil(self, address: int, value: bool) -> bool:
        if 0 <= address < CHANNELS:
            if value:
                self.latched[address] = False
            return True
        output = address - _FIRST_OUTPUT
        if not 0 <= output < _OUTPUTS:
            return False
        self.outputs[output] = value
        self.surroundings.soon(_RELAY_DELAY_S, lambda: self._switch_relay(output))
        return True

    def _switch_relay(self, output: int) -> None:
        self.feedback[output] = self.outputs[output]

    def _press(self, words: Sequence[str]) -> str:
        channel = read_number(words, "channel", 0, CHANNELS - 1)
        read_nothing(words[1:])
        self.require_online()
        count = (self.presses[channel] + 1) & 0xFFFF
        self.report("panic.pressed", None, str(channel), identity=f"{channel}:{count}")
        self.presses[channel] = count
        self.latched[channel] = True
        self.raw[channel] = True
        self.surroundings.soon(_PRESS_S, lambda: self._let_go(channel))
        return f"{self.name}: button {channel} pressed ({count})"

    def _let_go(self, channel: int) -> None:
        self.raw[channel] = False


def build(settings: Settings, surroundings: Surroundings, media: Media) -> ButtonModule:
    return ButtonModule(settings, surroundings, media)
