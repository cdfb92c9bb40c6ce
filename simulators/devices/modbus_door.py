"""Door controllers over Modbus TCP, one unit each.

Discrete inputs: 0 contact open, 1 forced, 2 held, 3 exit button (latched), 4 tamper, 5 lock feedback.
Input registers: 0 exit-button counter, 1 door cycles. Coils: 0 lock released, 8 clear the latch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from simulators.device import Act, Surroundings, read_nothing, read_switch
from simulators.media import Media
from simulators.modbus import ModbusDevice, ModbusSettings

_RELEASE_COIL: Final = 0
_CLEAR_COIL: Final = 8
_LOCK_DELAY_S: Final = 0.15
_FORCED_S: Final = 20.0
_KINDS: Final = {"forced": "door.forced", "held": "door.held", "tamper": "device.tamper"}


class Settings(ModbusSettings):
    pass


class ModbusDoor(ModbusDevice):
    """A door whose controller is asked, and never speaks by itself."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.open = False
        self.conditions = dict.fromkeys(_KINDS, False)
        self.exit_latched = False
        self.exits = 0
        self.cycles = self.chance.randint(1000, 9000)
        self.commanded = False
        self.released = False
        self.jammed = False

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "open": Act("", "someone walks through", self._walk),
            "exit": Act("", "someone presses the exit button and leaves", self._exit),
            "force": Act("", "the door is broken open; it is shut again after 20 s", self._force),
            "hold": Act("on|off", "the door is held open too long, or let go", self._hold),
            "tamper": Act("on|off", "the controller's housing is opened, or closed", self._tamper),
            "jam": Act("on|off", "the lock no longer obeys commands, or obeys again", self._jam),
        }

    def go_about(self) -> None:
        if not self.open:
            (self._exit if self.chance.random() < 0.4 else self._walk)(())

    def discrete_inputs(self) -> Sequence[bool]:
        conditions = self.conditions
        return (
            self.open,
            conditions["forced"],
            conditions["held"],
            self.exit_latched,
            conditions["tamper"],
            self.released,
        )

    def input_registers(self) -> Sequence[int]:
        return (self.exits & 0xFFFF, self.cycles & 0xFFFF)

    def coils(self) -> Sequence[bool]:
        return (self.commanded,)

    def write_coil(self, address: int, value: bool) -> bool:
        if address == _RELEASE_COIL:
            self.commanded = value
            self.surroundings.soon(_LOCK_DELAY_S, self._work_lock)
        elif address == _CLEAR_COIL:
            if value:
                self.exit_latched = False
        else:
            return False
        return True

    def _work_lock(self) -> None:
        if not self.jammed:
            self.released = self.commanded

    def _walk(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.require_online()
        self._swing(True)
        self.surroundings.later(self.chance.uniform(2.0, 5.0), self._close)
        return f"{self.name}: someone walked through"

    def _exit(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.require_online()
        count = (self.exits + 1) & 0xFFFF
        self.report("door.exit_button", None, identity=str(count))
        self.exits = count
        self.exit_latched = True
        self._walk(())
        return f"{self.name}: exit button pressed"

    def _force(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.require_online()
        self._set("forced", True)
        self._swing(True)
        self.surroundings.later(_FORCED_S, partial(self._end, "forced"))
        return f"{self.name}: forced"

    def _hold(self, words: Sequence[str]) -> str:
        held = read_switch(words)
        self.require_online()
        if held:
            self._set("held", True)
            self._swing(True)
        else:
            self._end("held")
        return f"{self.name}: held {'open' if held else 'no longer'}"

    def _tamper(self, words: Sequence[str]) -> str:
        on = read_switch(words)
        self.require_online()
        self._set("tamper", on)
        return f"{self.name}: tamper {'on' if on else 'off'}"

    def _jam(self, words: Sequence[str]) -> str:
        self.jammed = read_switch(words)
        if not self.jammed:
            self._work_lock()
        return f"{self.name}: lock {'jammed' if self.jammed else 'works'}"

    def _end(self, condition: str) -> None:
        self._set(condition, False)
        self._close()

    def _close(self) -> None:
        if not self.conditions["forced"] and not self.conditions["held"]:
            self._swing(False)

    def _swing(self, opened: bool) -> None:
        if opened and not self.open:
            self.cycles += 1
        self.open = opened

    def _set(self, condition: str, on: bool) -> None:
        if self.conditions[condition] != on:
            self.report(_KINDS[condition], on)
            self.conditions[condition] = on


def build(settings: Settings, surroundings: Surroundings, media: Media) -> ModbusDoor:
    return ModbusDoor(settings, surroundings, media)
