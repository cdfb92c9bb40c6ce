"""Alarms for tests, raised as the worker raises them: in the site's turn, by a verdict."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from adapters.contract.vocabulary import KINDS, Priority
from hub.clock import utc_now
from hub.dispatch.verdict import apply_verdicts
from hub.domain.alarm import subject_of
from hub.domain.judgement import ClearAlarm, Evidence, RaiseAlarm, RuleRef
from hub.rulebook.book import RuleBook
from hub.store.database import Connection, site_turn, transaction
from hub.store.liveness import save_liveness

_numbers = itertools.count(1)
RULE = RuleRef("test", 1)


def evidence(kind: str, device: str, address: str, zone: str | None, at: datetime) -> Evidence:
    return Evidence(
        id=f"e1/7/1/{next(_numbers)}/0",
        observed_at=at,
        recorded_at=at,
        device=device,
        address=address,
        zone=zone,
        kind=kind,
    )


def raise_alarm(
    connection: Connection,
    kind: str = "panic.pressed",
    device: str = "button",
    address: str = "",
    zone: str | None = "lab",
    site: str = "demo",
) -> int:
    """Raise (or repeat) an alarm; returns its number."""
    at = utc_now()
    verdict = RaiseAlarm(
        rule=RULE,
        subject=subject_of(device, address),
        condition=kind,
        kind=kind,
        evidence=evidence(kind, device, address, zone, at),
        priority=KINDS[kind].default_priority or Priority.LOW,
        response={"zh": "<b>去看</b>", "en": "go & look"},
        owner_post="security-room",
        late=False,
    )
    with transaction(connection):
        site_turn(connection, site)
        apply_verdicts(connection, site, [verdict], at=at, book=RuleBook())
        row = connection.execute(
            "SELECT alarm FROM alarm WHERE site = %s AND subject = %s AND condition = %s AND state <> 'closed'",
            (site, subject_of(device, address), kind),
        ).fetchone()
    assert row is not None
    return int(row[0])


def clear_alarm(connection: Connection, kind: str, device: str, address: str = "", site: str = "demo") -> None:
    """The condition ended."""
    at = utc_now()
    verdict = ClearAlarm(RULE, subject_of(device, address), kind, evidence(kind, device, address, None, at))
    with transaction(connection):
        site_turn(connection, site)
        apply_verdicts(connection, site, [verdict], at=at, book=RuleBook())


def beat_as(
    connection: Connection, process: str, site: str, told: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Give a process's sign of life, and what it tells of itself."""
    now = utc_now()
    save_liveness(connection, process, [site], started_at=now, at=now, detail=dict(told))
