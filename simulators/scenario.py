"""The script of a campus: incidents every few minutes, always the same ones for the same seed."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence

from simulators.campus import Incident, Script
from simulators.device import OrderRefused, Surroundings

_log = logging.getLogger(__name__)


def deal(incidents: Sequence[Incident], chance: random.Random) -> Iterator[Incident]:
    """Incidents for ever: once in the order given, then each round shuffled."""
    deck = list(incidents)
    while deck:
        yield from deck
        chance.shuffle(deck)


class Scenario:
    """Plays a script by giving orders."""

    def __init__(self, script: Script, surroundings: Surroundings, do: Callable[[str], str]) -> None:
        self._script = script
        self._surroundings = surroundings
        self._do = do
        self.played = 0

    async def run(self) -> None:
        """Play for ever; incidents do not overlap."""
        chance = self._surroundings.chance("script")
        wait = self._script.first_after_s
        await self._surroundings.heard.wait()
        for incident in deal(self._script.incidents, chance):
            await self._surroundings.pause(wait)
            _log.info("incident: %s %s", incident.incident, incident.says)
            lasted = await self._play(incident)
            self.played += 1
            wait = max(chance.uniform(*self._script.every_s) - lasted, 1.0)

    async def _play(self, incident: Incident) -> float:
        """Give the orders at their times; returns how long that took, in seconds of campus life."""
        passed = 0.0
        for step in sorted(incident.steps, key=lambda one: one.after_s):
            await self._surroundings.pause(step.after_s - passed)
            passed = step.after_s
            try:
                _log.info("script: %s: %s", step.order, self._do(step.order))
            except OrderRefused as refusal:
                # Someone else has had a hand in it (a device taken offline by order): the script goes on.
                _log.info("script: %s was refused: %s", step.order, refusal)
        return passed
