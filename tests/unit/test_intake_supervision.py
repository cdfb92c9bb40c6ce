"""What the hub notices by itself, and what it does not claim to know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract.message import Heartbeat, LaneStatus
from hub.domain.judgement import ListeningInput
from hub.intake.exchange import answer_heartbeat
from hub.intake.listening import Listening, recover_listening
from hub.intake.supervision import EdgeWatch, broker_notice, chores_notice

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def heartbeat(**more: object) -> Heartbeat:
    fields = {"nonce": 1, "edge_at": 0, "uptime_ms": 0, "lanes": [], "settings_version": 1, **more}
    return Heartbeat(**fields)  # type: ignore[arg-type]


def states(watch: EdgeWatch, since_s: float, now_s: float) -> dict[str, bool | None]:
    return {notice.kind: notice.active for notice in watch.notices(since_s, now_s)}


def test_silence_counts_only_while_the_hub_listens() -> None:
    watch = EdgeWatch("e")
    watch.hear(heartbeat(), 1, 0, now_s=100)
    assert states(watch, 0, 130)["edge.offline"] is False
    assert states(watch, 0, 131)["edge.offline"] is True
    assert "edge.offline" not in states(watch, 120, 131)
    assert states(watch, 120, 151)["edge.offline"] is True


def test_an_edge_never_heard_is_unknown_before_it_is_offline() -> None:
    watch = EdgeWatch("e")
    assert "edge.offline" not in states(watch, 0, 30)
    assert states(watch, 0, 31)["edge.offline"] is True


def test_two_live_epochs_are_a_clone_a_restart_is_not() -> None:
    watch = EdgeWatch("e")
    for epoch in (1, 1, 2, 2, 3):
        watch.hear(heartbeat(), epoch, 0, now_s=10)
    assert states(watch, 0, 10).get("edge.cloned") is None
    watch.hear(heartbeat(), 2, 0, now_s=20)
    assert states(watch, 0, 20)["edge.cloned"] is True
    assert states(watch, 0, 200)["edge.cloned"] is False


def test_three_bad_signatures_are_an_alarm_two_are_not() -> None:
    watch = EdgeWatch("e")
    watch.unverified.extend([1, 2])
    assert "edge.unverified" not in states(watch, 0, 3)
    watch.unverified.append(3)
    assert states(watch, 0, 4)["edge.unverified"] is True
    assert states(watch, 0, 700)["edge.unverified"] is False


@pytest.mark.parametrize(("offset_s", "drifts"), [(0, False), (4.9, False), (-5.1, True), (3600, True)])
def test_an_edges_clock_is_measured_at_the_heartbeat(offset_s: float, drifts: bool) -> None:
    watch = EdgeWatch("e")
    watch.hear(heartbeat(edge_at=int(offset_s * 1e6)), 1, 0, now_s=1)
    assert states(watch, 0, 2)["device.clock_drift"] is drifts


def test_refused_settings_are_told_with_the_reason() -> None:
    watch = EdgeWatch("e")
    watch.hear(heartbeat(settings_error="devices[0]: no such profile"), 1, 0, now_s=1)
    assert states(watch, 0, 2)["edge.settings_refused"] is True


def test_silent_chores_are_told_once_this_worker_can_know() -> None:
    assert chores_notice(None, NOW, up_s=5) == []
    assert chores_notice(None, NOW, up_s=11)[0].active is True
    assert chores_notice(NOW - timedelta(seconds=60), NOW, up_s=5) == []
    assert chores_notice(NOW - timedelta(seconds=11), NOW, up_s=60)[0].active is True
    assert chores_notice(NOW - timedelta(seconds=2), NOW, up_s=60)[0].active is False


def test_a_broker_that_blinks_is_no_alarm() -> None:
    assert broker_notice(3).active is False
    assert broker_notice(11).active is True


def test_the_exchange_answers_every_lane_and_closes_what_cannot_come() -> None:
    lanes = [
        LaneStatus(epoch=1, lane=1, last_assigned=9, lowest_held=6, cursor=5),
        LaneStatus(epoch=1, lane=2, last_assigned=9, lowest_held=8, cursor=7),
        LaneStatus(epoch=2, lane=1, last_assigned=0, lowest_held=1, cursor=0),
        LaneStatus(epoch=2, lane=9, last_assigned=0, lowest_held=1, cursor=0),
        LaneStatus(epoch=2**64 - 1, lane=1, last_assigned=0, lowest_held=5, cursor=0),
    ]
    answer = answer_heartbeat("e", heartbeat(lanes=lanes), {("e", 1, 1): 5, ("e", 1, 2): 3})
    assert answer.cursors == {("e", 1, 1): 5, ("e", 1, 2): 7, ("e", 2, 1): 0}
    assert answer.closed == {("e", 1, 2): 7}
    assert [(n.kind, n.attributes["first"], n.attributes["last"]) for n in answer.notices] == [
        ("lane.gap", 4, 7)
    ]


def test_listening_is_fed_once_and_a_crash_ends_it_at_the_last_sign_of_life() -> None:
    listening = Listening()
    assert listening.feed(NOW, 0.0) == []
    listening.begin(NOW, 0.0)
    listening.begin(NOW + timedelta(seconds=5), 5.0)
    later, last = NOW + timedelta(seconds=10), NOW + timedelta(seconds=11)
    assert listening.feed(later, 10.0) == [ListeningInput(NOW, later)]
    assert listening.feed(later, 10.0) == []
    row = {"detail": listening.told(last, 11.0), "at": last}
    assert recover_listening(row) == [ListeningInput(later, last)]
    listening.end(later, 10.0)
    assert recover_listening({"detail": listening.told(last, 11.0), "at": last}) == []
    assert recover_listening(None) == []
