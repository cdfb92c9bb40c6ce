"""The ledger: while the campus speaks, every program of the street is killed, and nothing is lost or doubled.

The whole demo runs as its user starts it. The simulators write down every event before they send it.
"""

from __future__ import annotations

import psycopg
import pytest

from tests.ledger import Account, balance
from tests.running_demo import run_demo
from tests.waiting import wait_until

KILLED = ("broker", "hub-worker", "hub-api", "hub-chores", "edge", "postgres", "hub")
EVENTS = 600
EVERY_MS = 100
ALARM_KINDS = frozenset({"panic.pressed", "fire.alarm", "door.forced"})
"""Kinds of the storm that the rule book makes alarms of."""


@pytest.mark.alone
def test_nothing_is_lost_or_doubled_while_everything_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    with run_demo("--seed", "11") as demo:
        demo.order(f"storm {EVENTS} {EVERY_MS}")
        for name in KILLED:
            demo.kill(name)
            wait_until(lambda: demo.ready, 40.0, f"the street runs again after {name}", poll_s=0.1)
        killed_at = demo.order("storm")
        assert f"{EVENTS} of {EVENTS}" not in killed_at, "the storm was over before the last kill"
        wait_until(
            lambda: f"{EVENTS} of {EVENTS}" in demo.order("storm"), 120.0, "the storm is over", poll_s=0.5
        )
        last: list[Account] = []

        def balanced() -> bool:
            last[:] = [balance(demo.ledger, demo.dsn, ALARM_KINDS)]
            return last[0].entries >= EVENTS and last[0].balanced

        try:
            wait_until(balanced, 60.0, "every ledger entry is stored once", poll_s=0.5)
        finally:
            with capsys.disabled():
                print(f"\nledger: killed {', '.join(KILLED)} during the storm ({killed_at}); {last[0]}")
        with psycopg.connect(demo.dsn) as connection:
            dropped = connection.execute("SELECT count(*) FROM tombstone").fetchone()
            held = connection.execute("SELECT count(*) FROM quarantine").fetchone()
        assert dropped == (0,)
        assert held == (0,)
