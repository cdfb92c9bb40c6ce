"""One device on a Modbus bus: what to ask it, whether it answers, what was told of that. No I/O."""

from __future__ import annotations

from typing import Final

from adapters.base import AdapterError, DeviceSettings
from adapters.contract.message import Command, Event
from adapters.modbus.decode import Decoder
from adapters.modbus.plan import plan_reads, wanted_spans
from adapters.profile import Profile
from adapters.profile.modbus import ModbusCommand, addresses

_BACK_OFF_S: Final = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0, 30.0)


class Unit:
    """A device by its unit id."""

    def __init__(self, settings: DeviceSettings, profile: Profile, offline_after_s: float) -> None:
        if profile.modbus is None:
            raise AdapterError(f"profile {profile.profile} has no modbus section", retry=False)
        section = profile.modbus
        self.settings = settings
        self.number = int(settings.address)
        self.decoder = Decoder(settings.device, section)
        plans = {poll: plan_reads(wanted_spans(section, poll), section.reads) for poll in section.polls}
        self.plans = {poll: spans for poll, spans in plans.items() if spans}
        self.polls = {poll: section.polls[poll] / 1000 for poll in self.plans}
        """Poll classes that read anything, with their periods in seconds."""
        self._commands = {command.kind: command for command in section.commands}
        self._offline_after_s = offline_after_s
        self._failures = 0
        self._silent_since_s = 0.0
        self._offline: bool | None = None
        self._faulty: bool | None = None
        self._wrong: dict[str, str] = {}

    def back_off_s(self) -> float:
        """How long to leave the device alone: nothing while it answers."""
        return _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]

    def note_silence(self, now_s: float, edge_at: int, reason: str) -> Event | None:
        """A poll went unanswered; an event when that makes the device offline. One lost answer is no
        absence, nor is a short one: a device that restarts its network raises no alarm.
        """
        if not self._failures:
            self._silent_since_s = now_s
        self._failures += 1
        if self._offline or self._failures < 2 or now_s - self._silent_since_s < self._offline_after_s:
            return None
        self._offline = True
        self.decoder.forget()
        return self._event("device.offline", True, edge_at, reason)

    def note_answer(self, poll: str, wrong: str, edge_at: int) -> list[Event]:
        """A poll was answered, rightly or wrongly; events for what that changes."""
        self._failures = 0
        events = []
        if self._offline is not False:
            self._offline = False
            events.append(self._event("device.offline", False, edge_at, "it answered"))
        if wrong:
            self._wrong[poll] = wrong
        else:
            self._wrong.pop(poll, None)
        faulty = bool(self._wrong)
        if self._faulty is not faulty:
            self._faulty = faulty
            reason = next(iter(self._wrong.values()), "it answers as it should")
            events.append(self._event("device.fault", faulty, edge_at, reason))
        return events

    def find_command(self, command: Command) -> tuple[ModbusCommand, int] | str:
        """The profile's entry for a command and how far on its address stands; or why there is none."""
        entry = self._commands.get(command.kind)
        if entry is None:
            return f"profile {self.settings.profile} offers no {command.kind}"
        if entry.repeat is None:
            return entry, 0
        names = addresses(entry.repeat)
        if command.address not in names:
            return f"there is no address {command.address!r}; {names[0]} to {names[-1]}"
        return entry, names.index(command.address) * entry.repeat.stride

    def _event(self, kind: str, active: bool, edge_at: int, reason: str) -> Event:
        return Event(self.settings.device, "", kind, active, None, edge_at, {"reason": reason[:200]})
