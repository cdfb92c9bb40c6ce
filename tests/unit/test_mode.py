"""A mode: its table, what may be set for how long, and that it runs out once, at the moment that was set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.domain.error import InvalidAct
from hub.domain.machine import IllegalTransition
from hub.domain.mode import (
    LONGEST,
    MODE_TABLE,
    PERMISSION,
    SUBJECTS,
    Mode,
    ModeKind,
    ModeState,
    Subject,
    ThreatLevel,
    check_mode,
    end_mode,
    expire_mode,
    extend_mode,
)
from hub.domain.permission import PERMISSIONS

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TEST = Mode(
    "s1", 1, ModeKind.TEST, Subject.DEVICE, "d1", ModeState.SET, "quarterly test", "person:a1", NOW, NOW + HOUR
)
ARMED = replace(TEST, kind=ModeKind.ARMED, subject_kind=Subject.ZONE, subject="z1", expires_at=None)
THREAT = replace(ARMED, kind=ModeKind.THREAT_LEVEL, subject_kind=Subject.SITE, level=ThreatLevel.BLUE)


def test_table_and_rights_are_whole() -> None:
    assert {f"{state} -{action}-> {to}" for (state, action, _), to in MODE_TABLE.items()} == {
        "set -extend-> set",
        "set -end-> ended",
        "set -expire-> expired",
    }
    assert set(PERMISSION) == set(SUBJECTS) == set(ModeKind)
    assert set(PERMISSION.values()) <= set(PERMISSIONS)


@pytest.mark.parametrize("mode", [TEST, ARMED, THREAT], ids=lambda mode: mode.kind.value)
def test_a_good_one_may_be_set(mode: Mode) -> None:
    check_mode(mode, NOW)


@pytest.mark.parametrize(
    ("mode", "changes", "told"),
    [
        (TEST, {"reason": " "}, "reason: is empty"),
        (TEST, {"subject": ""}, "subject: is empty"),
        (TEST, {"subject_kind": Subject.SITE}, "subject_kind: test cannot be set on a site"),
        (THREAT, {"subject_kind": Subject.ZONE}, "subject_kind: threat_level cannot be set on a zone"),
        (TEST, {"expires_at": None}, "expires_at: test must have an end"),
        (TEST, {"expires_at": NOW}, "expires_at: is over already"),
        (TEST, {"expires_at": (NOW + HOUR).replace(tzinfo=None)}, "expires_at: has no time zone"),
        (TEST, {"expires_at": NOW + LONGEST[ModeKind.TEST] + SECOND}, "expires_at: test lasts at most 8:00:00"),
        (TEST, {"level": ThreatLevel.RED}, "level: belongs to threat_level"),
        (THREAT, {"level": None}, "level: belongs to threat_level"),
        (TEST, {"exit_delay": SECOND}, "exit_delay: belongs to armed"),
        (ARMED, {"entry_delay": -SECOND}, "entry_delay: "),
        (ARMED, {"exit_delay": HOUR}, "exit_delay: 1:00:00 is not between"),
    ],
)
def test_a_bad_one_is_told_with_its_field(mode: Mode, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidAct) as refused:
        check_mode(replace(mode, **changes), NOW)
    assert str(refused.value).startswith(told)


def test_it_runs_out_once_at_the_moment_that_was_set() -> None:
    assert expire_mode(TEST, NOW + HOUR - SECOND) is TEST
    over = expire_mode(TEST, NOW + 3 * HOUR)
    assert (over.state, over.ended_at, over.ended_by) == (ModeState.EXPIRED, NOW + HOUR, "")
    assert expire_mode(over, NOW + 4 * HOUR) is over
    assert expire_mode(ARMED, NOW + 10_000 * HOUR) is ARMED


def test_what_ran_out_is_over_before_anybody_has_said_so() -> None:
    for at in (NOW + HOUR, NOW + 2 * HOUR):
        with pytest.raises(IllegalTransition):
            end_mode(TEST, "person:a2", "done", at)
        with pytest.raises(IllegalTransition):
            extend_mode(TEST, at + HOUR, "longer", at)


def test_extending_counts_from_now_and_ending_says_who_and_why() -> None:
    at = NOW + HOUR / 2
    longer = extend_mode(TEST, at + LONGEST[ModeKind.TEST], "not done", at)
    assert longer.state is ModeState.SET and longer.expires_at == at + LONGEST[ModeKind.TEST]
    with pytest.raises(InvalidAct):
        extend_mode(TEST, at + LONGEST[ModeKind.TEST] + SECOND, "not done", at)
    ended = end_mode(longer, "person:a2", "done", at)
    assert (ended.state, ended.ended_at, ended.ended_by, ended.end_reason) == (
        ModeState.ENDED,
        at,
        "person:a2",
        "done",
    )
    with pytest.raises(InvalidAct):
        end_mode(longer, "person:a2", "", at)


def test_an_area_is_armed_when_the_time_to_leave_is_over() -> None:
    leaving = replace(ARMED, exit_delay=timedelta(seconds=30))
    assert not leaving.armed(NOW + timedelta(seconds=29))
    assert leaving.armed(NOW + timedelta(seconds=30))
    assert not end_mode(leaving, "person:a1", "opening", NOW + HOUR).armed(NOW + HOUR)
    assert not replace(leaving, expires_at=NOW + HOUR).armed(NOW + HOUR)
    assert not TEST.armed(NOW)
