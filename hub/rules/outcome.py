"""What a rule leads to: alarm, hazard, incident, commands; and the verdicts that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from adapters.contract.command import derive_command
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
from hub.rules.field import CommandKind, Duration, EventKind, Family, LocalText, Name, Scalar


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
    """An order to the device itself, to a named one, or to every device of a family around the evidence whose
    configuration allows it.
    """

    kind: CommandKind
    device: Name | None = None
    address: str = ""
    family: Family | None = None
    zone: Literal["own", "room", "floor", "building", "site"] = "building"
    """How far around the evidence the devices of the family stand."""
    parameters: Mapping[str, Scalar] = Field(default={})
    expires: Duration = timedelta(seconds=30)

    @model_validator(mode="after")
    def _one_target(self) -> CommandOutcome:
        if self.device is not None and self.family is not None:
            raise ValueError("family: stands beside a device; name the one or the other")
        if "zone" in self.model_fields_set and self.family is None:
            raise ValueError("zone: is for a family of devices; add `family` or remove it")
        if self.address and self.device is None:
            raise ValueError("address: is an address of a named device; add `device` or remove it")
        if self.family == "fire_alarm":
            raise ValueError("family: fire_alarm is only read, never commanded; remove it")
        return self

    def targets(self, model: SiteModel, zone: str | None) -> tuple[tuple[str, str], ...]:
        """(device, address) of every device of the family around this zone; the named one where one is named.
        None where the site has none of them: rules are written for many sites.
        """
        if self.device is not None:
            return ((self.device, self.address),) if self.device in model.devices else ()
        around = zone if self.zone == "own" else model.zone_around(zone, self.zone)
        found = []
        for name, fact in sorted(model.devices.items()):
            if fact.family != self.family or self.kind not in fact.writes:
                continue
            for address in fact.addresses or ("",):
                path = model.zone_path(model.zone_of(name, address))
                if self.zone == "site" or (around is not None and around in path):
                    found.append((name, address))
        return tuple(found)


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
        self._found: dict[tuple[str | None, ...], tuple[tuple[str, str], ...]] = {}
        """Targets by command and zone: places are few, and the model stays as it is."""

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
            for command in outcomes.commands:
                for device, address in self._targets(command, finding):
                    out.append(self._command(command, device, address, finding))

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
            commands=self._ordered(finding),
        )

    def _ordered(self, finding: Finding) -> tuple[str, ...]:
        """The ids of what the rule orders by this evidence, wherever it is judged."""
        source, evidence = f"rule:{self._ref.rule}", finding.evidence.id
        return tuple(
            derive_command(source, self._ref.version, evidence, device, address, command.kind)
            for command in self._outcomes.commands
            for device, address in self._targets(command, finding)
        )

    def _zone(self, where: str, zone: str | None) -> str | None:
        if where == "site":
            return None
        return zone if where == "own" else self._model.zone_around(zone, where)

    def _targets(self, command: CommandOutcome, finding: Finding) -> tuple[tuple[str, str], ...]:
        if command.device is None and command.family is None:
            return ((finding.evidence.device or "", finding.evidence.address or ""),)
        key = (command.kind, command.device, command.address, command.family, command.zone, finding.zone)
        targets = self._found.get(key)
        if targets is None:
            targets = self._found[key] = command.targets(self._model, finding.zone)
        return targets

    def _command(self, command: CommandOutcome, device: str, address: str, finding: Finding) -> Verdict:
        return SendCommand(
            rule=self._ref,
            device=device,
            address=address,
            kind=command.kind,
            parameters=command.parameters,
            precedence=rank_of(verifies=self._verifies),
            expires_in=command.expires,
            evidence=finding.evidence,
            reason=f"rule {self._ref.rule}",
        )


def rank_of(*, verifies: bool) -> Precedence:
    """The rank of a rule's commands: a verified fire outranks everything; any other rule nobody."""
    return Precedence.FIRE_LINKAGE if verifies else Precedence.SCHEDULE
