"""The detector of deviations finds what is planted, looks at nothing later, says when it knows too little."""

from __future__ import annotations

import csv
import io
import math
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from hub.domain.error import ConfigurationError
from hub.rules.deviation.detector import ENOUGH, STRANGE, Detector
from hub.rules.deviation.history import Recent, Usual
from hub.rules.deviation.table import parse_time, score_file
from sanfang.commands.rules import app

START = datetime(2026, 9, 7, tzinfo=ZoneInfo("Asia/Shanghai"))
STEP = timedelta(minutes=30)
TWO_WEEKS = 14 * 48


def canteen(rows: int = TWO_WEEKS, seed: int = 5) -> list[float]:
    """A room's temperature in °C, half hour by half hour: warmer by day, a little noise."""
    noise = random.Random(seed)
    return [22 + 4 * math.sin(2 * math.pi * (row % 48) / 48) + noise.gauss(0, 0.3) for row in range(rows)]


def scores(values: list[float]) -> list[float | None]:
    detector = Detector()
    return [detector.take(START + row * STEP, value).score for row, value in enumerate(values)]


def strangest(values: list[float]) -> int:
    found = scores(values)
    return max(range(len(values)), key=lambda row: found[row] or 0.0)


def spike(values: list[float]) -> range:
    values[600] += 9
    return range(600, 601)


def night_by_day(values: list[float]) -> range:
    """Nothing outside of what the series has had: only the hour is wrong."""
    values[588:598] = [18.0 + 0.2 * (row % 3) for row in range(10)]
    return range(588, 600)


def stuck(values: list[float]) -> range:
    values[590:640] = [values[590]] * 50
    return range(592, 645)


def drift(values: list[float]) -> range:
    for row in range(560, 672):
        values[row] += 0.15 * (row - 560)
    return range(575, 672)


@pytest.mark.parametrize("plant", [spike, night_by_day, stuck, drift])
def test_what_is_planted_is_the_strangest(plant: object) -> None:
    values = canteen()
    where = plant(values)  # type: ignore[operator]
    found = strangest(values)
    assert found in where
    assert (scores(values)[found] or 0) > 1


def test_an_ordinary_fortnight_has_hardly_a_strange_row() -> None:
    found = [score for score in scores(canteen()) if score is not None]
    assert len(found) == TWO_WEEKS - ENOUGH
    assert sum(score >= STRANGE for score in found) <= 2


def test_no_later_row_changes_a_score() -> None:
    values = canteen()
    spike(values)
    assert scores(values)[:400] == scores(values[:400])


def test_it_says_when_it_does_not_know() -> None:
    detector = Detector()
    assert detector.take(START, 20.0).score is None
    assert "learning" in detector.take(START, 20.0).reason
    for missing in (None, math.nan, math.inf):
        assert detector.take(START, missing) == detector.take(None, missing)
        assert detector.take(START, missing).reason == "no value"


def test_a_missing_value_teaches_nothing() -> None:
    values = canteen()
    with_gaps = Detector()
    found = []
    for row, value in enumerate(values):
        found.append(with_gaps.take(START + row * STEP, value).score)
        with_gaps.take(START + row * STEP, None)
    assert found == scores(values)


def test_the_newest_values_are_one_stretch_over_every_turn_of_the_buffer() -> None:
    recent = Recent(5)
    for value in range(23):
        recent.add(float(value))
        held = list(recent.last(5))
        assert held == [float(each) for each in range(max(0, value - 4), value + 1)]
        assert list(recent.last(2)) == held[-2:]


def test_what_is_usual_forgets_what_is_old() -> None:
    usual = Usual(size=100)
    for _ in range(100):
        usual.compare(10.0)
    assert usual.compare(10.0) == 1.0
    for _ in range(100):
        usual.compare(1.0)
    assert usual.compare(10.0) == 10.0


def write(file: Path, rows: list[list[str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    return file


def test_the_command_prints_every_row_with_its_score(tmp_path: Path) -> None:
    values = canteen()
    where = spike(values)
    rows = [[str(START + row * STEP), "x,y", f"{value:.3f}"] for row, value in enumerate(values)]
    rows[300][2] = ""
    file = write(tmp_path / "canteen.csv", [["at", "note", "celsius"], *rows])
    done = CliRunner().invoke(
        app, ["detect", str(file), "--value-column", "celsius", "--time-column", "at"], catch_exceptions=False
    )
    assert done.exit_code == 0
    printed = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [list(row.values())[:3] for row in printed] == rows
    assert printed[300]["score"] == ""
    assert max(range(len(printed)), key=lambda row: float(printed[row]["score"] or 0)) in where
    assert all(a["at"] < b["at"] for a, b in pairwise(printed))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["at", "v"], ["2026-09-01", "warm"]], "line 2: v: is no number (is: 'warm')"),
        ([["at", "v"], ["yesterday", "1"]], "line 2: at: is no time (is: 'yesterday')"),
        ([["at", "v"], ["2026-09-02", "1", "2"]], "line 2: has 3 columns; write 2"),
        ([["at", "w"]], "line 1: needs one column 'v'; give --value-column one of: at, w"),
        ([["at", "v", "score"]], "line 1: has a column 'score'"),
        ([], "give --value-column one of: nothing"),
    ],
)
def test_a_fault_names_line_column_value_and_cure(tmp_path: Path, rows: list[list[str]], said: str) -> None:
    file = write(tmp_path / "series.csv", rows)
    with pytest.raises(ConfigurationError) as refused:
        list(score_file(file, value_column="v", time_column="at"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "1788220800",
        "1788220800000",
        "1788220800000000000",
        "2026-09-01T00:00:00+00:00",
        "1788220800.0",
        "2026/09/01 00:00",
    ],
)
def test_a_time_is_read_as_it_comes(text: str) -> None:
    at = parse_time(text)
    assert at is not None
    assert at.replace(tzinfo=UTC) == datetime(2026, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "nan", "inf", "-1e300", "2026-13-01"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None
