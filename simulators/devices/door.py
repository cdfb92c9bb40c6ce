"""Access-controlled doors over MQTT: badges, contact, lock, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from simulators.device import Act, OrderRefused, Surroundings, read_nothing, read_switch
from simulators.media import Media
from simulators.mqtt import MqttDevice, MqttSettings

DOOR: Final = "1"
"""The controllers of this family have one door each."""
_LOCK_DELAY_S: Final = 0.15
_PULSE_S: Final = 5.0
_FORCED_S: Final = 20.0
_REASONS: Final = ("unknown", "expired", "schedule", "blacklist")


class Settings(MqttSettings):
    locked: bool = True
    """Whether the door is locked in ordinary times."""


class Door(MqttDevice):
    """A door: `contact` is what the sensor sees, `locked` what the lock's own feedback says."""

    takes_orders = True

    def __init__(self, settings: Settings, surroundings: Surroundings, media: Media) -> None:
        super().__init__(settings, surroundings, media)
        self.normally_locked = settings.locked
        self.locked = settings.locked
        self.open = False
        self.forced = False
        self.held = False
        self.broken_glass = False
        self.released = False
        """Held unlocked by a command until `restore` or `lock`."""
        self.jammed = False
        self.command = ""
        self._show_state()

    def acts(self) -> Mapping[str, Act]:
        return {
            **super().acts(),
            "open": Act("", "someone badges and walks through", self._open_by_badge),
            "exit": Act("", "someone presses the exit button and leaves", self._open_by_button),
            "deny": Act("[REASON]", f"a badge is refused: {', '.join(_REASONS)}", self._deny),
            "force": Act("", "the door is broken open; it is shut again after 20 s", self._force),
            "hold": Act("on|off", "the door is held open too long, or let go", self._hold),
            "duress": Act("", "someone opens under duress", partial(self._misuse, "duress")),
            "passback": Act("", "a badge enters twice without leaving", partial(self._misuse, "passback")),
            "tailgate": Act("", "a second person slips through", partial(self._misuse, "tailgating")),
            "break": Act("on|off", "the emergency glass is broken, or replaced", self._break),
            "jam": Act("on|off", "the lock no longer obeys commands, or obeys again", self._jam),
        }

    def go_about(self) -> None:
        if self.open or self.forced or self.connection.full:
            return
        roll = self.chance.random()
        if roll < 0.70:
            self._open_by_badge(())
        elif roll < 0.97:
            self._open_by_button(())
        else:
            self._deny(())

    def obey(self, fields: Mapping[str, Any]) -> None:
        """`{"command": id, "lock": "release|pulse|lock|restore"}`; anything else is ignored."""
        what, command = fields.get("lock"), fields.get("command")
        if what not in ("release", "pulse", "lock", "restore") or not isinstance(command, str):
            return
        self.surroundings.soon(_LOCK_DELAY_S, lambda: self._work_lock(what, command))

    def _work_lock(self, what: str, command: str) -> None:
        if self.jammed:
            return  # a jammed lock moves nothing and so says nothing
        self.command = command
        # A pulse on a released door ends nothing: people may still be on their way out.
        self.released = what == "release" or (what == "pulse" and self.released)
        self.locked = {"release": False, "pulse": False, "lock": True}.get(what, self.normally_locked)
        self._show_state()
        if what == "pulse":
            self.surroundings.soon(_PULSE_S, self._relock)

    def _open_by_badge(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.tell("granted", "access.granted", address=DOOR, door=DOOR, holder=self._holder())
        return self._walk_through("someone badged and walked through")

    def _open_by_button(self, words: Sequence[str]) -> str:
        read_nothing(words)
        self.tell("exit_button", "door.exit_button", address=DOOR, door=DOOR)
        return self._walk_through("someone left by the exit button")

    def _walk_through(self, what: str) -> str:
        self.locked = False
        self.open = True
        self._show_state()
        self.surroundings.later(self.chance.uniform(2.0, 5.0), self._close)
        return f"{self.name}: {what}"

    def _close(self) -> None:
        if self.held or self.forced:
            return
        self.open = False
        self._relock()

    def _relock(self) -> None:
        if not self.released and not self.open:
            self.locked = self.normally_locked
        self._show_state()

    def _deny(self, words: Sequence[str]) -> str:
        reason = words[0] if words else self.chance.choice(_REASONS[:3])
        if reason not in _REASONS:
            raise OrderRefused(f"{reason!r} is no reason; say one of {', '.join(_REASONS)}")
        self.tell("denied", "access.denied", address=DOOR, door=DOOR, holder=self._holder(), reason=reason)
        return f"{self.name}: denied ({reason})"

    def _force(self, words: Sequence[str]) -> str:
        read_nothing(words)
        if self.forced:
            return f"{self.name} is forced already"
        self.set_forced(True)
        self.surroundings.later(_FORCED_S, self._shut)
        return f"{self.name}: forced"

    def set_forced(self, forced: bool) -> None:
        """Break the door open, or shut it again; says nothing where nothing changes."""
        if forced == self.forced:
            return
        self.tell("forced", "door.forced", forced, DOOR, door=DOOR)
        self.forced = forced
        self.open = forced or self.held
        self._show_state()

    def _shut(self) -> None:
        if self.offline or self.connection.full:
            self.surroundings.later(_FORCED_S, self._shut)
        else:
            self.set_forced(False)

    def _hold(self, words: Sequence[str]) -> str:
        held = read_switch(words)
        if held != self.held:
            self.tell("held", "door.held", held, DOOR, door=DOOR)
            self.held = held
            self.open = held or self.forced
            self._relock()
        return f"{self.name}: held {'open' if held else 'no longer'}"

    def _misuse(self, word: str, words: Sequence[str]) -> str:
        read_nothing(words)
        self.tell(word, f"access.{word}", address=DOOR, door=DOOR, holder=self._holder())
        return self._walk_through(word)

    def _break(self, words: Sequence[str]) -> str:
        broken = read_switch(words)
        if broken != self.broken_glass:
            self.tell("emergency_break", "door.emergency_break", broken, DOOR, door=DOOR)
            self.broken_glass = broken
            self.released = broken
            self.locked = self.normally_locked and not broken
            self._show_state()
        return f"{self.name}: emergency glass {'broken' if broken else 'replaced'}"

    def _jam(self, words: Sequence[str]) -> str:
        self.jammed = read_switch(words)
        return f"{self.name}: lock {'jammed' if self.jammed else 'works'}"

    def _holder(self) -> str:
        return f"h-{self.chance.randint(4000, 4799)}"

    def _show_state(self) -> None:
        fields: dict[str, str | int | float | bool] = {
            "door": DOOR,
            "contact": "open" if self.open else "closed",
            "lock": "locked" if self.locked else "unlocked",
        }
        if self.command:
            fields["command"] = self.command
        self.show("state", fields)


def build(settings: Settings, surroundings: Surroundings, media: Media) -> Door:
    return Door(settings, surroundings, media)
