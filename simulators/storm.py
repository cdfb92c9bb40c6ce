"""A storm of events for tests: buttons pressed, doors forced, detectors in alarm, all in the ledger.

Every event of a storm has an identity of its own. No device changes so often that an edge would take it
for chattering and fold its changes together: each must be found again one by one.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from simulators.device import Device, OrderRefused
from simulators.devices.detector import Detector
from simulators.devices.door import Door
from simulators.devices.io_buttons import CHANNELS, ButtonModule
from simulators.devices.panic_button import PanicButton
from simulators.order import carry_out

PRESS_REST_S = 0.5
"""A button rests so long between two presses."""
COUNTED_REST_S = 15.0
"""A counted button rests so long: who polls it may be away for a while, and then sees the last press only."""
CHANGE_REST_S = 2.5
"""A condition lasts so long at least."""


class Storm:
    """One storm at a time."""

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = devices
        self.wanted = 0
        self.done = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def raging(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, number: int, every_s: float) -> None:
        """Begin. Raises OrderRefused while another storm is on, or where nothing can be stirred."""
        if self.raging:
            raise OrderRefused(f"a storm is on already: {self.done} of {self.wanted}")
        targets = list(self._list_targets())
        if not targets:
            raise OrderRefused("the campus has no buttons, doors or detectors with message ids")
        self.wanted, self.done = number, 0
        self._task = asyncio.create_task(self._rage(targets, every_s))

    async def stop(self) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _rage(self, targets: list[Target], every_s: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ring = itertools.cycle(targets)
        while self.done < self.wanted:
            target = self._next_rested(ring, len(targets), loop.time())
            if target is not None and target.stir(loop.time()):
                self.done += 1
            # By the clock, not by pauses: the rate holds however long a ledger entry takes.
            behind = begun + self.done * every_s - loop.time()
            await asyncio.sleep(max(behind, 0.0) if target is not None else 0.02)
        flips = [target for target in targets if isinstance(target, Flip)]
        await asyncio.sleep(CHANGE_REST_S)
        for flip in flips:
            flip.calm(loop.time())

    @staticmethod
    def _next_rested(ring: Iterator[Target], number: int, now: float) -> Target | None:
        return next((target for target in itertools.islice(ring, number) if target.rested(now)), None)

    def _list_targets(self) -> Iterator[Target]:
        for device in self._devices.values():
            if isinstance(device, PanicButton):
                yield Press(self._devices, f"press {device.name}", PRESS_REST_S)
            elif isinstance(device, ButtonModule):
                for channel in range(CHANNELS):
                    yield Press(self._devices, f"press {device.name} {channel}", COUNTED_REST_S)
            elif isinstance(device, Door):
                yield Flip(device.set_forced)
            elif isinstance(device, Detector):
                yield Flip(partial(device.set_condition, "alarm"))


class Press:
    """A button that is pressed."""

    def __init__(self, devices: Mapping[str, Device], order: str, rest_s: float) -> None:
        self._devices = devices
        self._order = order
        self._rest_s = rest_s
        self._stirred_at = -math.inf

    def rested(self, now: float) -> bool:
        return now - self._stirred_at >= self._rest_s

    def stir(self, now: float) -> bool:
        """Press; False where the button cannot be pressed now."""
        self._stirred_at = now
        try:
            carry_out(self._devices, self._order)
        except OrderRefused:
            return False
        return True


class Flip:
    """A condition that begins and ends."""

    def __init__(self, switch: Callable[[bool], None]) -> None:
        self._switch = switch
        self._on = False
        self._stirred_at = -math.inf

    def rested(self, now: float) -> bool:
        return now - self._stirred_at >= CHANGE_REST_S

    def stir(self, now: float) -> bool:
        """Change; False where the device cannot say it now."""
        self._stirred_at = now
        try:
            self._switch(not self._on)
        except OrderRefused:
            return False
        self._on = not self._on
        return True

    def calm(self, now: float) -> None:
        """End the condition where it is on."""
        if self._on:
            self.stir(now)


Target = Press | Flip
