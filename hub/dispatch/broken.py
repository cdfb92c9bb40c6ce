"""The alarm that a rule is broken: one per part of the hub that found out."""

from __future__ import annotations

from typing import Final

from adapters.contract.vocabulary import Priority
from hub.domain.alarm import subject_of
from hub.domain.judgement import Evidence, RaiseAlarm, RuleRef, Text

OWNER_POST: Final = "security-room"
"""Where the hub's own alarms go: it is always manned."""


def broken_alarm(rule: RuleRef, evidence: Evidence, response: Text, *, late: bool = False) -> RaiseAlarm:
    """`rule.broken` about the part of the hub that the evidence names (its device and address)."""
    return RaiseAlarm(
        rule=rule,
        subject=subject_of(evidence.device or "hub", evidence.address or ""),
        condition="rule.broken",
        kind="rule.broken",
        evidence=evidence,
        priority=Priority.MEDIUM,
        response=response,
        owner_post=OWNER_POST,
        late=late,
    )
