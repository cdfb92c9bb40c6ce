"""What is news, and what chattering is collapsed to."""

from __future__ import annotations

import pytest

from adapters.contract.message import Event
from edge.chattering import Chattering, Rate
from edge.condition import Reason, judge_event
from edge.known import ConditionState


def tell(active: bool | None, *, at: int | None = 100, edge_at: int = 1_000, identity: str = "") -> Event:
    return Event(
        "door-1",
        "1",
        "door.forced" if active is not None else "access.denied",
        active,
        at,
        edge_at,
        {},
        b"",
        identity,
    )


ON, OFF = ConditionState(True, 50), ConditionState(False, 50)


@pytest.mark.parametrize(
    ("event", "known", "seen", "news", "reason", "state"),
    [
        (tell(None), None, False, True, Reason.MOMENTARY, None),
        (tell(None, identity="m"), None, True, False, Reason.REPEAT, None),
        (tell(False), None, False, True, Reason.FIRST, ConditionState(False, 100)),
        (tell(True), ON, False, False, Reason.UNCHANGED, None),
        (tell(True), OFF, False, True, Reason.CHANGE, ConditionState(True, 100)),
        (tell(True, at=20), OFF, False, True, Reason.CHANGE, ConditionState(True, 50)),
        (tell(True, at=None), OFF, False, True, Reason.CHANGE, ConditionState(True, 1_000)),
        (tell(True, at=10**18), OFF, False, True, Reason.CHANGE, ConditionState(True, 1_000)),
        (tell(True, identity="m"), ON, False, True, Reason.OWN_MESSAGE, ConditionState(True, 100)),
        (tell(True, identity="m"), ON, True, False, Reason.REPEAT, None),
        (tell(True, at=20, identity="m"), OFF, False, True, Reason.HISTORY, None),
    ],
)  # fmt: skip
def test_judgement(
    event: Event,
    known: ConditionState | None,
    seen: bool,
    news: bool,
    reason: Reason,
    state: ConditionState | None,
) -> None:
    judgement = judge_event(event, known, seen=seen)
    assert (judgement.news, judgement.reason, judgement.state) == (news, reason, state)


RATE = Rate(changes=3, momentary=5, window_ms=1_000, summary_ms=1_000)


def test_a_calm_device_passes_as_it_is() -> None:
    chattering = Chattering(RATE)
    for second in range(20):
        event = tell(bool(second % 2))
        assert chattering.admit(event, second * 1_000) == [event]
        assert chattering.collect_due(second * 1_000, 0) == []
    assert chattering.collapsed == 0


def test_chattering_is_told_once_then_first_last_and_count() -> None:
    chattering = Chattering(RATE)
    passed = []
    for n in range(4):
        passed += chattering.admit(tell(n % 2 == 0, edge_at=n), n * 10)
    assert [(event.kind, event.active) for event in passed] == [
        ("door.forced", True),
        ("door.forced", False),
        ("door.forced", True),
        ("door.forced", False),
        ("device.chattering", True),
    ]
    assert passed[-1].attributes == {"kind": "door.forced"}
    for n in range(4, 11):
        event = tell(n % 2 == 0, edge_at=n)
        assert chattering.is_collapsing(event)
        chattering.hold(event, n * 10)
        chattering.hold(event, n * 10)  # the same state again is no change
    assert chattering.collapsed == 7
    assert chattering.collect_due(500, 0) == []
    (summary,) = chattering.collect_due(1_040, 0)
    assert summary.active is True
    assert summary.attributes == {"collapsed": 7, "collapsed_since": 4}
    (ended,) = chattering.collect_due(2_100, 77)
    assert (ended.kind, ended.active, ended.edge_at) == ("device.chattering", False, 77)
    assert not chattering.is_collapsing(tell(True))
    assert chattering.admit(tell(True), 2_200) == [tell(True)]


def test_other_addresses_and_kinds_are_not_concerned() -> None:
    chattering = Chattering(RATE)
    for n in range(10):
        event = tell(n % 2 == 0)
        if chattering.is_collapsing(event):
            chattering.hold(event, n)
        else:
            chattering.admit(event, n)
    assert not chattering.is_collapsing(Event("door-1", "2", "door.forced", True, None, 0))
    assert not chattering.is_collapsing(Event("door-1", "1", "door.held", True, None, 0))


def test_a_failed_commit_counts_nothing() -> None:
    chattering = Chattering(RATE)
    for _ in range(50):
        assert len(chattering.admit(tell(True), 0)) == 1, "tried again, not changed again"
        chattering.roll_back()
    for n in range(3):
        assert len(chattering.admit(tell(True), n)) == 1
        chattering.commit()
    assert len(chattering.admit(tell(True), 4)) == 2
    chattering.roll_back()
    assert not chattering.is_collapsing(tell(True)), "as it was before"
    assert len(chattering.admit(tell(True), 4)) == 2
