"""The ledger under fire and the long outage, in their short forms; `make chaos` is the long one."""

from __future__ import annotations

import pytest

from tests.chaos.outage import Size, survive
from tests.chaos.run import Options, report, run
from tests.chaos.school import School

SEED = 3
KINDS = (
    "kill_hub",
    "kill_worker",
    "kill_edge",
    "kill_broker",
    "kill_device_broker",
    "kill_database",
    "half_open_edge_broker",
    "truncate_hub_broker",
    "cut_hub_database",
    "full_files",
    "restore_backup",
    "reinstall",
)


@pytest.mark.alone
def test_nothing_is_lost_or_doubled_under_fire(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(SEED, len(KINDS), KINDS, longest_s=4.0, school=School(500, 250, 250))
    with capsys.disabled():
        print(f"\nseed {SEED}, {len(KINDS)} rounds, 2000 devices", flush=True)
        result = run(options, lambda words: print(words, flush=True))
        report(options, result, lambda words: print(words, flush=True))
    assert not result.account.findings
    assert result.account.figures["events"] > 500
    assert len(result.recoveries) == len(KINDS)


@pytest.mark.alone
def test_a_new_alarm_is_seen_while_72_hours_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = survive(Size(items=20_000, alarms=200, drain_s=120.0), lambda words: None)
    with capsys.disabled():
        print("\n72 hours without the hub:", outcome.figures)
    assert not outcome.findings
