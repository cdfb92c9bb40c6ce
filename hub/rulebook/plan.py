"""Plans as YAML: parsed into frozen plans, with every fault."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hub.document import StrictModel, fault, parse_document
from hub.domain.command import CLOSING, OPENING, Precedence
from hub.domain.incident import Level
from hub.domain.plan import Plan, PlanStep, StepCommand
from hub.rules.field import CommandKind, Duration, Family, LocalText, Name, Scalar


class StepCommandDocument(StrictModel):
    """`kind`, `family`, `scope`, `needs`, `parameters`, `expires`."""

    kind: CommandKind
    family: Family
    scope: Literal["zone", "site"] = "zone"
    needs: Literal["verified", "start"] = "verified"
    parameters: Mapping[str, Scalar] = Field(default={})
    expires: Duration = timedelta(seconds=30)


class StepDocument(StrictModel):
    """`step`, `title`, `post`, `due`, `after`, `commands`."""

    step: Annotated[int, Field(ge=1, le=100)]
    title: LocalText
    post: Name
    due: Duration
    after: tuple[int, ...] = ()
    commands: Annotated[tuple[StepCommandDocument, ...], Field(max_length=20)] = ()


class PlanDocument(StrictModel):
    """`plan`, `version`, `title`, `level`, `commander_post`, `why`, `linkage`, `steps`."""

    plan: Name
    version: Annotated[int, Field(ge=1)] = 1
    title: LocalText
    level: Level
    commander_post: Name
    why: str = ""
    linkage: Literal["fire", "other"] = "other"
    """`fire`: its verified commands rank as fire linkage; others rank below a lock-down and a person's."""
    steps: Annotated[tuple[StepDocument, ...], Field(min_length=1, max_length=100)]


def parse_plan(document: Any, file: Path) -> tuple[Plan | None, list[str]]:
    """The plan of a document, or None, and every fault."""
    parsed, faults = parse_document(document, PlanDocument, file)
    if parsed is None:
        return None, faults
    faults += _check_steps(parsed, file)
    if faults:
        return None, faults
    return (
        Plan(
            plan=parsed.plan,
            version=parsed.version,
            title=parsed.title.texts(),
            level=parsed.level,
            commander_post=parsed.commander_post,
            steps=tuple(_step(each, parsed.linkage) for each in sorted(parsed.steps, key=lambda s: s.step)),
        ),
        [],
    )


def _step(document: StepDocument, linkage: str) -> PlanStep:
    return PlanStep(
        step=document.step,
        title=document.title.texts(),
        post=document.post,
        due_s=document.due.total_seconds(),
        after=document.after,
        commands=tuple(
            StepCommand(
                kind=command.kind,
                family=command.family,
                scope=command.scope,
                needs=command.needs,
                precedence=_rank(linkage, command),
                expires_s=command.expires.total_seconds(),
                parameters=dict(command.parameters),
            )
            for command in document.commands
        ),
    )


def _rank(linkage: str, command: StepCommandDocument) -> Precedence:
    if linkage == "fire" and command.needs == "verified":
        return Precedence.FIRE_LINKAGE
    return Precedence.RESPONDER


def _check_steps(plan: PlanDocument, file: Path) -> list[str]:
    faults = []
    numbers: set[int] = set()
    for index, step in enumerate(plan.steps):
        field = f"steps[{index}]"
        if step.step in numbers:
            faults.append(fault(file, f"{field}.step", "stands twice; renumber one of the two", step.step))
        numbers.add(step.step)
        for after in step.after:
            # Only smaller numbers: so that no circle of steps can wait for each other.
            if after >= step.step or after not in {each.step for each in plan.steps}:
                faults.append(
                    fault(file, f"{field}.after", "is no earlier step; name steps with smaller numbers", after)
                )
        for number, command in enumerate(step.commands):
            at = f"{field}.commands[{number}]"
            if command.kind in CLOSING:
                faults.append(
                    fault(file, f"{at}.kind", "is never automatic; leave it to a person", command.kind)
                )
            if command.family == "fire_alarm":
                faults.append(
                    fault(file, f"{at}.family", "is only read, never commanded; remove it", command.family)
                )
            if command.kind in OPENING and command.needs != "verified":
                faults.append(
                    fault(
                        file,
                        f"{at}.needs",
                        "releases without two devices or the panel's own start; write verified",
                        command.needs,
                    )
                )
    return faults
