"""How posts are filled over a span of time, and which post of which plan will have nobody. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.domain.plan import Plan
from hub.domain.roster import Duty, Standing

LOOK_AHEAD: Final = timedelta(hours=24)
"""So far ahead an empty post is told before the emergency."""
ESCALATION: Final = "escalation"
"""Stands where a plan's name would, for the posts that hear of unacknowledged alarms."""
COMMANDER: Final = 0
"""Stands where a step's number would, for the commander's post."""


@dataclass(frozen=True, slots=True)
class Block:
    """From `begins` until `ends` the same people stand at a post, by the same shifts; nobody: a gap."""

    post: str
    begins: datetime
    ends: datetime
    standings: tuple[Standing, ...]

    @property
    def persons(self) -> tuple[str, ...]:
        return tuple(each.person for each in self.standings)


@dataclass(frozen=True, slots=True)
class Need:
    """What needs a post: the steps of a plan (0: its commander), or the escalation."""

    plan: str
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A post that somebody will look for and that has nobody from `begins` until `ends`; ends at the end of the
    span looked at where it goes on.
    """

    post: str
    begins: datetime
    ends: datetime
    needs: tuple[Need, ...]


def blocks(duty: Duty, post: str, begin: datetime, end: datetime) -> tuple[Block, ...]:
    """Who stands at the post from `begin` until `end` (aware), without a hole between the blocks."""
    found: list[Block] = []
    moments = [begin, *duty.moments([post], begin, end), end]
    for here, there in itertools.pairwise(moments):
        standings = duty.standings(post, here)
        if found and found[-1].standings == standings:
            found[-1] = Block(post, found[-1].begins, there, standings)
        elif here < there:
            found.append(Block(post, here, there, standings))
    return tuple(found)


def gaps(duty: Duty, post: str, begin: datetime, end: datetime) -> tuple[Block, ...]:
    """When the post has nobody between `begin` and `end`."""
    return tuple(block for block in blocks(duty, post, begin, end) if not block.standings)


def needs_of(plans: Iterable[Plan], escalation: Sequence[str]) -> Mapping[str, tuple[Need, ...]]:
    """Post -> what needs it: every plan's steps and commander, and the escalation's posts."""
    found: dict[str, dict[str, list[int]]] = {}
    for plan in plans:
        found.setdefault(plan.commander_post, {}).setdefault(plan.plan, []).append(COMMANDER)
        for step in plan.steps:
            found.setdefault(step.post, {}).setdefault(plan.plan, []).append(step.step)
    for post in escalation:
        found.setdefault(post, {}).setdefault(ESCALATION, [])
    return {
        post: tuple(Need(plan, tuple(sorted(steps))) for plan, steps in sorted(plans_of.items()))
        for post, plans_of in sorted(found.items())
    }


def uncovered(
    duty: Duty, needs: Mapping[str, tuple[Need, ...]], begin: datetime, end: datetime
) -> tuple[Uncovered, ...]:
    """Every needed post's gaps between `begin` and `end`, the earliest first."""
    found = [
        Uncovered(post, gap.begins, gap.ends, wanted)
        for post, wanted in needs.items()
        for gap in gaps(duty, post, begin, end)
    ]
    return tuple(sorted(found, key=lambda each: (each.begins, each.post)))
