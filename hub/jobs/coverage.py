"""Looks at the roster a day ahead and opens a hazard, once, for each post that a plan will look for in vain.

A ticket that nobody has touched yet goes by itself when the post is filled; one that somebody works on is his.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hub.domain.coverage import needs_of
from hub.domain.hazard import HazardAction, HazardState
from hub.domain.judgement import Evidence, OpenHazard, RuleRef
from hub.domain.plan import Plan
from hub.domain.watch import CONDITIONS, Finding, look_ahead
from hub.hazards.act import act_on_hazard
from hub.hazards.desk import open_hazard
from hub.jobs.chore import MOST_PER_TURN, Chore
from hub.store.database import Connection, site_turn, transaction
from hub.store.hazard import open_hazards_of
from hub.store.person import load_qualified
from hub.store.roster import load_duty, load_escalation, load_figures, post_names
from hub.store.turn import CHORES, Turn

EVERY_S: Final = 60.0
RULE: Final = RuleRef("roster", 1)
OWNER: Final = "safety-vice-principal"
_FILLED: Final = "排班已补齐 · filled in the roster"


def coverage_chore(plans: Mapping[str, Plan]) -> Chore:
    """The chore, with the plans whose posts it looks for."""

    def work(connection: Connection, sites: list[str], now: datetime) -> int:
        return sum(look(connection, site, plans, now) for site in sites)

    return Chore("coverage", EVERY_S, work)


def look(connection: Connection, site: str, plans: Mapping[str, Plan], now: datetime) -> int:
    """One site; returns how many tickets were opened or went. Takes the turn only where there is something to
    do.
    """
    findings = {(each.subject, each.condition): each for each in _find(connection, site, plans, now)}
    known = open_hazards_of(connection, site, CONDITIONS)
    if findings.keys() == known.keys():
        return 0
    done = 0
    with transaction(connection):
        site_turn(connection, site)
        turn = Turn(connection, site, now, CHORES)
        # Anew inside the turn: somebody may have closed one, or opened the same.
        known = open_hazards_of(connection, site, CONDITIONS)
        for key, finding in list(findings.items())[:MOST_PER_TURN]:
            if key not in known:
                open_hazard(turn, _verdict(finding, now))
                done += 1
        for key, (number, state) in list(known.items())[:MOST_PER_TURN]:
            if key not in findings and state is HazardState.REPORTED:
                act_on_hazard(turn, str(number), HazardAction.DISMISS, {}, _FILLED)
                done += 1
    return done


def _find(connection: Connection, site: str, plans: Mapping[str, Plan], now: datetime) -> list[Finding]:
    return look_ahead(
        load_duty(connection, site, at=now),
        needs_of(plans.values(), load_escalation(connection, site).posts),
        post_names(connection, site),
        load_figures(connection, site),
        load_qualified(connection, site),
        now,
    )


def _verdict(finding: Finding, now: datetime) -> OpenHazard:
    evidence = Evidence(
        id=f"{finding.condition}:{finding.subject}:{now.isoformat()}",
        observed_at=now,
        recorded_at=now,
        device=None,
        address=None,
        zone=None,
        kind=finding.condition,
        values=finding.values,
    )
    return OpenHazard(
        rule=RULE,
        subject=finding.subject,
        condition=finding.condition,
        evidence=evidence,
        grade="general",
        due_in=finding.due_in,
        title=finding.title,
        owner_post=OWNER,
        checker=finding.condition,
    )
