"""A fire panel over Modbus TCP, which others may only read.

Holding registers: 0 status bits, 1 reset counter, 2 first-alarm address, 100+n detector n (1 to 64).
Alarms and call points latch until the panel is reset by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

from pydantic import Field

from simulators.device import Act, OrderRefused, Surroundings, read_nothing, read_number, read_switch
from simulators.media import Media
from simulators.modbus import ModbusDevice, ModbusSettings

ADDRESSES: Final = 64
_FIRST_DETECTOR: Final = 100
_PROGRAMMED: Final = 1 << 15

_DETECTOR_BITS: Final = {
    "alarm": (0, "fire.alarm"),
    "fault": (1, "fire.fault"),
    "isolated": (2, "fire.isolated"),
    "prealarm": (3, "fire.prealarm"),
    "supervisory": (4, "fire.supervisory"),
    "callpoint": (5, "fire.manual_call_point"),
}
_LATCHING: Final = ("alarm", "callpoint")
_PANEL_BITS: Final = {
    "mains_lost": (2, "power.mains_lost"),
    "battery_low": (3, "power.battery_low"),
    "manual": (4, "fire.control_mode"),
    "silenced": (5, "fire.silenced"),
}

Address = Annotated[int, Field(ge=1, le=ADDRESSES)]


class Settings(ModbusSettings):
    detectors: tuple[Address, ...]
    """Programmed addresses; the others do not exist on the loop."""
    names: dict[str, Address] = Field(default_factory=dict)
    """Names for addresses, so that orders can be given in words."""


@dataclass(slots=True)
class _Detector:
    """What is so at this moment, and what the panel holds."""

    present: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)


class FirePanel(ModbusDevice):
    """The panel and its loop."""

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.detectors = {address: _Detector() for address in settings.detectors}
        self.resets = 0
        self.first_alarm = 0
        self._panel: set[str] = set()
        self._names = {name: str(address) for name, address in settings.names.items()}

    def acts(self) -> Mapping[str, Act]:
        acts = dict(super().acts())
        says = {
            "fire": ("alarm", "a detector of the loop sees fire, or no longer (the panel keeps the alarm)"),
            "callpoint": ("callpoint", "a manual call point of the loop is broken, or replaced"),
            "fault": ("fault", "a detector has a fault, or is mended"),
            "isolate": ("isolated", "someone isolates a detector, or takes it into service"),
            "prealarm": ("prealarm", "a detector sees first smoke, or no longer"),
            "supervise": ("supervisory", "a supervised element is off normal, or back"),
        }
        for verb, (condition, words) in says.items():
            acts[verb] = Act("ADDRESS on|off", words, partial(self._switch_detector, condition))
        acts["reset"] = Act("", "someone resets the panel: what is no longer so is forgotten", self._reset)
        acts["mains"] = Act("lost|back", "the panel loses mains power", partial(self._power, "mains_lost"))
        acts["silence"] = Act("on|off", "someone silences the panel", partial(self._switch, "silenced"))
        acts["manual"] = Act(
            "on|off", "the panel's outputs are left in manual", partial(self._switch, "manual")
        )
        acts["lowbattery"] = Act(
            "on|off", "the panel's standby battery is low", partial(self._switch, "battery_low")
        )
        return acts

    def parts(self) -> Mapping[str, str]:
        return self._names

    def holding_registers(self) -> Sequence[int]:
        registers = [0] * (_FIRST_DETECTOR + ADDRESSES + 1)
        shown: set[str] = set()
        for address, detector in self.detectors.items():
            shown |= detector.shown
            registers[_FIRST_DETECTOR + address] = _PROGRAMMED | sum(
                1 << _DETECTOR_BITS[condition][0] for condition in detector.shown
            )
        registers[0] = (
            int("alarm" in shown or "callpoint" in shown)
            | int("fault" in shown or "mains_lost" in self._panel) << 1
            | sum(1 << _PANEL_BITS[condition][0] for condition in self._panel)
        )
        registers[1] = self.resets & 0xFFFF
        registers[2] = self.first_alarm
        return registers

    def _switch_detector(self, condition: str, words: Sequence[str]) -> str:
        self.require_online()
        address = read_number(words, "detector address", 1, ADDRESSES)
        on = read_switch(words[1:])
        detector = self.detectors.get(address)
        if detector is None:
            programmed = ", ".join(map(str, sorted(self.detectors)))
            raise OrderRefused(f"{self.name} has no detector {address}; programmed are {programmed}")
        if condition in _LATCHING and "isolated" in detector.shown:
            raise OrderRefused(f"detector {address} is isolated: the panel does not hear it")
        if on:
            detector.present.add(condition)
            self._show(address, condition, True)
        else:
            detector.present.discard(condition)
            if condition not in _LATCHING:
                self._show(address, condition, False)
        return f"{self.name}: detector {address} {condition} {'on' if on else 'off'}"

    def _show(self, address: int, condition: str, on: bool) -> None:
        """Change what the registers say; the ledger has it first."""
        shown = self.detectors[address].shown
        if (condition in shown) == on:
            return
        self.report(_DETECTOR_BITS[condition][1], on, str(address))
        if not on:
            shown.discard(condition)
            return
        shown.add(condition)
        if condition in _LATCHING and self.first_alarm == 0:
            self.first_alarm = address

    def _reset(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.require_online()
        self.report("fire.reset", None, identity=str((self.resets + 1) & 0xFFFF))
        self.resets += 1
        for address, detector in self.detectors.items():
            for condition in _LATCHING:
                if condition in detector.shown and condition not in detector.present:
                    self._show(address, condition, False)
        still = [address for address, detector in self.detectors.items() if detector.shown & set(_LATCHING)]
        self.first_alarm = still[0] if still else 0
        if "silenced" in self._panel:
            self._set("silenced", False)
        return f"{self.name}: reset" + (f"; still in alarm: {still}" if still else "")

    def _power(self, condition: str, words: Sequence[str]) -> str:
        if len(words) != 1 or words[0] not in ("lost", "back"):
            raise OrderRefused(f"{' '.join(words)!r}: say lost or back")
        return self._switch(condition, ["on" if words[0] == "lost" else "off"])

    def _switch(self, condition: str, words: Sequence[str]) -> str:
        on = read_switch(words)
        self.require_online()
        self._set(condition, on)
        return f"{self.name}: {condition} {'on' if on else 'off'}"

    def _set(self, condition: str, on: bool) -> None:
        if (condition in self._panel) == on:
            return
        self.report(_PANEL_BITS[condition][1], on)
        if on:
            self._panel.add(condition)
        else:
            self._panel.discard(condition)


def build(settings: Settings, surroundings: Surroundings, media: Media) -> FirePanel:
    return FirePanel(settings, surroundings, media)
