"""What a plan (预案) is: steps bound to posts, and the commands that they send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.domain.command import Precedence
from hub.domain.incident import Level
from hub.domain.judgement import Text


@dataclass(frozen=True, slots=True)
class StepCommand:
    """An order to every fitting device: of that family, whose configuration allows the write."""

    kind: str
    family: str
    scope: str
    """`zone`: inside the incident's zone; `site`: everywhere."""
    needs: str
    """`verified`: only after the panel's own start or two independent devices; `start`: at once."""
    precedence: Precedence
    expires_s: float
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step; it is notified when all of `after` are settled (at the start where there are none)."""

    step: int
    title: Text
    post: str
    due_s: float
    after: tuple[int, ...] = ()
    commands: tuple[StepCommand, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A response plan in one version."""

    plan: str
    version: int
    title: Text
    level: Level
    commander_post: str
    steps: tuple[PlanStep, ...]

    def step(self, number: int) -> PlanStep | None:
        return next((step for step in self.steps if step.step == number), None)
