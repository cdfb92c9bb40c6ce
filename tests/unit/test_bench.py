"""The benchmark's own arithmetic, and that a quick run gives every figure that is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.contract.vocabulary import KINDS, Lane
from tests.bench.figures import flatten, percentile_ms, ratio, spread, table
from tests.bench.frames import MIX, RECORDS, REPEATS, make_events
from tests.bench.school import DEMO, DEVICES_PER_EDGE, PLAIN, WATCHED, School
from tests.bench.stages import shares, stage_of

PROMISED = [
    "ingest.ratio_to_copy",
    "ingest.ratio_demo_rules",
    "ingest.ratio_one_predicate",
    "ingest.flatness",
    "alarms.ratio_to_client",
    "alarms.events_per_s",
    "alarms.occurrences_per_s",
    *(
        f"alarm_latency.{load}.{figure}"
        for load in ("idle", "load50", "load90")
        for figure in ("p50_ms", "p99_ms", "commit_p50_ms", "commit_p99_ms", "bare_commit_p99_ms", "samples")
    ),
    "table.disk_bytes_per_reading",
    "table.spool_bytes_per_reading",
    "memory_mb.50.hub-worker",
    "memory_mb.100.edge_each",
    "county.page_ms",
    "county.ratio_to_select",
    "access.rls_ratio",
    "access.permission_us",
]
"""Keys of a quick run; in a whole run the schools have 2 000 and 20 000 devices."""


def test_the_middle_of_rounds_and_of_their_ratios() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}
    # The second round was slow for both halves: its ratio is as good as any.
    assert ratio([60.0, 6.0, 50.0], [100.0, 10.0, 100.0]) == 0.6
    with pytest.raises(ValueError, match="longer"):
        ratio([1.0], [1.0, 2.0])


def test_a_percentile_is_a_value_that_was_measured() -> None:
    seconds = [number / 1000 for number in range(1, 101)]
    assert percentile_ms(seconds, 50) == 50.0
    assert percentile_ms(seconds, 99) == 99.0
    assert percentile_ms(seconds, 100) == 100.0
    assert percentile_ms([0.002], 99) == 2.0


def test_every_figure_has_a_line_under_its_whole_name() -> None:
    figures = {"ingest": {"readings": 1_000_000, "spread": {"plain": {"min": 1.5}}}}
    assert flatten(figures) == [("ingest.readings", 1_000_000), ("ingest.spread.plain.min", 1.5)]
    assert "1 000 000" in table(figures)


def test_samples_belong_to_stages_and_idle_ones_to_none() -> None:
    assert stage_of("hub/store/reading:copy_readings (database)") == "COPY readings"
    assert stage_of("hub/store/reading:save_latest (database)") == "latest values"
    assert stage_of("hub/unheard_of:f") == "everything else"
    after = {"hub/intake/inbox:wait": 90, "hub/rules/engine:judge": 4, "hub/intake/unpack:take_item": 1}
    assert shares(after, {"hub/rules/engine:judge": 1}) == {"rules": 0.75, "items to rows": 0.25}


def test_each_edge_has_what_its_settings_can_carry_and_each_point_is_reported_once() -> None:
    school = School(bodies=("ordinary",), reporters=3_000, buttons=0)
    assert len(school.edges) == -(-3_000 // DEVICES_PER_EDGE)
    keys = [key for edge in school.edges for key in school.series(edge)[PLAIN]]
    assert len(keys) == len(set(keys)) == 12_000
    assert {len(School().series(School().edges[0])[group]) for group in (PLAIN, DEMO, WATCHED)} == {2_000}


@pytest.mark.parametrize("what", [MIX, RECORDS, REPEATS])
def test_the_backlog_rides_the_alarm_lane_and_its_conditions_fit(what: str) -> None:
    for event in make_events(what, 800):
        assert KINDS[event.kind].lane is Lane.ALARM
        assert KINDS[event.kind].condition is (event.active is not None)


@pytest.mark.alone
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--json", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    found = dict(flatten(json.loads(file.read_text())))
    assert [name for name in PROMISED if not found.get(name)] == []
    assert [name for name in PROMISED if name not in ran.stdout] == []
