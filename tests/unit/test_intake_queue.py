"""What waits for the worker: bounded, fair, cut to fit, kept until committed."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.contract.topic import Sender
from adapters.contract.vocabulary import Lane
from hub.intake.backlog import Backlog, Pace
from hub.intake.inbox import BOUNDS, Arrival, Inbox
from hub.intake.run import RawItem, Run

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ONE, TWO = Sender("s", "one"), Sender("s", "two")


def arrival(sender: Sender, text: str) -> Arrival:
    return Arrival(sender, "telemetry", text.encode(), NOW)


def run(sender: Sender, first: int, count: int) -> Run:
    items = tuple(RawItem(first + n, 0, b"x" * 10) for n in range(count))
    return Run(sender, Lane.ALARM, 1, first, count, 0, NOW, items)


def test_a_full_queue_drops_the_newest_and_counts_it() -> None:
    inbox = Inbox()
    for number in range(BOUNDS["telemetry"] + 5):
        inbox.put(arrival(ONE, str(number)))
    assert inbox.dropped == {"telemetry": 5}
    taken = inbox.take("telemetry", 1_000, 1_000_000)
    assert [each.frame for each in taken] == [str(n).encode() for n in range(BOUNDS["telemetry"])]
    assert inbox.depth()["telemetry"] == 0


def test_one_edges_flood_does_not_make_another_wait() -> None:
    inbox = Inbox()
    for number in range(50):
        inbox.put(arrival(ONE, f"one {number}"))
    inbox.put(arrival(TWO, "two"))
    first = inbox.take("telemetry", 4, 1_000_000)
    assert [each.frame for each in first] == [b"one 0", b"two", b"one 1", b"one 2"]


def test_at_least_one_message_is_taken_whatever_its_size() -> None:
    inbox = Inbox()
    inbox.put(arrival(ONE, "x" * 1000))
    inbox.put(arrival(ONE, "y"))
    assert len(inbox.take("telemetry", 10, 100)) == 1


def test_a_backlog_cuts_runs_to_the_budget_and_keeps_them_until_settled() -> None:
    backlog = Backlog(lambda item: 1)
    backlog.add(run(ONE, 1, 10))
    backlog.add(run(TWO, 1, 2))
    chosen, weight = backlog.choose(8)
    assert [(each.sender, each.first, each.count) for each in chosen] == [(ONE, 1, 4), (TWO, 1, 2)]
    assert weight == 6
    again, _ = backlog.choose(8)
    assert again == chosen
    backlog.settle()
    rest, _ = backlog.choose(100)
    assert [(each.sender, each.first, each.count) for each in rest] == [(ONE, 5, 6)]
    backlog.settle()
    assert len(backlog) == 0
    assert backlog.choose(100) == ([], 0)


def test_the_pace_comes_to_the_target_but_learns_nothing_big_from_something_small() -> None:
    pace = Pace(target_s=0.1, start=32, least=4, most=1_000)
    pace.learn(1, 0.002)
    assert pace.budget == 32
    for _ in range(10):
        pace.learn(pace.budget, pace.budget * 0.001)
    assert 90 <= pace.budget <= 110
    for _ in range(10):
        pace.learn(pace.budget, pace.budget * 0.1)
    assert pace.budget == 4
