"""What a rule leads to: alarm, hazard, incident, commands; and the verdicts that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from adapters.contract.vocabulary import Priority
from hub.document import StrictModel
from hub.domain.command import CLOSING, Precedence
from hub.domain.judgement import (
    Evidence,
    OpenHazard,
    OpenIncident,
    RaiseAlarm,
    RuleRef,
    SendCommand,
    SiteModel,
    Verdict,
)
from hub.rules.field import CommandKind, Duration, EventKind, LocalText, Name, Scalar


class AlarmOutcome(StrictModel):
    """Every alarm says how urgent it is, what to do, and whose it is."""

    priority: Priority
    response: LocalText
    owner_post: Name
    kind: EventKind | None = None
    """What the alarm is; where absent, the event's own kind."""
    condition: Literal["kind", "rule"] = "kind"
    silent: bool = False
    realarm: bool = False


class HazardOutcome(StrictModel):
    """A ticket to rectify."""

    grade: Literal["general", "major"] = "general"
    due: Duration
    title: LocalText
    owner_post: Name
    condition: Literal["kind", "rule"] = "kind"
    checker: Literal["condition", "rule", "person"] = "condition"
    """Who answers "is it still there?": the condition itself, this rule's state, or a person who looks."""


class IncidentOutcome(StrictModel):
    """A plan to start (or, where not automatic, to propose)."""

    plan: Name
    automatic: bool = True
    zone: Literal["own", "room", "floor", "building", "site"] = "building"


class CommandOutcome(StrictModel):
    """An order to the device itself or to a named one."""

    kind: CommandKind
    device: Name | None = None
    address: str = ""
    parameters: Mapping[str, Scalar] = Field(default={})
    expires: Duration = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule found what it looks for."""

    subject: str
    kind: str
    evidence: Evidence
    zone: str | None
    late: bool = False
    acting: bool = True
    """False: old news; it raises and proposes, but starts and sends nothing."""
    history: bool = False
    members: tuple[tuple[str, str], ...] = ()
    """(subject, condition) of further alarms that belong to it."""


class Outcomes(StrictModel):
    """What a rule leads to; at least one of them."""

    alarm: AlarmOutcome | None = None
    hazard: HazardOutcome | None = None
    incident: IncidentOutcome | None = None
    commands: Annotated[tuple[CommandOutcome, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _never_automatic(self) -> Outcomes:
        for command in self.commands:
            if command.kind in CLOSING:
                raise ValueError(f"commands: {command.kind} is never automatic; leave it to a person")
        return self

    @property
    def empty(self) -> bool:
        return self.alarm is None and self.hazard is None and self.incident is None and not self.commands


class Verdicts:
    """A rule's outcomes, prepared once, so that a finding costs only its own values."""

    def __init__(self, ref: RuleRef, outcomes: Outcomes, model: SiteModel, *, verifies: bool) -> None:
        self._ref = ref
        self._outcomes = outcomes
        self._model = model
        self._verifies = verifies
        self._response = outcomes.alarm.response.texts() if outcomes.alarm else {}
        self._title = outcomes.hazard.title.texts() if outcomes.hazard else {}

    def condition(self, kind: str) -> str:
        """The condition under which the alarm stands."""
        alarm = self._outcomes.alarm
        return self._ref.rule if alarm is not None and alarm.condition == "rule" else self.alarm_kind(kind)

    def alarm_kind(self, kind: str) -> str:
        """What the alarm is called."""
        alarm = self._outcomes.alarm
        return alarm.kind if alarm is not None and alarm.kind is not None else kind

    def find(self, finding: Finding, out: list[Verdict]) -> None:
        """Add what follows from a finding."""
        outcomes = self._outcomes
        if outcomes.alarm is not None:
            out.append(self._alarm(outcomes.alarm, finding))
        if outcomes.hazard is not None:
            out.append(self._hazard(outcomes.hazard, finding))
        if outcomes.incident is not None:
            out.append(self._incident(outcomes.incident, finding))
        if finding.acting and not finding.late:
            out.extend(self._command(each, finding) for each in outcomes.commands)

    def _alarm(self, alarm: AlarmOutcome, finding: Finding) -> Verdict:
        return RaiseAlarm(
            rule=self._ref,
            subject=finding.subject,
            condition=self.condition(finding.kind),
            kind=alarm.kind or finding.kind,
            evidence=finding.evidence,
            priority=alarm.priority,
            response=self._response,
            owner_post=alarm.owner_post,
            late=finding.late,
            silent=alarm.silent,
            realarm=alarm.realarm,
            history=finding.history,
        )

    def _hazard(self, hazard: HazardOutcome, finding: Finding) -> Verdict:
        checker = {"condition": finding.kind, "rule": f"rule:{self._ref.rule}", "person": ""}[hazard.checker]
        return OpenHazard(
            rule=self._ref,
            subject=finding.subject,
            condition=self._ref.rule if hazard.condition == "rule" else finding.kind,
            evidence=finding.evidence,
            grade=hazard.grade,
            due_in=hazard.due,
            title=self._title,
            owner_post=hazard.owner_post,
            checker=checker,
        )

    def _incident(self, incident: IncidentOutcome, finding: Finding) -> Verdict:
        alarms = finding.members
        if not alarms:
            alarms = ((finding.subject, self.condition(finding.kind)),)
        return OpenIncident(
            rule=self._ref,
            plan=incident.plan,
            zone=self._zone(incident.zone, finding.zone),
            evidence=finding.evidence,
            automatic=incident.automatic and finding.acting and not finding.late,
            alarms=alarms,
            verified=self._verifies,
        )

    def _zone(self, where: str, zone: str | None) -> str | None:
        if where == "site":
            return None
        return zone if where == "own" else self._model.zone_around(zone, where)

    def _command(self, command: CommandOutcome, finding: Finding) -> Verdict:
        evidence = finding.evidence
        return SendCommand(
            rule=self._ref,
            device=command.device or evidence.device or "",
            address=command.address if command.device else (evidence.address or ""),
            kind=command.kind,
            parameters=command.parameters,
            precedence=Precedence.FIRE_LINKAGE if self._verifies else Precedence.SCHEDULE,
            expires_in=command.expires,
            evidence=evidence,
            reason=f"rule {self._ref.rule}",
        )
