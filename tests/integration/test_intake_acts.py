"""What people journal reaches the rules, row by row where one of the rows breaks them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hub.domain.judgement import ActInput, Input, Verdict
from hub.rules.engine import Engine
from hub.store.database import site_turn
from hub.store.journal import append_journal
from hub.store.quarantine import list_quarantine, request_retry
from tests.intake_scene import SITE, furnish
from tests.integration.test_intake import Hub, press

FED: list[str] = []


class Choosy(Engine):
    """An engine that notes the acts it is fed and breaks on one kind of them."""

    def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        acts = [each.kind for each in inputs if isinstance(each, ActInput)]
        if "alarm.noted" in acts:
            raise ZeroDivisionError("a rule that cannot read notes")
        FED.extend(acts)
        return super().judge(position, inputs)


def _journal(hub: Hub, kind: str, body: dict[str, Any]) -> None:
    append_journal(
        hub.connection, SITE, at=datetime.now(UTC), actor="someone", subject="alarm:1", kind=kind, body=body
    )


def test_one_act_that_breaks_the_rules_takes_no_other_with_it(any_database: str) -> None:
    furnish(any_database)
    hub = Hub(any_database, Choosy)
    try:
        FED.clear()
        hub.alarms(1, [press(), b"junk"])
        (row,) = list_quarantine(hub.connection, SITE)
        with hub.connection.transaction():
            site_turn(hub.connection, SITE)
            _journal(hub, "alarm.silenced", {})
            _journal(hub, "alarm.noted", {"words": "poison"})
            request_retry(hub.connection, SITE, row["quarantine"], actor="someone", at=datetime.now(UTC))
            _journal(hub, "alarm.acknowledged", {})
        retries = hub.clerk.consume(SITE)
        assert retries == [row["quarantine"]], "a person's wish is not lost with somebody else's poison"
        assert FED == ["alarm.silenced", "alarm.acknowledged"]
        assert any(kind == "rule.broken" for _, kind in hub.open_alarms())
        assert hub.rows("SELECT count(*) FROM history WHERE source = 'act'") == [(2,)]
        FED.clear()
        assert hub.clerk.consume(SITE) == [] and FED == [], "nothing is fed twice"
    finally:
        hub.connection.close()
